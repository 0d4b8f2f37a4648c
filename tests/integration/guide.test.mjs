// The older systems' guides: what they tell an application to write works, and the queries that they give, word for word,
// answer with the right numbers on what hookline stores – by an index where the guide says so.

import assert from 'node:assert/strict';
import {randomUUID} from 'node:crypto';
import {after, before, describe, test} from 'node:test';
import {livekitCall, twilioCall, vapiCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {inTurn, until} from './lib/wait.mjs';

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    hookline = await startHookline({DATABASE_URL: database.url});
});
after(() => inTurn(() => hookline?.end(), () => database?.drop()));

async function deliver(events) {
    for (const event of events) {
        const {status, body} = await send(hookline.url, await event.sign());
        assert.ok(status < 300, `${event.name}: ${status} ${body}`);
    }
}

// ---- the queries, as the guides have them ----

const HISTORY = `SELECT
  vc.*,
  COUNT(vm.id) as message_count,
  COUNT(vm.id) FILTER (WHERE vm.role = 'assistant') as ai_responses
FROM voice_calls vc
LEFT JOIN voice_messages vm ON vm.call_id = vc.id
WHERE vc.user_id = $1
GROUP BY vc.id
ORDER BY vc.created_at DESC
LIMIT 20;`;
const CONVERSATION = `SELECT
  vm.role,
  vm.content,
  vm.timestamp,
  vm.tokens_used
FROM voice_messages vm
WHERE vm.call_id = $1
ORDER BY vm.sequence_number ASC;`;
const DASHBOARD = `SELECT * FROM active_calls_summary
ORDER BY started_at DESC;`;
const USAGE = `SELECT
  DATE_TRUNC('day', created_at) as date,
  COUNT(*) as total_calls,
  COUNT(*) FILTER (WHERE ai_agent_used) as ai_calls,
  SUM(total_tokens_used) as total_tokens,
  AVG(duration_seconds) as avg_duration
FROM voice_calls
WHERE created_at > NOW() - INTERVAL '30 days'
GROUP BY DATE_TRUNC('day', created_at)
ORDER BY date DESC;`;
const ANALYTICS = `SELECT * FROM call_analytics
WHERE created_at > NOW() - INTERVAL '7 days';`;
const VOLUME = `SELECT COUNT(*) FROM voice_calls
WHERE created_at > NOW() - INTERVAL '1 day';`;
const AVERAGE_DURATION = `SELECT AVG(duration_seconds) FROM voice_calls
WHERE status = 'completed'
AND created_at > NOW() - INTERVAL '7 days';`;
const TOKENS = `SELECT SUM(total_tokens_used) FROM voice_calls
WHERE ai_agent_used = true
AND created_at > NOW() - INTERVAL '1 day';`;
const FAILURE_RATE = `SELECT
  COUNT(*) FILTER (WHERE status = 'failed')::float /
  NULLIF(COUNT(*), 0) * 100 as failure_rate
FROM voice_calls
WHERE created_at > NOW() - INTERVAL '1 day';`;
const COLUMN_EXISTS = `SELECT column_name, data_type, is_nullable
FROM information_schema.columns
WHERE table_name = 'leads' AND column_name = 'call_sid';`;

