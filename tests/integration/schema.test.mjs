// The schema by itself: what its triggers do for everybody but hookline, what its views show, when its alerts ring.

import assert from 'node:assert/strict';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, afterEach, before, describe, test} from 'node:test';
import {livekitCall, twilioCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {ROOT, startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {inTurn} from './lib/wait.mjs';

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url});
});
after(() => inTurn(() => hookline?.end(), () => database?.drop()));
afterEach(() =>
    database.client.query('RESET hookline.writes; DELETE FROM leads; DELETE FROM voice_calls; DELETE FROM users; DELETE FROM businesses; DELETE FROM storage_samples'),
);

const sql = (text, params) => database.client.query(text, params);

async function deliver(events) {
    for (const event of events) {
        const {status, body} = await send(hookline.url, await event.sign());
        assert.ok(status < 300, `${event.name}: ${status} ${body}`);
    }
}

const addCall = (columns = {}) => {
    const all = {provider: 'vapi', ...columns};
    const names = Object.keys(all);
    return database.value(
        `INSERT INTO voice_calls (${names}) VALUES (${names.map((_, i) => `$${i + 1}`)}) RETURNING id`,
        Object.values(all),
    );
};
/** As hookline itself writes. */
const asHookline = async (text, params) => {
    await sql("SET hookline.writes = 'on'");
    await sql(text, params);
    await sql('RESET hookline.writes');
};

