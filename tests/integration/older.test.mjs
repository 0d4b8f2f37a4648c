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
    const stored = [row[key], row.metadata?.older?.[key], row.payload?.[key], row.payload?.older?.[key], ...(OTHER_NAMES[key] ?? []).map((name) => row[name])];
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

// ---- what has a column under its own name goes there ----

const TABLES = ['users', 'businesses', 'customers', 'agents', 'phone_numbers', 'leads', 'voice_calls', 'voice_messages', 'call_participants', 'call_events'];
/** What hookline decides on itself, or makes out of other columns; an older value of that name is kept beside it. */
const DECIDED = ['metadata', 'versions', 'phase', 'transcript_source', 'source', 'superseded', 'way', 'payload', 'raw', 'error'];
/** Of later migrations. */
const LATER = ['number_pending_since', 'hand_call_sid', 'begun_by_user', 'route', 'hookline_version',
               'business_name', 'customer_mark', 'customer_at', 'customer_made_at'];
const [USER, BUSINESS, AGENT, CALL] = [1, 2, 3, 4].map((n) => `00000000-0000-4000-8000-00000000000${n}`);
/** Where not any value of its type will do. */
const VALUES = {
    'users.id': USER, 'users.role': 'admin', 'businesses.id': BUSINESS, 'agents.id': AGENT, 'voice_calls.id': CALL,
    'phone_numbers.agent_id': AGENT, 'voice_messages.id': 7, 'voice_messages.role': 'assistant', 'voice_messages.spoken_at': '2026-01-05T00:00:00+00:00',
    user_id: USER, business_id: BUSINESS, call_id: CALL, action: 'bridge', status: 'completed', outcome: 'completed', direction: 'outbound',
    participant_type: 'agent', phone_number: '+12025550143', customer_number: '+12025550143', number: '+12025550143', phone: '+12025550143',
    phone_e164: '+12025550143', model: 'm', model_used: 'm', timestamp: '2026-01-05T00:00:00+00:00',
};
const OF_TYPE = {
    text: (table, column) => `${table}'s ${column}`,
    'character varying': (table, column) => `${table}'s ${column}`,
    uuid: (table, column, n) => `00000000-0000-4000-9000-0000000000${n + 10}`,
    'timestamp with time zone': (table, column, n) => `2026-01-01T00:${String(n + 1).padStart(2, '0')}:00.000001+00:00`,
    integer: (table, column, n) => 100 + n,
    smallint: (table, column, n) => n,
    bigint: (table, column, n) => 1000 + n,
    numeric: () => 1.25,
    boolean: () => true,
    jsonb: (table, column) => ({of: column}),
    bytea: () => '\\\\x00',
};

async function sameColumns(database, table) {
    const columns = await database.rows(
        `SELECT column_name AS name, CASE data_type WHEN 'USER-DEFINED' THEN 'text' ELSE data_type END AS type FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name = $1 AND column_name <> ALL ($2) AND data_type <> 'ARRAY' ORDER BY ordinal_position`,
        [table, LATER],
    );
    return columns.map(({name, type}, n) => ({name, type, value: VALUES[`${table}.${name}`] ?? VALUES[name] ?? OF_TYPE[type](table, name, n)}));
}