describe('what an application writes, and reads back', () => {
    const user = randomUUID();
    const room = livekitCall('guide');
    let callId;

    before(() => database.client.query("INSERT INTO users (id, name, email) VALUES ($1, 'Ada', 'ada@example.com')", [user]));

    test('a call session: the row that it creates becomes the room that it then opens', async () => {
        callId = await database.value(
            `INSERT INTO voice_calls (user_id, session_id, room_name, status) VALUES ($1, $2, 'Support Call', 'pending') RETURNING id`,
            [user, room.ids.roomName],
        );
        for (const event of room.events)
            if (event.body.participant?.sid === room.ids.callerSid) event.body.participant.identity = user;
        await deliver(room.events.slice(0, 3));
        const [call, ...others] = await database.rows('SELECT * FROM voice_calls WHERE session_id = $1', [room.ids.roomName]);
        assert.deepEqual(others, []);
        assert.deepEqual([call.id, call.status, call.room_name, call.provider_call_id], [callId, 'active', 'Support Call', room.providerCallId]);
        const [active, ...more] = await database.rows(DASHBOARD);
        assert.deepEqual(more, []);
        assert.deepEqual([active.id, active.user_name, active.user_email, active.participant_count], [callId, 'Ada', 'ada@example.com', 2]);
    });

    test('messages: the tokens of the call follow', async () => {
        await database.client.query(
            `INSERT INTO voice_messages (call_id, role, content, audio_url, sequence_number) VALUES ($1, 'user', 'Hello', 'https://a.example.com/1', 0)`,
            [callId],
        );
        for (const [sequence, tokens] of [[1, 150], [2, 50]])
            await database.client.query(
                `INSERT INTO voice_messages (call_id, role, content, tokens_used, model_used, sequence_number)
                 VALUES ($1, 'assistant', 'Hi', $2, 'gpt-4-turbo', $3)`,
                [callId, tokens, sequence],
            );
        assert.equal(await database.value('SELECT total_tokens_used FROM voice_calls WHERE id = $1', [callId]), 200);
        const lines = await database.rows(CONVERSATION, [callId]);
        assert.deepEqual(lines.map((l) => [l.role, l.content, l.tokens_used]), [['user', 'Hello', null], ['assistant', 'Hi', 150], ['assistant', 'Hi', 50]]);
        assert.ok(lines.every((l) => l.timestamp));
        assert.deepEqual(await database.row('SELECT DISTINCT model, model_used FROM voice_messages WHERE tokens_used > 0'), {
            model: 'gpt-4-turbo',
            model_used: 'gpt-4-turbo',
        });
        await database.client.query('UPDATE voice_messages SET tokens_used = 60 WHERE sequence_number = 2');
        assert.equal(await database.value('SELECT total_tokens_used FROM voice_calls WHERE id = $1', [callId]), 210);
    });

    test('the end: its duration follows, and nothing that the provider says later undoes it', async () => {
        const ended = '2026-08-12T16:05:00Z';
        await database.client.query("UPDATE voice_calls SET status = 'completed', ended_at = $2, ai_agent_used = true WHERE id = $1", [callId, ended]);
        await deliver(room.events);
        const call = await database.row('SELECT *, ended_at - connected_at AS talked FROM voice_calls WHERE id = $1', [callId]);
        assert.equal(call.status, 'completed');
        assert.equal(new Date(call.ended_at).getTime(), Date.parse(ended));
        assert.equal(call.duration_seconds, 98);
        assert.equal(call.total_tokens_used, 210);
        assert.deepEqual(await database.rows(DASHBOARD), []);
    });

    test("a user's call history counts its messages", async () => {
        const [call, ...others] = await database.rows(HISTORY, [user]);
        assert.deepEqual(others, []);
        assert.deepEqual([call.id, call.message_count, call.ai_responses], [callId, 3, 2]);
    });

    test('who took part is who they say', async () => {
        assert.deepEqual(
            await database.rows('SELECT user_id, duration_seconds > 0 AS stayed FROM call_participants WHERE call_id = $1 ORDER BY user_id NULLS LAST', [callId]),
            [{user_id: user, stayed: true}, {user_id: null, stayed: true}],
        );
        const later = randomUUID();
        await database.client.query(
            `INSERT INTO call_participants (call_id, user_id, participant_identity, participant_name, joined_at, left_at, is_muted)
             VALUES ($1, NULL, $2, 'Grace', '2026-01-01T00:00:00Z', '2026-01-01T00:00:09Z', true)`,
            [callId, later.toUpperCase()],
        );
        await database.client.query("INSERT INTO users (id, name) VALUES ($1, 'Grace')", [later]);
        assert.deepEqual(await database.row('SELECT user_id, duration_seconds FROM call_participants WHERE is_muted'), {user_id: later, duration_seconds: 9});
    });
});

