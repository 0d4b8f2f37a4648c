// voice.test.mjs – what becomes of a call is what phone_numbers and agents say: signed requests for TwiML against a real
// hookline and a real PostgreSQL; the answers are read by an XML parser, and the tickets in them tried on the WebSocket.

import assert from 'node:assert/strict';
import {after, before, describe, it} from 'node:test';
import {DOMParser} from '@xmldom/xmldom';
import {connect, createDatabase} from './lib/database.mjs';
import {PUBLIC_URL, SANITIZED, SECRETS, runHookline, startHookline} from './lib/hookline.mjs';
import {proxyTo} from './lib/proxy.mjs';
import {send} from './lib/send.mjs';
import {signTwilio} from './lib/sign.mjs';
import {PATH, messages, newCall, openStream, refusal, signedHeaders} from './lib/stream.mjs';
import {inTurn, until} from './lib/wait.mjs';

const PATIENCE_MS = SANITIZED ? 60_000 : 20_000;
const VOICE = '/webhooks/twilio/voice';
const NOBODY = /Nobody can take your call right now/;
const REGRET = /we cannot go on with this call/;
const TICKET = /\/media-stream\/((CA[0-9a-f]{32})\.\d+\.[\w-]{43})$/;

let database;
let hookline;
let base;
let rose; // the ids of two agents
let lily;

// What is planned before hookline starts, and stays.
const PLANNED = {
    unplanned: '+12025550110',
    answer: '+12025550111',
    answerOfAgent: '+12025550112',
    answerWithoutWords: '+12025550113',
    stream: '+12025550114',
    streamOfAgent: '+12025550115',
    bridge: '+12025550116',
    bridgeWithWords: '+12025550117',
};

before(async () => {
    database = await createDatabase();
    rose = await addAgent({greeting: 'I am Rose.', action: 'answer'});
    lily = await addAgent({name: 'Lily', greeting: 'I am Lily.', action: 'stream'});
    await addNumber(PLANNED.unplanned, {greeting: 'Not said.'});
    await addNumber(PLANNED.answer, {action: 'answer', greeting: 'We are closed.', agent: rose});
    await addNumber(PLANNED.answerOfAgent, {agent: rose});
    await addNumber(PLANNED.answerWithoutWords, {action: 'answer'});
    await addNumber(PLANNED.stream, {action: 'stream'});
    await addNumber(PLANNED.streamOfAgent, {agent: lily});
    await addNumber(PLANNED.bridge, {action: 'bridge', agent: rose});
    await addNumber(PLANNED.bridgeWithWords, {action: 'bridge', agent: rose, greeting: 'One moment.'});
    hookline = await startHookline({
        DATABASE_URL: database.url,
        HOOKLINE_DEFAULT_REGION: 'US',
        OPENAI_API_KEY: 'sk-of-nobody',
        HOOKLINE_EXPLAIN_SIGNATURES: 1,
        HOOKLINE_DIALPLAN_REFRESH: 0.2,
    });
    base = `ws://127.0.0.1:${hookline.port}`;
});

after(() =>
    inTurn(
        () => hookline?.end(),
        () => database?.drop(),
    ),
);

let numbers = 0;

/** A number that no test before has had: what was planned for another is not in use for it. */
const newNumber = () => `+1202555${String(2000 + ++numbers).padStart(4, '0')}`;

/** Another hookline, for this test alone. */
async function start(t, env = {}, options) {
    const other = await startHookline({DATABASE_URL: database.url, ...env}, options);
    t.after(() => other.kill());
    return other;
}

const addAgent = ({name = 'Rose', greeting = null, action = null} = {}) =>
    database.value('INSERT INTO agents (name, greeting, action) VALUES ($1, $2, $3) RETURNING id', [
        name,
        greeting,
        action,
    ]);

const addNumber = (number, {action = null, greeting = null, agent = null} = {}) =>
    database.value(
        'INSERT INTO phone_numbers (number, action, greeting, agent_id) VALUES ($1, $2, $3, $4) RETURNING id',
        [number, action, greeting, agent],
    );

// ---- a call, and what it is answered ----