for (const form of ['the same types', 'text'])
    test(`an older column that has the name of one of ours gives its value: as ${form}`, async () => {
        const ours = await createDatabase();
        const older = await createDatabase({migrate: false});
        try {
            const tables = await Promise.all(TABLES.map(async (table) => [table, await sameColumns(ours, table)]));
            for (const [table, columns] of tables) {
                await older.client.query(`CREATE TABLE ${table} (${columns.map((c) => `"${c.name}" ${form === 'text' ? 'text' : c.type}`)})`);
                await older.client.query(`INSERT INTO ${table} SELECT * FROM jsonb_populate_record(NULL::${table}, $1)`, [
                    Object.fromEntries(columns.map((c) => [c.name, c.value])),
                ]);
            }
            migrate(older);
            for (const [table, columns] of tables) {
                const compared = columns.filter((c) => !DECIDED.includes(c.name));
                assert.ok(compared.length > 4, table);
                const expected = Object.fromEntries(compared.map((c) => [c.name, c.value]));
                const row = await older.row(
                    `SELECT to_jsonb(t) AS stored, to_jsonb(jsonb_populate_record(NULL::${table}, $2)) AS expected FROM ${table} t
                     JOIN hookline_older.moved m ON m.older_table = $1 AND m.new_id = t.id::text`,
                    [table, expected],
                );
                for (const {name} of compared) assert.deepEqual(row.stored[name], row.expected[name], `${table}.${name}`);
            }
        } finally {
            await inTurn(() => ours.drop(), () => older.drop());
        }
    });

test('what has the right name and does not fit is kept beside it', async (t) => {
    const database = await createDatabase({migrate: false});
    t.after(() => database.drop());
    await database.client.query(`CREATE TABLE businesses (id serial PRIMARY KEY, name text); INSERT INTO businesses (name) VALUES ('one');
        CREATE TABLE agents (id serial PRIMARY KEY, business_id int, synced_at text, action text, provider text);
        INSERT INTO agents (business_id, synced_at, action, provider) VALUES (1, 'never', 'fly', 'retell'), (9, '2026-01-01', 'answer', NULL);
        CREATE TABLE voice_calls (id serial PRIMARY KEY, session_id text, status text, cost double precision, duration_seconds numeric, direction text);
        INSERT INTO voice_calls (session_id, status, cost, duration_seconds, direction) VALUES ('s', 'ended', 1e-7, 12.50, 'outbound-api')`);
    migrate(database);
    const [first, second] = await database.rows(
        `SELECT b.name, to_char(a.synced_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS synced, a.action, a.provider, a.metadata -> 'older' AS older
         FROM agents a LEFT JOIN businesses b ON b.id = a.business_id ORDER BY a.metadata -> 'older' -> 'id'`,
    );
    assert.deepEqual(first, {name: 'one', synced: null, action: null, provider: 'retell', older: {id: 1, business_id: 1, synced_at: 'never', action: 'fly'}});
    assert.deepEqual(second, {name: null, synced: '2026-01-01', action: 'answer', provider: 'vapi', older: {id: 2, business_id: 9}});
    assert.deepEqual(await database.row("SELECT cost, duration_seconds, direction, metadata -> 'older' AS older FROM voice_calls"), {
        cost: '0.0000001',
        duration_seconds: null,
        direction: 'outbound',
        older: {id: 1, status: 'ended', duration_seconds: 12.5, direction: 'outbound-api'},
    });
});

test("an application's own columns keep their defaults, and are NULL no more than before; what cannot be is named", async (t) => {
    const database = await createDatabase({migrate: false});
    t.after(() => database.drop());
    await database.client.query(`CREATE TYPE call_status AS ENUM ('ringing', 'gone');
        CREATE TABLE users (id uuid PRIMARY KEY, is_vip boolean NOT NULL DEFAULT false);
        CREATE TABLE voice_calls (id uuid PRIMARY KEY, user_id uuid); INSERT INTO voice_calls VALUES ('${CALL}', '${USER}');
        CREATE SEQUENCE tickets;
        CREATE TABLE leads (id serial PRIMARY KEY, is_vip boolean NOT NULL DEFAULT false, score int DEFAULT 1 + 1 CHECK (score < 9), "When" timestamptz DEFAULT now(),
            ref serial, ticket text DEFAULT 'T' || nextval('tickets'), mood call_status DEFAULT 'gone', twice int GENERATED ALWAYS AS (2) STORED, must text NOT NULL);
        INSERT INTO leads (is_vip, score, must) VALUES (true, NULL, 'a')`);
    const {stderr} = migrate(database);
    assert.deepEqual(await database.value("SELECT array_agg(is_vip) FROM users"), [false], 'a user whom only a call names');
    await assert.rejects(database.client.query("INSERT INTO leads (name) VALUES ('b')"), /"must"/);
    await assert.rejects(database.client.query("INSERT INTO leads (name, must, is_vip) VALUES ('b', 'b', NULL)"), /"is_vip"/);
    await database.client.query('DROP SCHEMA hookline_older CASCADE');
    await database.client.query("INSERT INTO leads (name, must) VALUES ('b', 'b')");
    assert.deepEqual(await database.rows('SELECT is_vip, score, "When" IS NOT NULL AS timed, ref, ticket, mood, must FROM leads ORDER BY id'), [
        {is_vip: true, score: null, timed: true, ref: 1, ticket: 'T1', mood: 'gone', must: 'a'},
        // two were refused
        {is_vip: false, score: 2, timed: true, ref: 4, ticket: 'T4', mood: 'gone', must: 'b'},
    ]);
    assert.match(stderr, /public\.leads\.twice has no default: it was an identity, or generated/);
    assert.match(stderr, /public\.leads has no constraint leads_score_check, which the older table has: CHECK/);
});