describe('one key joins a lead, its call, its events and its transcript', () => {
    const phone = '+12025550177';
    const twilio = twilioCall('guide', {customer: phone});
    const vapi = vapiCall('guide', {customer: phone, callSid: twilio.callSid});
    let lead;

    before(async () => {
        await deliver([...twilio.events, ...vapi.events]);
        lead = await database.value("INSERT INTO leads (name, phone) VALUES ('John Doe', $1) RETURNING id", [phone]);
    });

    test('the column is there', async () => {
        assert.equal((await database.row(COLUMN_EXISTS)).is_nullable, 'YES');
        assert.ok((await database.rows("SELECT indexname FROM pg_indexes WHERE tablename = 'leads'")).length > 1);
    });

    test('lead → call → events, transcript', async () => {
        const sid = await until('the lead has its call', () => database.value('SELECT call_sid FROM leads WHERE id = $1', [lead]));
        assert.equal(sid, twilio.callSid);
        const events = await database.rows('SELECT * FROM call_events WHERE call_sid = $1', [sid]);
        assert.ok(events.length >= twilio.events.length);
        assert.deepEqual(events.filter((e) => e.duration !== null).map((e) => [e.call_status, e.duration]), [['completed', 30]]);
        assert.ok(events.every((e) => e.from_number === phone));
        // Twilio carried the call and Vapi heard it: its lines, and each of them once.
        const lines = await database.rows('SELECT * FROM conversation_transcripts WHERE call_sid = $1 ORDER BY sequence_number', [sid]);
        assert.deepEqual(lines.map((l) => l.content), vapi.lines.map((l) => l.message));
        assert.ok(lines.every((l) => l.message === l.content && l.speaker === l.role && l.timestamp && l.provider === 'vapi'));
    });

    test('the newest call to a number is found by its events', async () => {
        const row = await database.row("SELECT call_sid FROM call_events WHERE from_number = $1 ORDER BY created_at DESC LIMIT 1", [phone]);
        assert.equal(row.call_sid, twilio.callSid);
    });

    test('an application links by hand: first it unlinks the one lead, then it links the other', async () => {
        const other = await database.value("INSERT INTO leads (name) VALUES ('Jane Doe') RETURNING id");
        const linked = () => database.rows('SELECT name, call_sid FROM leads ORDER BY id');
        const move = async (to) => {
            await database.client.query('UPDATE leads SET call_sid = NULL WHERE call_sid = $1', [twilio.callSid]);
            await database.client.query('UPDATE leads SET call_sid = $1 WHERE id = $2', [twilio.callSid, to]);
        };
        await move(other);
        await deliver([...twilio.events, ...vapi.events]); // no guess by number takes it back
        assert.deepEqual(await linked(), [{name: 'John Doe', call_sid: null}, {name: 'Jane Doe', call_sid: twilio.callSid}]);
        assert.equal(await database.value("SELECT count(*) FROM lead_calls WHERE learned_by = 'hand' AND lead_id = $1", [other]), 2);
        await move(lead);
        assert.deepEqual(await linked(), [{name: 'John Doe', call_sid: twilio.callSid}, {name: 'Jane Doe', call_sid: null}]);
    });
});

test('the key metrics', async () => {
    const calls = await database.rows('SELECT * FROM voice_calls');
    assert.equal(calls.length, 3);
    const sum = (values) => values.reduce((a, b) => a + Number(b ?? 0), 0);
    const today = (await database.rows(USAGE))[0];
    assert.equal(today.total_calls, 3);
    assert.equal(today.ai_calls, calls.filter((c) => c.ai_agent_used).length);
    assert.equal(Number(today.total_tokens), sum(calls.map((c) => c.total_tokens_used)));
    assert.equal(Number(today.avg_duration).toFixed(3), (sum(calls.map((c) => c.duration_seconds)) / 3).toFixed(3));
    assert.equal(await database.value(VOLUME), 3);
    assert.equal(Number(await database.value(AVERAGE_DURATION)).toFixed(3), Number(today.avg_duration).toFixed(3));
    assert.equal(Number(await database.value(TOKENS)), sum(calls.filter((c) => c.ai_agent_used).map((c) => c.total_tokens_used)));
    assert.equal(await database.value(FAILURE_RATE), 0);
    const analytics = await database.rows(ANALYTICS);
    assert.deepEqual(
        analytics.map((a) => [a.provider, a.message_count, a.user_messages, a.assistant_messages]).sort(),
        [['livekit', 3, 1, 2], ['twilio', 0, 0, 0], ['vapi', 4, 2, 2]],
    );
});

// ---- by an index ----

/** The names of the indexes that a query uses, and the tables that it reads from one end to the other and are not empty. */
async function planOf(sql, params) {
    const plan = await database.value(`EXPLAIN (FORMAT json) ${sql}`, params);
    const full = new Set((await database.rows('SELECT relname FROM pg_class WHERE reltuples > 0')).map((t) => t.relname));
    const found = {indexes: new Set(), scanned: new Set()};
    const walk = (node) => {
        if (node['Index Name']) found.indexes.add(node['Index Name'].replace(/_\d{4}_\d\d(?=_)|_default(?=_)/, ''));
        if (node['Node Type'] === 'Seq Scan' && full.has(node['Relation Name'])) found.scanned.add(node['Relation Name']);
        node.Plans?.forEach(walk);
    };
    walk(plan[0].Plan);
    return found;
}