const paramsOf = (call, more = {}) => ({
    CallSid: call.callSid,
    AccountSid: call.accountSid,
    From: '+12025550143',
    To: PLANNED.stream,
    CallStatus: 'ringing',
    Direction: 'inbound',
    ApiVersion: '2010-04-01',
    ...more,
});

/** An element as {name, attributes, text, children}, in which nothing is left that is not well-formed. */
function readXml(text) {
    const faults = [];
    const parser = new DOMParser({onError: (level, message) => faults.push(`${level}: ${message}`)});
    const root = parser.parseFromString(text, 'text/xml').documentElement;
    assert.deepEqual(faults, [], text);
    return elementOf(root);
}

function elementOf(node) {
    const children = Array.from(node.childNodes);
    return {
        name: node.nodeName,
        attributes: Object.fromEntries(Array.from(node.attributes).map(({name, value}) => [name, value])),
        text: children
            .filter((child) => child.nodeType === 3)
            .map((child) => child.nodeValue)
            .join(''),
        children: children.filter((child) => child.nodeType === 1).map(elementOf),
    };
}

/** The verbs that a call is answered, as {name, text, …}; and of the stream {url, ticket, callSid, parameters}. */
async function ask(params = {}, {to = hookline, path = VOICE, call = newCall()} = {}) {
    const reply = await send(to.url, signTwilio(paramsOf(call, params), {path}));
    assert.equal(reply.status, 200, reply.body);
    assert.equal(reply.headers['content-type'], 'text/xml; charset=utf-8');
    assert.equal(Number(reply.headers['content-length']), Buffer.byteLength(reply.body));
    const root = readXml(reply.body);
    assert.equal(root.name, 'Response');
    const stream = root.children.find(({name}) => name === 'Connect')?.children[0];
    return {
        call,
        body: reply.body,
        verbs: root.children,
        names: root.children.map(({name}) => name).join(' '),
        said: root.children.filter(({name}) => name === 'Say').map(({text}) => text),
        stream: stream && {
            ...stream.attributes,
            name: stream.name,
            ticket: TICKET.exec(stream.attributes.url)?.[1],
            callSid: TICKET.exec(stream.attributes.url)?.[2],
            parameters: Object.fromEntries(
                stream.children.map(({attributes}) => [attributes.name, attributes.value]),
            ),
        },
    };
}

/** Asks until the answer is so: a change is in use within the time that a refresh takes. */
const askUntil = (what, check, params, options) =>
    until(
        what,
        async () => {
            const answer = await ask(params, options);
            return check(answer) ? answer : null;
        },
        PATIENCE_MS,
    );

const isNobody = ({names, said}) => names === 'Say Hangup' && NOBODY.test(said[0]);