test('a sequence that no table owns keeps its name from nobody', async (t) => {
    const database = await createDatabase({migrate: false});
    let hookline;
    t.after(() => inTurn(() => hookline?.end(), () => database.drop()));
    for (const table of ['leads', 'voice_messages', 'call_participants', 'call_events'])
        await database.client.query(`CREATE SEQUENCE ${table}_id_seq; CREATE TABLE ${table} (id integer PRIMARY KEY DEFAULT nextval('${table}_id_seq'));
            INSERT INTO ${table} SELECT FROM generate_series(1, 5)`);
    await database.client.query("CREATE TABLE elsewhere (id integer DEFAULT nextval('leads_id_seq'))");
    migrate(database);
    assert.equal(await database.value("SELECT pg_get_serial_sequence('leads', 'id')"), 'public.leads_id_seq1', 'another table uses the older one');
    assert.equal(await database.value("SELECT pg_get_serial_sequence('voice_messages', 'id')"), 'public.voice_messages_id_seq');
    assert.equal(await database.value("INSERT INTO leads (name) VALUES ('new') RETURNING id"), 6);
    assert.equal(await database.value('INSERT INTO hookline_older.voice_messages DEFAULT VALUES RETURNING id'), 6);
    hookline = await startHookline({DATABASE_URL: database.url});
    const call = livekitCall('sequences');
    for (const event of call.events) assert.equal((await send(hookline.url, await event.sign())).status, 200);
    await database.client.query("INSERT INTO voice_messages (call_id, role, content) SELECT id, 'user', 'hi' FROM voice_calls WHERE provider_call_id = $1", [call.providerCallId]);
});

test('a call that was over has an end, and waits for no later room of its name', async (t) => {
    const database = await createDatabase({migrate: false});
    let hookline;
    t.after(() => inTurn(() => hookline?.end(), () => database.drop()));
    await database.client.query(`CREATE TABLE voice_calls (id uuid PRIMARY KEY, session_id text, status text, started_at timestamptz, duration_seconds int,
            created_at timestamptz, updated_at timestamptz);
        INSERT INTO voice_calls VALUES
            ('00000000-0000-4000-8000-000000000001', 'standup', 'completed', '2025-01-01 10:00Z', 60, '2025-01-01 09:59Z', '2025-06-01 00:00Z'),
            ('00000000-0000-4000-8000-000000000002', 'standup', 'ended', NULL, NULL, '2025-01-02 09:59Z', '2025-01-02 10:30Z'),
            ('00000000-0000-4000-8000-000000000003', 'standup', 'ended', NULL, NULL, NULL, NULL)`);
    migrate(database);
    const ended = () => database.rows(`SELECT to_char(ended_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI') AS ended, provider_call_id AS id FROM voice_calls
        WHERE id::text LIKE '00000000%' ORDER BY voice_calls.id`);
    const before = await ended();
    assert.deepEqual(before, [
        {ended: '01-01 10:01', id: null},
        {ended: '01-02 10:30', id: null},
        {ended: null, id: 'older:00000000-0000-4000-8000-000000000003'},
    ]);
    hookline = await startHookline({DATABASE_URL: database.url});
    const call = livekitCall('standup');
    for (const event of call.events) {
        event.body.room.name = 'standup';
        assert.equal((await send(hookline.url, await event.sign())).status, 200);
    }
    assert.deepEqual(await ended(), before);
    assert.equal(await database.value('SELECT count(*) FROM voice_calls WHERE provider_call_id = $1', [call.providerCallId]), 1);
});