describe('at 20,000 calls', () => {
    let user;
    before(async () => {
        user = await database.value("INSERT INTO users (name) VALUES ('one of many') RETURNING id");
        await database.client.query(`
            SET hookline.writes = 'on';
            INSERT INTO users (id, name) SELECT gen_random_uuid(), 'user ' || g FROM generate_series(1, 500) g;
            INSERT INTO voice_calls (provider, provider_call_id, call_sid, session_id, user_id, status, phase, customer_number, created_at, started_at, versions)
            SELECT 'twilio', 'many-' || g, 'CAmany' || g, 'room-' || g,
                   CASE WHEN g % 1000 = 0 THEN '${user}' WHEN g % 4 = 0 THEN (SELECT id FROM users OFFSET g % 500 LIMIT 1) END,
                   CASE WHEN g % 500 = 0 THEN 'active' ELSE 'completed' END::call_status, CASE WHEN g % 500 = 0 THEN 1 ELSE 2 END,
                   '+1' || (2000000000 + g), now() - g * interval '10 minutes', now() - g * interval '10 minutes', '{0}'
            FROM generate_series(1, 20000) g;
            INSERT INTO voice_messages (call_id, message_key, source, role, content, sequence_number)
            SELECT c.id, 'm' || n, 'live', 'user', 'word', n FROM voice_calls c, generate_series(1, 5) n WHERE c.provider_call_id LIKE 'many-%';
            INSERT INTO call_events (provider, event_key, call_sid, to_number) SELECT 'twilio', 'many-' || g, 'CAmany' || g % 20000, '+1' || g FROM generate_series(1, 40000) g;
            INSERT INTO leads (name, phone) SELECT 'lead ' || g, '+1' || (2000000000 + g) FROM generate_series(1, 5000) g;
            RESET hookline.writes;
            ANALYZE`);
    });

    // name, query, its parameters, the index that it is there for
    const QUERIES = [
        ["a user's history", HISTORY, () => [user], 'voice_calls_user_id'],
        ["a user's calls", 'SELECT * FROM voice_calls WHERE user_id = $1', () => [user], 'voice_calls_user_id'],
        ['a session', 'SELECT * FROM voice_calls WHERE session_id = $1', () => ['room-77'], 'voice_calls_session_id'],
        ['active calls', "SELECT * FROM voice_calls WHERE status = 'active'", () => [], 'voice_calls_active'],
        ['the dashboard', DASHBOARD, () => [], 'voice_calls_active'],
        ['long calls', 'SELECT * FROM alert_long_calls', () => [], 'voice_calls_active'],
        ['a conversation', CONVERSATION, () => [randomUUID()], 'voice_messages_call_id_message_key_key'],
        ['the volume of a day', VOLUME, () => [], 'voice_calls_created_at'],
        ['the average duration', AVERAGE_DURATION, () => [], 'voice_calls_created_at'],
        ['the tokens of a day', TOKENS, () => [], 'voice_calls_created_at'],
        ['the failure rate', FAILURE_RATE, () => [], 'voice_calls_created_at'],
        ['the alert on failures', 'SELECT * FROM alert_failure_rate', () => [], 'voice_calls_created_at'],
        ['a week of analytics', ANALYTICS, () => [], 'voice_calls_created_at'],
        ['a transcript by call_sid', 'SELECT * FROM conversation_transcripts WHERE call_sid = $1', () => ['CAmany77'], 'voice_calls_call_sid'],
        ['a transcript by call', 'SELECT * FROM conversation_transcripts WHERE call_id = $1', () => [randomUUID()], 'voice_calls_pkey'],
        ["a call's events", 'SELECT * FROM call_events WHERE call_sid = $1', () => ['CAmany77'], 'call_events_call_sid_idx'],
        ['a lead by call_sid', 'SELECT * FROM leads WHERE call_sid = $1', () => ['CAmany77'], 'leads_call_sid'],
        ['leads by number', 'SELECT * FROM leads WHERE phone_e164 = $1', () => ['+12000000077'], 'leads_phone_e164'],
        ["a number's calls", 'SELECT * FROM voice_calls WHERE customer_number = $1', () => ['+12000000077'], 'voice_calls_customer_number'],
        ["who a participant is", "UPDATE call_participants SET user_id = NULL WHERE lower(participant_identity) = $1 AND length(participant_identity) = 36 AND user_id IS NULL", () => [randomUUID()], 'call_participants_unknown_user'],
    ];
    for (const [name, sql, params, index] of QUERIES)
        test(name, async () => {
            if (index === 'call_participants_unknown_user') await database.client.query('SET enable_seqscan = off'); // the table is small here
            const {indexes, scanned} = await planOf(sql.replace(/;\s*$/, ''), params());
            await database.client.query('RESET enable_seqscan');
            assert.ok(indexes.has(index), `uses ${[...indexes].join(', ') || 'no index'}, not ${index}`);
            for (const table of ['voice_calls', 'voice_messages', 'call_events'])
                assert.ok(![...scanned].some((t) => t.startsWith(table)), `reads all of ${table}`);
        });
});