describe('what becomes of a call', () => {
    it('nobody is there for a number that is not planned', async () => {
        for (const To of [PLANNED.unplanned, '+12025550199', 'client:ada', 'sip:ada@example.com', ''])
            assert.ok(isNobody(await ask({To})), To);
    });

    it('answer: the greeting of the number, else of the agent, else that nobody is there', async () => {
        const own = await ask({To: PLANNED.answer});
        assert.deepEqual([own.names, own.said], ['Say Hangup', ['We are closed.']]);
        const byAgent = await ask({To: PLANNED.answerOfAgent});
        assert.deepEqual([byAgent.names, byAgent.said], ['Say Hangup', ['I am Rose.']]);
        assert.ok(isNobody(await ask({To: PLANNED.answerWithoutWords})));
    });

    it('stream: a greeting, then the stream with its parameters, and nothing after it', async () => {
        const To = PLANNED.streamOfAgent;
        const answer = await ask({To});
        assert.equal(answer.names, 'Say Connect');
        assert.deepEqual(answer.said, ['I am Lily.']);
        assert.equal(answer.stream.name, 'Stream');
        assert.ok(answer.stream.url.startsWith(`wss://calls.example.com${PATH}/`));
        assert.equal(answer.stream.callSid, answer.call.callSid);
        assert.equal(answer.stream.statusCallback, `${PUBLIC_URL}/webhooks/twilio`);
        assert.equal(answer.stream.statusCallbackMethod, 'POST');
        assert.deepEqual(answer.stream.parameters, {
            action: 'stream',
            agent: lily,
            direction: 'inbound',
            from: '+12025550143',
            to: To,
        });
        const same = await ask({To}, {path: '/media-stream-twiml'});
        assert.deepEqual([same.names, same.stream.parameters], [answer.names, answer.stream.parameters]);
        assert.equal((await ask({To: PLANNED.stream})).names, 'Connect');
    });

    it("bridge: the number's greeting, the stream, and regret for when the agent cannot go on", async () => {
        const answer = await ask({To: PLANNED.bridge});
        assert.equal(answer.names, 'Connect Say Hangup');
        assert.match(answer.said[0], REGRET);
        assert.equal(answer.stream.parameters.action, 'bridge');
        assert.equal(answer.stream.parameters.agent, rose);
        const greeted = await ask({To: PLANNED.bridgeWithWords});
        assert.equal(greeted.names, 'Say Connect Say Hangup');
        assert.equal(greeted.said[0], 'One moment.');
    });

    it('bridge, and nobody can speak: the caller hears so, and the log says what to do', async (t) => {
        const mute = await start(t);
        const answer = await ask({To: PLANNED.bridgeWithWords}, {to: mute});
        assert.equal(answer.names, 'Say Say Hangup');
        assert.equal(answer.said[0], 'One moment.');
        assert.match(answer.said[1], NOBODY);
        assert.ok(isNobody(await ask({To: PLANNED.bridge}, {to: mute})));
        assert.ok(await mute.waitForLog(({level, hint}) => level === 'warn' && /OPENAI_API_KEY/.test(hint)));
        assert.equal((await ask({To: PLANNED.stream}, {to: mute})).names, 'Connect');
        await mute.end();
        assert.equal(mute.logs().filter(({hint}) => /OPENAI_API_KEY/.test(hint)).length, 1);
        assert.ok(!mute.logText().includes(PLANNED.bridge.slice(0, -2)), 'a number is in the log');
    });

    it('a call that we placed is looked up by the number that calls', async () => {
        const outbound = {Direction: 'outbound-api', CallStatus: 'in-progress'};
        const answer = await ask({...outbound, From: PLANNED.stream, To: '+12025550143'});
        assert.deepEqual(answer.stream.parameters, {
            action: 'stream',
            direction: 'outbound',
            from: PLANNED.stream,
            to: '+12025550143',
        });
        assert.ok(isNobody(await ask({...outbound, From: '+12025550143', To: PLANNED.stream})));
    });

    it('the action of a verb, and a call that is over, get TwiML and no stream', async () => {
        assert.ok(isNobody(await ask({CallStatus: 'in-progress', Digits: '1'})));
        assert.ok(isNobody(await ask({CallStatus: 'in-progress', DialCallStatus: 'busy'})));
        for (const CallStatus of ['completed', 'busy', 'no-answer', 'canceled', 'failed'])
            assert.equal((await ask({CallStatus})).names, '');
        assert.equal((await ask({ErrorUrl: 'https://other.example.com/voice', ErrorCode: '11200'})).names, 'Connect');
        assert.equal((await ask({Digits: '1'}, {path: '/webhooks/twilio'})).names, '');
    });

    it('by GET, as by POST', async () => {
        const path = `${VOICE}?${new URLSearchParams(paramsOf(newCall(), {From: '12025550143', To: '12025550114'}))}`;
        const {'X-Twilio-Signature': signature} = signTwilio({}, {path}).headers;
        const reply = await send(hookline.url, {path, method: 'GET', headers: {'X-Twilio-Signature': signature}});
        assert.equal(reply.status, 200);
        assert.match(reply.body, /<Stream url="wss:/);
    });

    it('the request is an event of its call, as ever', async () => {
        const {call} = await ask();
        const event = await database.row('SELECT event_type, payload FROM call_events WHERE call_sid = $1', [
            call.callSid,
        ]);
        assert.equal(event.event_type, 'voice');
        assert.deepEqual(event.payload, paramsOf(call));
    });
});

describe('what the tables say', () => {
    it('a number that is added, changed, removed or deleted at the provider is so within a refresh', async () => {
        const [To, other] = [newNumber(), newNumber()];
        assert.ok(isNobody(await ask({To})));
        const id = await addNumber(To, {action: 'answer', greeting: 'First.'});
        await askUntil('it is added', ({said}) => said[0] === 'First.', {To});
        await database.rows("UPDATE phone_numbers SET greeting = 'Second.', updated_at = '2001-01-01' WHERE id = $1", [id]);
        await askUntil('it is changed, and its time set back', ({said}) => said[0] === 'Second.', {To});
        await database.rows('UPDATE phone_numbers SET number = $2 WHERE id = $1', [id, other]);
        await askUntil('it is another number', isNobody, {To});
        assert.deepEqual((await ask({To: other})).said, ['Second.']);
        await database.rows('UPDATE phone_numbers SET remote_deleted_at = now() WHERE id = $1', [id]);
        await askUntil('it is deleted there', isNobody, {To: other});
        await database.rows('UPDATE phone_numbers SET remote_deleted_at = NULL WHERE id = $1', [id]);
        await askUntil('it is back', ({said}) => said[0] === 'Second.', {To: other});
        await database.rows('DELETE FROM phone_numbers WHERE id = $1', [id]);
        await askUntil('it is removed', isNobody, {To: other});
    });

    it('so it is with an agent', async () => {
        const To = newNumber();
        const agent = await addAgent({greeting: 'First.', action: 'answer'});
        await addNumber(To, {agent});
        await askUntil('it is added', ({said}) => said[0] === 'First.', {To});
        await database.rows("UPDATE agents SET action = 'stream' WHERE id = $1", [agent]);
        await askUntil('it is changed', ({stream}) => stream?.parameters.agent === agent, {To});
        await database.rows('UPDATE agents SET remote_deleted_at = now() WHERE id = $1', [agent]);
        await askUntil('it is deleted there', isNobody, {To});
        await database.rows('UPDATE agents SET remote_deleted_at = NULL WHERE id = $1', [agent]);
        await askUntil('it is back', ({stream}) => stream, {To});
        await database.rows('DELETE FROM agents WHERE id = $1', [agent]);
        await askUntil('it is removed', isNobody, {To});
    });

    it('so is a change of a transaction that began before another whose changes are in use', async (t) => {
        const [To, other] = [newNumber(), newNumber()];
        await addNumber(To, {action: 'answer', greeting: 'First.'});
        await addNumber(other, {action: 'answer', greeting: 'Other.'});
        await askUntil('both', ({said}) => said[0] === 'Other.', {To: other});
        const early = await connect(database.url);
        t.after(() => early.end());
        await early.query('BEGIN');
        await early.query("UPDATE phone_numbers SET greeting = 'Late.' WHERE number = $1", [To]);
        await database.rows("UPDATE phone_numbers SET greeting = 'Soon.' WHERE number = $1", [other]);
        await askUntil('the other', ({said}) => said[0] === 'Soon.', {To: other});
        assert.deepEqual((await ask({To})).said, ['First.']);
        await early.query('COMMIT');
        await askUntil('the late one', ({said}) => said[0] === 'Late.', {To});
    });

    it('numbers are found however they are written, and their texts are text, whatever is in them', async () => {
        const nasty = `Say "yes" & 'no' </Say><Hangup/> <![CDATA[x]]> &amp; ü 😀\nnext`;
        const From = `"><Hangup/>&'\u0001\u007f`;
        await addNumber('(202) 555-0120', {action: 'answer', greeting: 'National.'});
        await addNumber('001 202 555 0121', {action: 'answer', greeting: 'Zeros.'});
        await addNumber('tel:+1-202-555-0122', {action: 'answer', greeting: 'URI.'});
        await addNumber('(202) 555-0123', {action: 'answer', greeting: 'National.'});
        await addNumber('+12025550123', {action: 'answer', greeting: 'E.164.'});
        await addNumber('sip:desk@example.com', {action: 'answer', greeting: 'None.'});
        await addNumber('+12025550124', {action: 'stream', greeting: `${nasty}\u0002\uffff`});
        await addNumber('+12025550125', {action: 'answer', greeting: 'a'.repeat(100_000)});
        const answer = await askUntil('the last', ({stream}) => stream, {To: '+12025550124', From});
        assert.equal(answer.names, 'Say Connect');
        assert.deepEqual(answer.said, [nasty]);
        assert.equal(answer.stream.parameters.from, `"><Hangup/>&'\u007f`);
        for (const [To, greeting] of [
            ['+12025550120', 'National.'],
            ['+1 (202) 555-0120', 'National.'],
            ['+12025550121', 'Zeros.'],
            ['+12025550122', 'URI.'],
            ['+12025550123', 'E.164.'],
            ['+12025550125', 'a'.repeat(3000)],
        ])
            assert.deepEqual((await ask({To})).said, [greeting], To);
        assert.ok(isNobody(await ask({To: 'sip:desk@example.com'})));
        assert.ok(hookline.logs().some(({msg, unreadable_numbers: n}) => msg === 'dial plan' && n === 1));
    });

    it('there may be many; what is beyond the bound of all texts has no plan, and the log says so', async (t) => {
        await database.rows(
            `INSERT INTO phone_numbers (number, action, greeting)
             SELECT '+1' || 3000000000 + i, 'answer', 'Number ' || i FROM generate_series(1, 20000) i`,
        );
        await database.rows(
            "INSERT INTO agents (name, prompt) SELECT 'Large', repeat('x', 40000000) FROM generate_series(1, 2)",
        );
        t.after(() => database.rows("DELETE FROM agents WHERE name = 'Large'"));
        const other = await start(t);
        const said = await other.waitForLog(({msg}) => /^the dial plan is too large/.test(msg));
        assert.equal(said.level, 'error');
        assert.equal(said.left_out_at_least, 1);
        for (const i of [1, 12345, 20000])
            assert.deepEqual((await ask({To: `+1${3000000000 + i}`}, {to: other})).said, [`Number ${i}`]);
        assert.deepEqual((await ask({To: PLANNED.answerOfAgent}, {to: other})).said, ['I am Rose.']);
        const planned = await database.value(
            `SELECT count(*) FROM phone_numbers n LEFT JOIN agents a ON a.id = n.agent_id
             WHERE n.number LIKE '+%' AND coalesce(n.action, a.action) IS NOT NULL`,
        );
        assert.equal((await other.metrics()).sum('hookline_dialplan_numbers'), planned);
        await other.end();
    });
});

describe('the ticket', () => {
    const ticketFor = async (options) => `${PATH}/${(await ask({}, options)).stream.ticket}`;

    it('opens the stream of its call', async () => {
        const call = newCall();
        const stream = await openStream(base, {path: await ticketFor({call}), headers: {}});
        const m = messages(call);
        stream.say(m.connected(), m.start(), m.stop(2));
        assert.equal((await stream.close()).code, 1000);
        const sql = "SELECT 1 FROM call_events WHERE call_sid = $1 AND event_type LIKE 'stream-%'";
        await until('its events', async () => (await database.rows(sql, [call.callSid])).length === 2);
    });

    it('and of no other', async () => {
        const path = await ticketFor();
        const other = newCall();
        for (const headers of [{}, signedHeaders(path)]) {
            const stream = await openStream(base, {path, headers});
            stream.say(messages(other).connected(), messages(other).start());
            assert.equal((await stream.closed).code, 1008);
        }
        assert.equal((await database.rows('SELECT 1 FROM call_events WHERE call_sid = $1', [other.callSid])).length, 0);
    });

    it('until HOOKLINE_STREAM_TICKET has passed', async (t) => {
        const brief = await start(t, {HOOKLINE_STREAM_TICKET: 1});
        const path = await ticketFor({to: brief});
        const at = `ws://127.0.0.1:${brief.port}`;
        await until('it has expired', async () => (await refusal(at, {path, headers: signedHeaders(path)})) === 401);
        assert.ok(await brief.waitForLog(({detail}) => /^the stream's ticket expired/.test(detail)));
        await brief.end();
    });

    it('of an account is good for a call of that account', async (t) => {
        const sub = {sid: 'AC000000000000000000000000000000ad', token: 'ffeeddccbbaa99887766554433221100'};
        const both = await start(t, {TWILIO_ACCOUNTS: `${sub.sid}:${sub.token}`});
        const call = {...newCall(), accountSid: sub.sid};
        const reply = await send(both.url, signTwilio(paramsOf(call), {path: VOICE, token: sub.token}));
        const path = `${PATH}/${/media-stream\/([^"]+)"/.exec(reply.body)[1]}`;
        const at = `ws://127.0.0.1:${both.port}`;
        const wrong = await openStream(at, {path, headers: {}});
        wrong.say(messages({...call, accountSid: SECRETS.TWILIO_ACCOUNT_SID}).start());
        assert.equal((await wrong.closed).code, 1008);
        const right = await openStream(at, {path, headers: {}});
        right.say(messages(call).start(), messages(call).stop(2));
        assert.equal((await right.close()).code, 1000);
        await both.end();
    });

    it('is in no log', async () => {
        const path = await ticketFor();
        const logged = (status) =>
            hookline.waitForLog(({msg, path: p, status: s}) => msg === 'request' && p === PATH && s === status);
        assert.equal(await refusal(base, {path, headers: {}}), 101);
        assert.equal(await refusal(base, {path: `${path}x`, headers: {}}), 401);
        assert.ok(await logged(401));
        assert.ok(await hookline.waitForLog(({msg}) => msg === 'media stream ended'));
        assert.ok(!hookline.logText().includes(path.slice(-43)));
    });
});

describe('without the database', () => {
    it('the last state read stays, calls go to the journal, and what changed meanwhile is read afterwards', async (t) => {
        const To = newNumber();
        const proxy = await proxyTo(database.url);
        t.after(() => proxy.close());
        await addNumber(To, {action: 'stream'});
        const other = await start(t, {DATABASE_URL: proxy.url});
        assert.ok((await ask({To}, {to: other})).stream, 'what is planned is known when the database is there');
        await proxy.close();
        const {call, stream} = await ask({To}, {to: other});
        assert.ok(stream.ticket);
        assert.ok((await other.metrics()).sum('hookline_journal_deliveries') > 0);
        const stored = () => database.rows('SELECT 1 FROM call_events WHERE call_sid = $1', [call.callSid]);
        assert.equal((await stored()).length, 0);
        await database.rows("UPDATE phone_numbers SET action = 'answer', greeting = 'Changed.' WHERE number = $1", [To]);
        assert.ok((await ask({To}, {to: other})).stream);
        await proxy.listen();
        await askUntil('the change', ({said}) => said[0] === 'Changed.', {To}, {to: other});
        await until('it is drained', async () => (await stored()).length === 1, PATIENCE_MS);
        await other.end();
    });

    it('nobody is there while no state has been read', async (t) => {
        const other = await start(t, {DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/nothing'}, {ready: false});
        assert.ok(isNobody(await ask({}, {to: other})));
        await other.end();
    });

    it('tables that cannot be read leave the last state, and the log says so', async (t) => {
        const other = await start(t);
        await database.rows('ALTER TABLE agents RENAME TO agents_away');
        t.after(() => database.rows('ALTER TABLE IF EXISTS agents_away RENAME TO agents'));
        const said = await other.waitForLog(({msg}) => /^dial plan not read/.test(msg), PATIENCE_MS);
        assert.match(said.reason, /agents/);
        assert.ok((await ask({}, {to: other})).stream);
        await database.rows('ALTER TABLE agents_away RENAME TO agents');
        await other.end();
    });
});

describe('hookline check', () => {
    it('says how many numbers have a plan, and whether calls can be bridged', async () => {
        const check = (env) => runHookline(['check'], {DATABASE_URL: database.url, ...env});
        await database.rows('DELETE FROM phone_numbers WHERE number <> ALL ($1)', [Object.values(PLANNED)]);
        const some = check({OPENAI_API_KEY: 'sk-of-nobody'});
        assert.equal(some.code, 0, some.stdout);
        assert.match(some.stdout, /ok {3}calls +7 of the numbers/);
        assert.match(some.stdout, /ok {3}voice +OPENAI_API_KEY is set/);
        assert.ok(!some.stdout.includes('sk-of-nobody'));
        await database.rows('DELETE FROM phone_numbers');
        const none = check();
        assert.equal(none.code, 0, none.stdout);
        assert.match(none.stdout, /ok {3}calls +0 of the numbers .*\n +-> /);
        assert.match(none.stdout, /ok {3}voice +OPENAI_API_KEY is not set/);
    });
});