/** Runs these files alone, and notes them as `hookline migrate` does. */
async function migrateBy(database, files) {
    await database.client.query(`CREATE TABLE public.hookline_migrations (file text PRIMARY KEY, checksum text NOT NULL,
        applied_at timestamptz NOT NULL DEFAULT now())`);
    for (const file of files) {
        const text = readFileSync(join(ROOT, 'schema', file));
        await database.client.query(`BEGIN; ${text}; COMMIT;`);
        await database.client.query('INSERT INTO hookline_migrations (file, checksum) VALUES ($1, $2)', [
            file,
            createHash('sha256').update(text).digest('hex').slice(0, 32),
        ]);
    }
}

test('rows that got lost stop the migration, which says how to go on without them', async (t) => {
    const database = await olderDatabase('business');
    t.after(() => database.drop());
    await migrateBy(database, ['0000_older_tables.sql', '0001_spine.sql', '0002_whole.sql']);
    await database.client.query(`CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
        CREATE TRIGGER lose BEFORE INSERT ON public.phone_numbers FOR EACH ROW EXECUTE FUNCTION lose()`);
    const {code, stderr} = runHookline(['migrate'], {DATABASE_URL: database.url});
    assert.notEqual(code, 0);
    assert.match(stderr, /of 3 rows of the older table phone_numbers only 0 could be taken over/);
    assert.match(stderr, /ALTER TABLE hookline_older\.phone_numbers RENAME TO/);
    await database.client.query('ALTER TABLE hookline_older.phone_numbers RENAME TO phone_numbers_lost');
    assert.match(migrate(database).stderr, /hookline_older\.phone_numbers_lost: its 3 rows stay there/);
});

test('an empty database has no trace of the search for older tables', async () => {
    const database = await createDatabase();
    assert.equal(await database.value("SELECT to_regnamespace('hookline_older')"), null);
    await database.drop();
});

test("an earlier hookline's tables stay, with their rows; an application's of later names are taken over", async () => {
    const database = await olderDatabase('business');
    await migrateBy(database, ['0001_spine.sql']);
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

    test('Beyond Presence: a message is stored once, though it was taken over; one whose call is not known yet brings it', async () => {
        const write = (callId, message, at) =>
            database.client.query("INSERT INTO beyond_call_messages (call_id, message, sent_at, sender) VALUES ($1, $2, $3, 'user')", [callId, message, at]);
        const count = (callId) => database.value('SELECT count(*) FROM beyond_call_messages WHERE call_id = $1', [callId]);
        await write('bey-call-1', 'Fine', '2025-12-01T10:00:05Z');
        assert.equal(await count('bey-call-1'), 2);
        await write('bey-call-1', 'Fine', '2025-12-01T10:00:09Z');
        assert.equal(await count('bey-call-1'), 3, 'said again is another message');
        for (let times = 0; times < 2; times++) await write('bey-call-new', 'Hello', '2025-12-09T10:00:00Z');
        assert.equal(await count('bey-call-new'), 1);
        assert.deepEqual(await calls("provider_call_id = 'bey-call-new'").then((rows) => rows.map((r) => [r.provider, r.status])), [['beyond_presence', 'pending']]);
        await assert.rejects(write(null, 'Lost', '2025-12-09T10:00:00Z'), /a message needs the call_id of its call/);
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