test('the lists of columns that the triggers know are those of src/event/fact.h', async () => {
    const header = readFileSync(join(ROOT, 'src/event/fact.h'), 'utf8');
    for (const [macro, list] of [
        ['CALL_COLUMNS', 'hookline_call_columns'],
        ['PARTICIPANT_COLUMNS', 'hookline_participant_columns'],
        ['MESSAGE_COLUMNS', 'hookline_message_columns'],
    ]) {
        const rows = new RegExp(`#define ${macro}\\(X\\)((?:.*\\\\\\n)*.*)`).exec(header)[1];
        const names = [...rows.matchAll(/X\(\w+, "(\w+)"/g)].map((m) => m[1]);
        assert.ok(names.length > 5);
        assert.deepEqual(await database.value(`SELECT ${list}()`), names, macro);
    }
});

test('no trigger fires for what hookline writes into calls, participants and messages', async () => {
    const triggers = await database.rows(
        `SELECT tgname, pg_get_triggerdef(oid) AS text FROM pg_trigger
         WHERE tgrelid IN ('voice_calls'::regclass, 'call_participants'::regclass, 'voice_messages'::regclass) AND NOT tgisinternal`,
    );
    assert.ok(triggers.length > 5);
    for (const {tgname, text} of triggers)
        // hookline sets updated_at, deletes nothing, and is under no policy
        assert.match(text, /hookline\.writes|updated_at|AFTER DELETE|row_security_active/, tgname);
});

// ---- by hand ----

describe('what somebody writes by hand', () => {
    const call = () => twilioCall('by hand');

    test('stands against every delivery after it, and the rest goes on as it was', async () => {
        const {events, providerCallId, customer} = call();
        await deliver(events.slice(0, 3));
        await sql("UPDATE voice_calls SET summary = 'by hand', direction = 'outbound', end_reason = NULL WHERE provider_call_id = $1", [providerCallId]);
        await deliver(events);
        const row = await database.row('SELECT * FROM voice_calls WHERE provider_call_id = $1', [providerCallId]);
        assert.deepEqual(
            [row.summary, row.direction, row.status, row.duration_seconds, row.from_number],
            ['by hand', 'outbound', 'completed', 30, customer],
        );
    });

    test('has the greatest rank, and the time; what triggers compute has none', async () => {
        const id = await addCall({provider_call_id: 'x', connected_at: '2026-01-01T00:00:00Z', ended_at: '2026-01-01T00:01:00Z', summary: 's'});
        await sql("INSERT INTO voice_messages (call_id, role, content, tokens_used) VALUES ($1, 'user', 'hi', 7)", [id]);
        const ranks = await database.rows(
            `SELECT c.name, c.version >> 57 AS rank, to_timestamp((c.version & ((1::bigint << 57) - 1)) / 1e6) BETWEEN now() - interval '1 minute' AND now() AS timed
             FROM voice_calls v, unnest(hookline_call_columns(), v.versions) AS c (name, version) WHERE c.version > 0`,
        );
        assert.deepEqual(ranks, [
            {name: 'connected_at', rank: 4, timed: true},
            {name: 'ended_at', rank: 4, timed: true},
            {name: 'summary', rank: 4, timed: true},
        ]);
        assert.deepEqual(await database.row('SELECT duration_seconds, total_tokens_used FROM voice_calls'), {duration_seconds: 60, total_tokens_used: 7});
        await sql("UPDATE voice_calls SET ended_at = '2026-01-01T00:02:00Z'");
        assert.equal(await database.value('SELECT duration_seconds FROM voice_calls'), 120);
    });

    test('a status brings phase and outcome; a call that was called active still ends', async () => {
        const {events, providerCallId} = call();
        const state = () => database.row('SELECT status, phase, outcome FROM voice_calls WHERE provider_call_id = $1', [providerCallId]);
        const set = (status) => sql('UPDATE voice_calls SET status = $2 WHERE provider_call_id = $1', [providerCallId, status]);
        await deliver(events.slice(1, 2));
        await set('active');
        assert.deepEqual(await state(), {status: 'active', phase: 1, outcome: null});
        await deliver(events.slice(1, 3));
        assert.deepEqual(await state(), {status: 'active', phase: 1, outcome: null});
        await deliver(events.slice(4));
        assert.deepEqual(await state(), {status: 'completed', phase: 2, outcome: 'completed'});
        await set('failed');
        await deliver(events);
        assert.deepEqual(await state(), {status: 'failed', phase: 2, outcome: 'failed'});
        await set('active');
        await deliver(events);
        assert.deepEqual(await state(), {status: 'active', phase: 1, outcome: null});
    });

    test('a status of its own at once; phase and outcome bring the status', async () => {
        const id = await addCall({status: 'completed'});
        const state = () => database.row('SELECT status, phase, outcome FROM voice_calls WHERE id = $1', [id]);
        assert.deepEqual(await state(), {status: 'completed', phase: 2, outcome: 'completed'});
        await sql('UPDATE voice_calls SET outcome = NULL WHERE id = $1', [id]);
        assert.deepEqual(await state(), {status: 'failed', phase: 2, outcome: null});
        await sql('UPDATE voice_calls SET connected_at = now() WHERE id = $1', [id]);
        assert.deepEqual(await state(), {status: 'completed', phase: 2, outcome: null});
    });

    test('of participants stands too, and tells how long they stayed', async () => {
        const {events, ids} = livekitCall('by hand');
        await deliver(events.slice(0, 3));
        await sql("UPDATE call_participants SET participant_name = 'Zoë', left_at = joined_at + interval '9.9 seconds' WHERE participant_id = $1", [ids.callerSid]);
        await deliver(events);
        const row = await database.row('SELECT participant_name, duration_seconds, left_reason FROM call_participants WHERE participant_id = $1', [ids.callerSid]);
        assert.deepEqual([row.participant_name, row.duration_seconds], ['Zoë', 9]);
        assert.ok(row.left_reason);
    });

    test('of messages: both names of the model, and hidden where another source is shown', async () => {
        const id = await addCall();
        await sql("INSERT INTO voice_messages (call_id, role, content, model) VALUES ($1, 'user', 'one', 'm1')", [id]);
        const model = () => database.row('SELECT model, model_used, versions[8] >> 57 AS rank FROM voice_messages');
        assert.deepEqual(await model(), {model: 'm1', model_used: 'm1', rank: 4});
        await sql("UPDATE voice_messages SET model_used = 'm2'");
        assert.deepEqual(await model(), {model: 'm2', model_used: 'm2', rank: 4});
        await asHookline("UPDATE voice_calls SET transcript_source = 'report'");
        await sql("INSERT INTO voice_messages (call_id, role, content) VALUES ($1, 'user', 'two')", [id]);
        assert.deepEqual(await database.rows('SELECT content, superseded FROM voice_messages ORDER BY id'), [
            {content: 'one', superseded: false},
            {content: 'two', superseded: true},
        ]);
    });

    test('who sets versions as well (a restored dump) knows what they do', async () => {
        const versions = [288230376151711744, ...Array(36).fill(0)];
        await addCall({phase: 1, status: 'active', versions});
        assert.equal(await database.value('SELECT versions[1] FROM voice_calls'), versions[0]);
        await sql('UPDATE voice_calls SET summary = $1, versions = versions[1:36] || 5::bigint', ['s']);
        assert.deepEqual(await database.row('SELECT versions[20] AS summary, versions[37] AS last FROM voice_calls'), {summary: 0, last: 5});
    });
});

test("what triggers write is not by hand, and what follows it in the same transaction is", async () => {
    const id = await addCall({provider_call_id: 'one transaction'});
    await sql('BEGIN');
    await sql("INSERT INTO voice_messages (call_id, role, content, tokens_used) VALUES ($1, 'user', 'hi', 7)", [id]);
    await sql("UPDATE voice_calls SET summary = 'by hand' WHERE id = $1", [id]);
    await sql('COMMIT');
    assert.deepEqual(await database.row('SELECT total_tokens_used, versions[21] AS tokens, versions[20] >> 57 AS summary FROM voice_calls'), {
        total_tokens_used: 7,
        tokens: 0,
        summary: 4,
    });
});

test('an application that sets leads.call_sid links by hand: to one lead, and no guess undoes it', async () => {
    const [older, newer] = [await addCall({call_sid: 'CAolder', started_at: '2026-01-01'}), await addCall({call_sid: 'CAnewer', started_at: '2026-01-02'})];
    const [ada, bob] = await Promise.all(['ada', 'bob'].map((name) => database.value('INSERT INTO leads (name) VALUES ($1) RETURNING id', [name])));
    const link = (lead, sid) => sql('UPDATE leads SET call_sid = $2 WHERE id = $1', [lead, sid]);
    const links = async () =>
        (await database.rows("SELECT name, c.call_sid FROM lead_calls k JOIN leads l ON l.id = lead_id JOIN voice_calls c ON c.id = call_id WHERE learned_by = 'hand' ORDER BY 1, 2")).map(
            (k) => `${k.name} ${k.call_sid}`,
        );
    const sids = async () => (await database.rows('SELECT call_sid FROM leads ORDER BY name')).map((l) => l.call_sid);
    await sql("INSERT INTO lead_calls (lead_id, call_id, learned_by) VALUES ($1, $2, 'hand'), ($1, $3, 'hand')", [ada, older, newer]);
    assert.deepEqual(await sids(), ['CAnewer', null]);
    await link(bob, 'CAolder');
    assert.deepEqual(await sids(), ['CAnewer', 'CAolder']);
    assert.deepEqual(await links(), ['ada CAnewer', 'bob CAolder']);
    await link(ada, null);
    assert.deepEqual(await sids(), [null, 'CAolder']);
    assert.deepEqual(await links(), ['bob CAolder']);
});

test('a link by number that an application takes back stays taken back', async () => {
    const {events, callSid, customer} = twilioCall('unlinked');
    await sql("INSERT INTO leads (name, phone) VALUES ('ada', $1)", [customer]);
    await deliver(events.slice(0, 3));
    const sid = () => database.value('SELECT call_sid FROM leads');
    assert.equal(await sid(), callSid);
    await sql('UPDATE leads SET call_sid = NULL');
    await deliver(events);
    assert.equal(await sid(), null);
});

test("customers' and our numbers are kept in E.164 where they are numbers; an agent's id is one business's", async () => {
    const business = await database.value("INSERT INTO businesses (name, teli_agent_id) VALUES ('one', 'agent_1') RETURNING id");
    await sql("INSERT INTO businesses (name, teli_agent_id) VALUES ('two', 'agent_1')");
    assert.deepEqual(await database.rows('SELECT provider, agent_id, business_id FROM business_agents'), [{provider: 'teli', agent_id: 'agent_1', business_id: business}]);
    await sql("UPDATE businesses SET teli_agent_id = 'agent_2' WHERE id = $1", [business]);
    assert.equal(await database.value('SELECT agent_id FROM business_agents'), 'agent_2');
    const add = (number) => sql('INSERT INTO customers (business_id, phone_number) VALUES ($1, $2)', [business, number]);
    await add('+1 (202) 555-0143');
    await add('anonymous');
    await assert.rejects(add('+12025550143'), /customers_business_id_phone_number_key/);
    assert.deepEqual((await database.rows('SELECT phone_number FROM customers ORDER BY 1')).map((r) => r.phone_number), ['+12025550143', 'anonymous']);
    await sql("INSERT INTO phone_numbers (number) VALUES ('+1 682-626-9224')");
    assert.equal(await database.value('SELECT number FROM phone_numbers'), '+16826269224');
    await sql('DELETE FROM phone_numbers');
});

// ---- views ----

test('of the calls that share a call_sid the one with the best source is shown', async () => {
    const said = async (provider, source, version, content, sid = 'CA1') => {
        const versions = Array(37).fill(0);
        versions[18] = version;
        const id = await addCall({provider, provider_call_id: `${provider}-${content}`, call_sid: sid, transcript_source: source, versions});
        await sql("INSERT INTO voice_messages (call_id, source, role, content) VALUES ($1, $2, 'user', $3)", [id, source, content]);
        return id;
    };
    const shown = async (where = 'true') => (await database.rows(`SELECT content FROM conversation_transcripts WHERE ${where} ORDER BY 1`)).map((r) => r.content);
    const live = await said('twilio', 'live', 10, 'heard live');
    assert.deepEqual(await shown(), ['heard live']);
    await addCall({provider: 'livekit', provider_call_id: 'silent', call_sid: 'CA1', transcript_source: 'report', versions: [...Array(18).fill(0), 99, ...Array(18).fill(0)]});
    assert.deepEqual(await shown(), ['heard live'], 'a call without a line hides none');
    await said('vapi', 'report', 20, 'reported');
    assert.deepEqual(await shown("call_sid = 'CA1'"), ['reported']);
    assert.deepEqual(await shown(`call_id = '${live}'`), []);
    await said('livekit', null, 0, 'without a call_sid', null);
    await said('agent', null, 0, 'nor this', null);
    assert.deepEqual(await shown(), ['nor this', 'reported', 'without a call_sid']);
});

test('what a response cost is no line, and hides none; what nobody wrote down is one', async () => {
    const bridged = await addCall({provider: 'twilio', provider_call_id: 'CA1', call_sid: 'CA1', transcript_source: 'bridge', versions: [...Array(18).fill(0), 99, ...Array(18).fill(0)]});
    const other = await addCall({provider: 'vapi', provider_call_id: 'vapi', call_sid: 'CA1'});
    const say = (id, source, role, content) => sql('INSERT INTO voice_messages (call_id, source, role, content, tokens_used) VALUES ($1, $2, $3, $4, 5)', [id, source, role, content]);
    const shown = async () => (await database.rows('SELECT role, content FROM conversation_transcripts ORDER BY 1, 2')).map((r) => [r.role, r.content]);
    await say(other, null, 'user', 'Hello?');
    await say(bridged, 'bridge', 'system', null);
    assert.deepEqual(await shown(), [['user', 'Hello?']]);
    await say(bridged, 'bridge', 'user', null);
    await say(bridged, 'bridge', 'system', 'You are on hold.');
    await say(bridged, 'bridge', null, null);
    assert.deepEqual(await shown(), [['user', null], ['system', 'You are on hold.'], [null, null]]);
    assert.equal(await database.value('SELECT total_tokens_used FROM voice_calls WHERE id = $1', [bridged]), 20);
});

test('of two sources that are equally good one is shown, whichever came first', async () => {
    for (const content of ['one', 'two']) {
        const id = await addCall({provider_call_id: content, call_sid: 'CA1'});
        await sql("INSERT INTO voice_messages (call_id, role, content) VALUES ($1, 'user', $2)", [id, content]);
    }
    const best = await database.value('SELECT id FROM voice_calls ORDER BY id DESC LIMIT 1');
    assert.deepEqual(await database.rows('SELECT call_id FROM conversation_transcripts'), [{call_id: best}]);
});

// ---- alerts ----

test('a failure is technical unless the person who was called is the reason', async () => {
    const person = [
        ['twilio', 'busy'], ['twilio', 'no-answer'], ['twilio', 'canceled'], ['vapi', 'customer-did-not-answer'], ['vapi', 'customer-busy'],
        ['vapi', 'voicemail'], ['livekit', 'USER_REJECTED'], ['livekit', 'no_participant'], ['teli', 'dial_no_answer'], ['other', 'voicemail'],
    ];
    const technical = [
        ['twilio', 'failed'], ['vapi', 'pipeline-error-openai-llm-failed'], ['vapi', 'call.in-progress.error-providerfault'],
        ['vapi', 'twilio-failed-to-connect-call'], ['livekit', 'SIP_TRUNK_FAILURE'], ['twilio', 'USER_REJECTED'], ['vapi', 'busybody'], ['vapi', null],
    ];
    for (const [provider, reason] of [...person, ...technical])
        assert.equal(
            await database.value('SELECT hookline_is_technical($1, $2)', [provider, reason]),
            technical.some((t) => t[0] === provider && t[1] === reason),
            `${provider} ${reason}`,
        );
});

test('failures: more than 5 % of a day, for technical reasons', async () => {
    const add = (n, status, reason, created = 'now()') =>
        sql(`INSERT INTO voice_calls (provider, status, end_reason, created_at) SELECT 'twilio', $2, $3, ${created} FROM generate_series(1, $1::int)`, [n, status, reason]);
    const alert = () => database.rows('SELECT * FROM alert_failure_rate');
    await add(85, 'completed', null);
    await add(5, 'failed', 'failed');
    await add(10, 'failed', 'busy');
    await add(50, 'failed', 'failed', "now() - interval '25 hours'");
    assert.deepEqual(await alert(), []);
    await add(1, 'failed', null);
    assert.deepEqual(await alert(), [{calls: 101, failed: 6, failure_rate: '5.94'}]);
});

test('failures: one phone call is one, however many providers tell of it', async () => {
    const alert = () => database.rows('SELECT * FROM alert_failure_rate');
    await sql("INSERT INTO voice_calls (provider, status) SELECT 'twilio', 'completed' FROM generate_series(1, 19)");
    await addCall({provider: 'twilio', call_sid: 'CA1', status: 'failed', end_reason: 'busy'});
    await addCall({provider: 'vapi', call_sid: 'CA1', status: 'failed', end_reason: 'customer-busy'});
    await addCall({provider: 'livekit', call_sid: 'CA1', status: 'failed', end_reason: 'SIP_TRUNK_FAILURE'});
    assert.deepEqual(await alert(), [], '5 %');
    await addCall({provider: 'vapi', call_sid: 'CA2', status: 'failed', end_reason: 'pipeline-error-openai-llm-failed'});
    await addCall({provider: 'twilio', call_sid: 'CA2', status: 'completed'});
    assert.deepEqual(await alert(), [{calls: 21, failed: 2, failure_rate: '9.52'}]);
});

test('calls that have been active for more than two hours', async () => {
    const long = await addCall({status: 'active', connected_at: new Date(Date.now() - 121 * 60_000)});
    await addCall({status: 'active', started_at: new Date(Date.now() - 119 * 60_000)});
    await addCall({status: 'completed', connected_at: new Date(Date.now() - 200 * 60_000)});
    assert.deepEqual((await database.rows('SELECT id FROM alert_long_calls')).map((r) => r.id), [long]);
});

test('tokens: more than twice the daily average of the days before', async () => {
    const add = (tokens, daysAgo) =>
        sql("INSERT INTO voice_calls (provider, total_tokens_used, created_at) VALUES ('vapi', $1, current_date - $2::int + interval '1 second')", [tokens, daysAgo]);
    const alert = () => database.rows('SELECT * FROM alert_token_spike');
    await add(1000, 0);
    assert.deepEqual(await alert(), [], 'the first day has nothing to be compared with');
    for (const none of [null, 0]) {
        await add(none, 3);
        assert.deepEqual(await alert(), [], 'nor have days without any tokens');
    }
    await sql('DELETE FROM voice_calls WHERE coalesce(total_tokens_used, 0) = 0');
    await add(900, 2);
    await add(1_000_000, 31);
    assert.deepEqual(await alert(), [{today: '1000', daily_average: '450.0'}]);
    await add(100, 1);
    assert.deepEqual(await alert(), []);
});

test('storage: sampled once a day, and more than half as much again within a week', async () => {
    await sql('SELECT hookline_sample_storage()');
    await sql('SELECT hookline_sample_storage()');
    const samples = await database.rows("SELECT * FROM storage_samples WHERE table_name IN ('voice_calls', 'call_events') ORDER BY 1");
    assert.deepEqual(samples.map((s) => s.table_name), ['call_events', 'voice_calls']);
    assert.ok(samples.every((s) => s.bytes > 8192));
    assert.equal(await database.value("SELECT count(*) FROM storage_samples WHERE table_name LIKE 'call_events_%'"), 0, 'partitions count as their table');

    const add = (table, daysAgo, mib) => sql('INSERT INTO storage_samples VALUES ($1, current_date - $2::int, $3::bigint << 20)', [table, daysAgo, mib]);
    for (const [table, before, now] of [['grown', 100, 151], ['steady', 100, 150], ['small', 1, 15]]) {
        await add(table, 8, before);
        await add(table, 3, now);
        await add(table, 0, now);
    }
    await add('new', 6, 100);
    await add('new', 0, 900);
    for (const [table, before, now] of [['ten days', 10, 0], ['a month ago', 30, 0], ['eleven days', 11, 0], ['two days ago', 9, 2], ['gone', 10, 3]]) {
        await add(table, before, 100);
        await add(table, now, 151);
    }
    assert.deepEqual(await database.rows('SELECT table_name, growth FROM alert_storage_growth ORDER BY 1'), [
        {table_name: 'grown', growth: '51.0'},
        {table_name: 'ten days', growth: '51.0'},
        {table_name: 'two days ago', growth: '51.0'},
    ]);
    await add('grown', 70, 1);
    await sql('SELECT hookline_sample_storage()');
    assert.equal(await database.value("SELECT count(*) FROM storage_samples WHERE day < current_date - 60"), 0);
});
