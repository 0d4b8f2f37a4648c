// Databases of the older systems are taken over by `hookline migrate`: every row, with every value, whether it fits or not;
// and what is heard later about an older call finds its row.

import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {livekitCall, twilioCall} from './lib/calls.mjs';
import {createDatabase} from './lib/database.mjs';
import {ROOT, runHookline, startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {inTurn} from './lib/wait.mjs';

const ADA = '8f14e45f-ceea-467f-a8ba-000000000001';
const SID = (n) => `CA${String(n).padStart(32, '0')}`;

/** A database that older systems have left, of these files in lib/older. */
async function olderDatabase(...files) {
    const database = await createDatabase({migrate: false});
    for (const file of files)
        await database.client.query(readFileSync(join(ROOT, 'tests/integration/lib/older', `${file}.sql`), 'utf8'));
    return database;
}

function migrate(database) {
    const run = runHookline(['migrate'], {DATABASE_URL: database.url});
    assert.equal(run.code, 0, run.stdout + run.stderr);
    return run;
}

// ---- no value is lost ----

/** Where else than in the column of its own name a value of an older row may be: our columns. */
const OTHER_NAMES = {
    caller_id: ['user_id', 'from_number'],
    user_id: ['participant_identity'],
    speaker: ['role'],
    message: ['content'],
    sent_at: ['spoken_at'],
    timestamp: ['spoken_at'],
    phone_number: ['number'],
    friendly_name: ['name'],
    call_id: ['provider_call_id'],
};
const WORDS = {sender: {ai: 'assistant', user: 'user'}};

const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

function isKept(key, value, row, of) {
    const stored = [row[key], row.metadata?.older?.[key], row.payload?.[key], ...(OTHER_NAMES[key] ?? []).map((name) => row[name])];
    if (stored.some((candidate) => candidate !== undefined && same(candidate, value))) return true;
    if (key === 'metadata') return Object.entries(value).every(([name, own]) => same(row.metadata?.[name], own));
    if (WORDS[key]) return row.role === WORDS[key][value];
    if (key === 'call_sid') return of?.call_sid === value;
    return key === 'call_id' && (of?.provider_call_id === value || of?.metadata?.older?.id === value);
}

/** Every value of every older row is in the row that was made of it. */
async function assertNothingLost(database, expected) {
    const summary = await database.rows('SELECT * FROM hookline_older.summary ORDER BY table_name');
    assert.deepEqual(Object.fromEntries(summary.map((s) => [s.table_name, s.rows_there])), expected);
    for (const {table_name: table, rows_there: there, rows_taken_over: taken, into_table: ours} of summary) {
        assert.equal(taken, there, table);
        const pairs = await database.rows(
            `SELECT to_jsonb(o) AS older, to_jsonb(n) AS row, to_jsonb(c) AS of
             FROM hookline_older.${table} o
             LEFT JOIN hookline_older.moved m ON m.older_table = '${table}' AND m.place = o.tableoid || ' ' || o.ctid
             LEFT JOIN ${ours} n ON n.id::text = m.new_id
             LEFT JOIN voice_calls c ON c.id::text = to_jsonb(n) ->> 'call_id'`,
        );
        assert.equal(pairs.length, there, `${table}: one row for each`);
        for (const {older, row, of} of pairs)
            for (const [key, value] of Object.entries(older))
                if (value !== null)
                    assert.ok(row && isKept(key, value, row, of), `${table}.${key} ${JSON.stringify(value)} of ${JSON.stringify(older)}\nis not in ${JSON.stringify(row)}`);
    }
}

const COUNTS = {
    basic: {call_participants: 3, voice_calls: 6},
    enhanced: {call_participants: 3, users: 2, voice_calls: 4, voice_messages: 3},
    leads: {call_events: 5, conversation_transcripts: 4, leads: 4},
    beyond: {beyond_call_messages: 3, beyond_calls: 2},
    business: {agents: 3, businesses: 2, customers: 4, phone_numbers: 3},
    odd: {call_events: 3, users: 3, voice_calls: 1},
    supabase: {},
};
const SETS = [['basic'], ['enhanced'], ['leads'], ['beyond'], ['business'], ['odd'], ['supabase', 'enhanced', 'leads', 'beyond', 'business']];

for (const files of SETS)
    test(`${files.join(', ')}: every row and every value is taken over, and a second migration changes nothing`, async () => {
        const database = await olderDatabase(...files);
        try {
            const {stderr} = migrate(database);
            assert.match(stderr, /SELECT \* FROM hookline_older\.summary/);
            const expected = Object.fromEntries(Object.entries(Object.assign({}, ...files.map((f) => COUNTS[f]))).sort());
            await assertNothingLost(database, expected);
            const rows = () => database.rows(`SELECT 'c' AS t, to_jsonb(c)::text AS row FROM voice_calls c
                UNION ALL SELECT 'm', to_jsonb(m)::text FROM voice_messages m
                UNION ALL SELECT 'l', to_jsonb(l)::text FROM leads l ORDER BY 1, 2`);
            const first = await rows();
            assert.equal(migrate(database).stderr, '');
            assert.deepEqual(await rows(), first);
        } finally {
            await database.drop();
        }
    });

test('an empty database has no trace of the search for older tables', async () => {
    const database = await createDatabase();
    assert.equal(await database.value("SELECT to_regnamespace('hookline_older')"), null);
    await database.drop();
});

test("an earlier hookline's tables stay, with their rows; an application's of later names are taken over", async () => {
    const database = await olderDatabase('business');
    const text = readFileSync(join(ROOT, 'schema/0001_spine.sql'));
    await database.client.query(`BEGIN; CREATE TABLE public.hookline_migrations (file text PRIMARY KEY, checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now()); ${text} COMMIT;`);
    await database.client.query('INSERT INTO hookline_migrations (file, checksum) VALUES ($1, $2)', [
        '0001_spine.sql',
        createHash('sha256').update(text).digest('hex').slice(0, 32),
    ]);
    await database.client.query(`INSERT INTO voice_calls (provider, provider_call_id) VALUES ('twilio', '${SID(5)}');
        INSERT INTO call_events (provider, event_key, payload, received_at) VALUES ('twilio', 'k', '{"CallDuration": "7"}', now())`);
    migrate(database);
    assert.equal(await database.value('SELECT provider_call_id FROM voice_calls'), SID(5));
    assert.equal(await database.value('SELECT duration FROM call_events'), 7);
    assert.match(await database.value('SELECT tableoid::regclass::text FROM call_events'), /call_events_\d{4}_\d{2}/);
    await assertNothingLost(database, COUNTS.business);
    await database.drop();
});

test('what cannot be moved stops the migration, which says why and changes nothing', async () => {
    const database = await createDatabase({migrate: false});
    await database.client.query(`CREATE TABLE unrelated (id int); CREATE INDEX voice_calls_call_sid ON unrelated (id);
        CREATE TABLE leads (id int)`);
    const {code, stderr} = runHookline(['migrate'], {DATABASE_URL: database.url});
    assert.notEqual(code, 0);
    assert.match(stderr, /an index public\.voice_calls_call_sid is in the way/);
    assert.match(stderr, /rename it/);
    assert.equal(await database.value("SELECT to_regclass('public.leads')::text"), 'leads');
    await database.drop();
});

// ---- living with what was taken over ----

describe('after the migration', () => {
    let database;
    let hookline;
    let run;
    before(async () => {
        database = await olderDatabase('supabase', 'enhanced', 'leads', 'beyond', 'business');
        run = migrate(database);
        hookline = await startHookline({DATABASE_URL: database.url});
    });
    after(() => inTurn(() => hookline?.end(), () => database?.drop()));

    const deliver = async (events) => {
        for (const event of events) {
            const {status, body} = await send(hookline.url, await event.sign());
            assert.ok(status < 300, `${event.name}: ${status} ${body}`);
        }
    };
    const calls = (where, ...params) => database.rows(`SELECT * FROM voice_calls WHERE ${where}`, params);

    test('what else looked at the older tables goes on looking at them, and the operator is told', async () => {
        for (const what of ['invoices_call_id_fkey', 'invoices_user_id_fkey', 'view calls_a_day'])
            assert.match(run.stderr, new RegExp(`${what}[^\n]* follows the older table`));
        assert.equal(await database.value('SELECT count(*) FROM invoices'), 1);
        assert.equal(await database.value('SELECT room_name FROM voice_calls_old'), 'of the first version');
    });

    test("an application's own columns are still there, under the tables' names", async () => {
        assert.deepEqual(await database.row('SELECT plan, password_hash FROM users WHERE id = $1', [ADA]), {plan: 'paid', password_hash: 'x1'});
        assert.equal(await database.value('SELECT company FROM leads WHERE id = 123'), 'Acme');
        assert.equal(await database.value("SELECT voice FROM agents WHERE name = 'Front desk'"), 'shimmer');
        assert.equal(await database.value("SELECT timezone FROM businesses WHERE name = 'Pizza Palace'"), 'America/Chicago');
    });

    test('new rows get ids that no older one has', async () => {
        assert.ok((await database.value("INSERT INTO leads (name) VALUES ('new') RETURNING id")) > 201);
        await database.client.query("DELETE FROM leads WHERE name = 'new'");
    });

    test("a lead's call is linked, and its transcript is found by call_sid", async () => {
        assert.deepEqual(
            await database.rows(
                `SELECT t.role, t.message FROM leads l JOIN conversation_transcripts t USING (call_sid) WHERE l.id = 123 ORDER BY t."timestamp"`,
            ),
            [
                {role: 'user', message: 'Hello'},
                {role: 'assistant', message: 'Hi John'},
            ],
        );
        assert.equal(await database.value('SELECT duration FROM call_events WHERE call_sid = $1 AND call_status = $2', [SID(1), 'completed']), 60);
    });

    test('a delivery about an older Twilio call completes its row', async () => {
        const call = twilioCall('older');
        for (const event of call.events) Object.assign(event.params, {CallSid: SID(2)});
        await deliver(call.events);
        const [row, ...others] = await calls('call_sid = $1', SID(2));
        assert.deepEqual(others, []);
        assert.deepEqual(
            [row.provider_call_id, row.status, row.from_number, row.duration_seconds, row.direction],
            [SID(2), 'completed', call.customer, 30, 'inbound'],
        );
    });

    test("a room's deliveries find the row that the application had made for its session", async () => {
        const call = livekitCall('older');
        for (const event of call.events) event.body.room.name = 'support-2';
        await deliver(call.events);
        const [row, ...others] = await calls('session_id = $1', 'support-2');
        assert.deepEqual(others, []);
        assert.equal(row.id, '00000000-0000-4000-8000-000000000002');
        assert.deepEqual([row.provider_call_id, row.status, row.call_sid], [call.providerCallId, 'completed', call.callSid]);
        assert.equal(await database.value('SELECT content FROM voice_messages WHERE call_id = $1', [row.id]), 'how can I help');
    });

    test('Beyond Presence: the older names show its calls and messages, and a page may go on writing them', async () => {
        assert.deepEqual(
            await database.rows("SELECT message, sender FROM beyond_call_messages WHERE call_id = 'bey-call-1' ORDER BY sent_at"),
            [
                {message: 'Hello, how are you?', sender: 'ai'},
                {message: 'Fine', sender: 'user'},
            ],
        );
        const ended = '2025-12-02T10:30:00Z';
        const write = () =>
            database.client.query(`INSERT INTO beyond_calls (call_id, agent_id, started_at, ended_at) VALUES ('bey-call-2', 'bey-agent', '2025-12-02T10:00:00Z', $1)`, [ended]);
        await write();
        await write();
        const said = `INSERT INTO beyond_call_messages (call_id, message, sent_at, sender) VALUES ('bey-call-2', 'Bye', '2025-12-02T10:29:00Z', 'ai')`;
        await database.client.query(said);
        await database.client.query(said);
        const [row, ...others] = await calls("provider_call_id = 'bey-call-2'");
        assert.deepEqual(others, []);
        assert.equal(row.id, '00000000-0000-4000-b000-000000000002');
        assert.equal(new Date(row.ended_at).getTime(), Date.parse(ended));
        assert.equal(row.status, 'completed');
        assert.equal(await database.value("SELECT count(*) FROM beyond_call_messages WHERE call_id = 'bey-call-2'"), 1);
    });

    test('an application goes on writing transcripts, of calls that are known and that are not', async () => {
        const write = (sid, role, message) =>
            database.client.query('INSERT INTO conversation_transcripts (call_sid, role, message, "timestamp") VALUES ($1, $2, $3, now())', [sid, role, message]);
        await write(SID(1), 'user', 'One more thing');
        await write(SID(77), 'assistant', 'Good morning');
        const read = (sid) => database.rows('SELECT message FROM conversation_transcripts WHERE call_sid = $1 ORDER BY "timestamp"', [sid]);
        assert.deepEqual((await read(SID(1))).map((r) => r.message), ['Hello', 'Hi John', 'One more thing']);
        assert.deepEqual((await read(SID(77))).map((r) => r.message), ['Good morning']);
    });
});
