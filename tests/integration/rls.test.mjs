// Who may see and change what: every table and view of ours, by everybody who may ask, on plain PostgreSQL and on a
// database like Supabase's, before and after it stopped to let its roles into everything.

import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {livekitCall, twilioCall} from './lib/calls.mjs';
import {connect} from './lib/database.mjs';
import {runHookline, startHookline} from './lib/hookline.mjs';
import {get, getJson, send} from './lib/send.mjs';
import {dropDatabase, prepareSupabase, startCluster} from './lib/supabase.mjs';
import {inTurn} from './lib/wait.mjs';

// ---- who asks ----

const OWNER = '00000000-0000-4000-8000-00000000000a'; // whose call it is
const PARTICIPANT = '00000000-0000-4000-8000-00000000000b'; // who took part in it
const STRANGER = '00000000-0000-4000-8000-00000000000c'; // neither
const ADMIN = '00000000-0000-4000-8000-00000000000d';

const OTHER_CALL = '00000000-0000-4000-8000-00000000000e'; // nobody's of these
const UNLINKED_CALL = '00000000-0000-4000-8000-000000000010'; // nobody's, and of no lead
const BUSINESS = '00000000-0000-4000-8000-00000000000f';

const ASKERS = {
    anonymous: {role: 'anon'},
    owner: {role: 'authenticated', sub: OWNER},
    participant: {role: 'authenticated', sub: PARTICIPANT},
    stranger: {role: 'authenticated', sub: STRANGER},
    admin: {role: 'authenticated', sub: ADMIN},
    service: {role: 'service_role'},
    hookline: {role: 'hookline_writer'},
};

// ---- what they may ----
//
// In each cell what becomes of SELECT, INSERT, UPDATE and DELETE on all rows: x it is refused, 0 no row, 1 some rows (theirs),
// * all rows, + a row is inserted.

const MATRIX = [
    // table                     anonymous owner   particip. stranger admin   service hookline
    ['voice_calls',              'xxxx',   '1+10', '1+00',   '0+00',  '*+**', '*+**', '*+**'],
    ['voice_messages',           'xxxx',   '1x00', '1x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['call_participants',        'xxxx',   '1x00', '1x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['users',                    'xxxx',   '1x10', '1x10',   '1x10',  '*+**', '*+**', '*xxx'],
    ['leads',                    'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['lead_calls',               'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['businesses',               'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['business_agents',          'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['agent_aliases',            'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['customers',                'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['agents',                   'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['phone_numbers',            'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['outbound_calls',           'xxxx',   '0x00', '0x00',   '0x00',  '*+**', '*+**', '*+**'],
    ['call_events',              'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['reconcile_state',          'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['reconcile_runs',           'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['reconcile_changes',        'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['reconcile_windows',        'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['reconcile_steps',          'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['reconcile_marks',          'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['storage_samples',          'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*+**', '*+**'],
    ['event_keys',               'xxxx',   'xxxx', 'xxxx',   'xxxx',  'xxxx', 'xxxx', '*+**'],
    ['hookline_migrations',      'xxxx',   'xxxx', 'xxxx',   'xxxx',  'xxxx', 'xxxx', '*xxx'],
    ['a partition',              'xxxx',   'xxxx', 'xxxx',   'xxxx',  'xxxx', 'xxxx', 'xxxx'],
    // view
    ['conversation_transcripts', 'xxxx',   '1xxx', '1xxx',   '0xxx',  '*+xx', '*+xx', '*xxx'],
    ['beyond_calls',             'xxxx',   '1xxx', '1xxx',   '0xxx',  '*+xx', '*+xx', '*xxx'],
    ['beyond_call_messages',     'xxxx',   '1xxx', '1xxx',   '0xxx',  '*+xx', '*+xx', '*xxx'],
    ['active_calls_summary',     'xxxx',   '1xxx', '1xxx',   '0xxx',  '*xxx', '*xxx', '*xxx'],
    ['call_analytics',           'xxxx',   '1xxx', '1xxx',   '0xxx',  '*xxx', '*xxx', '*xxx'],
    ['alert_long_calls',         'xxxx',   '1xxx', '1xxx',   '0xxx',  '*xxx', '*xxx', '*xxx'],
    // These count what whoever asks can see: of a user's own calls, all failed, and grew.
    ['alert_failure_rate',       'xxxx',   '*xxx', '*xxx',   '0xxx',  '*xxx', '*xxx', '*xxx'],
    ['alert_token_spike',        'xxxx',   '*xxx', '*xxx',   '0xxx',  '*xxx', '*xxx', '*xxx'],
    ['alert_storage_growth',     'xxxx',   '0xxx', '0xxx',   '0xxx',  '*xxx', '*xxx', '*xxx'],
];

const VERBS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE'];

/** A new row of each: what an INSERT says. $USER stands for who asks. */
const NEW_ROWS = {
    voice_calls: `(user_id, session_id, room_name, status) VALUES ($USER, 'room-of-mine', 'Support Call', 'pending')`,
    voice_messages: `(call_id, role, content) VALUES ('${OTHER_CALL}', 'user', 'Hello?')`,
    call_participants: `(call_id) VALUES ('${OTHER_CALL}')`,
    users: `(id, name) VALUES (gen_random_uuid(), 'Somebody')`,
    leads: `(name) VALUES ('Somebody')`,
    lead_calls: `(lead_id, call_id, learned_by) VALUES (1, '${UNLINKED_CALL}', 'hand')`,
    businesses: `(name) VALUES ('Somebody')`,
    business_agents: `(provider, agent_id, business_id) VALUES ('teli', 'another', '${BUSINESS}')`,
    agent_aliases: `(provider, agent_id, same_as) VALUES ('teli', 'another', 'same')`,
    customers: `(name) VALUES ('Somebody')`,
    agents: `(name) VALUES ('Somebody')`,
    phone_numbers: `(name) VALUES ('Reception')`,
    outbound_calls: `(to_number) VALUES ('+12025550143')`,
    call_events: `(provider, event_key) VALUES ('twilio', 'call:another')`,
    reconcile_state: `(provider, resource) VALUES ('vapi', 'calls')`,
    reconcile_runs: `(provider) VALUES ('vapi')`,
    reconcile_changes: `(run_id, table_name, row_id) VALUES (1, 'leads', '1')`,
    reconcile_windows: `(provider, resource) VALUES ('vapi', 'calls')`,
    reconcile_steps: `(window_id, what) VALUES (1, 'calls')`,
    reconcile_marks: `(provider, what, object_id, mark) VALUES ('vapi', 'call', '1', '2')`,
    storage_samples: `(table_name, day, bytes) VALUES ('leads', current_date, 1)`,
    event_keys: `(key_hash) VALUES (gen_random_uuid())`,
    hookline_migrations: `(file, checksum) VALUES ('9999.sql', '')`,
    conversation_transcripts: `(call_sid, role, content) VALUES ('CAother', 'user', 'Hello?')`,
    beyond_calls: `(call_id, started_at) VALUES ('another', now())`,
    beyond_call_messages: `(call_id, message, sender, sent_at) VALUES ('bey-own', 'Hello?', 'user', now())`,
};

/** What an UPDATE sets, where not any column will do. */
const CHANGED = {
    voice_calls: 'metadata',
    users: 'name',
    voice_messages: 'content',
    call_participants: 'kind',
    call_events: 'call_status',
};

/** Two of everything: one that is the owner's, in whose calls the participant took part, and one that is nobody's here. */
const ROWS = `
    INSERT INTO users (id, email, name, role) VALUES
        ('${OWNER}', 'owner@example.com', 'Ada', 'user'), ('${PARTICIPANT}', 'guest@example.com', 'Bea', 'user'),
        ('${STRANGER}', 'stranger@example.com', 'Cid', 'user'), ('${ADMIN}', 'admin@example.com', 'Dee', 'admin');
    INSERT INTO voice_calls (id, provider, provider_call_id, call_sid, session_id, user_id, status, started_at,
                             total_tokens_used, created_at)
    SELECT CASE WHEN mine THEN gen_random_uuid() ELSE '${OTHER_CALL}' END, 'twilio', sid, sid, 'room of ' || sid,
           CASE WHEN mine THEN '${OWNER}'::uuid END, 'active', now() - interval '3 hours', 1, now() - interval '3 days'
    FROM (VALUES ('CAown', true), ('CAother', false)) AS t (sid, mine);
    INSERT INTO voice_calls (id, provider, provider_call_id, user_id, status, end_reason, total_tokens_used)
    VALUES (gen_random_uuid(), 'beyond_presence', 'bey-own', '${OWNER}', 'failed', 'error', 100000),
           ('${UNLINKED_CALL}', 'beyond_presence', 'bey-other', NULL, 'failed', 'error', 100000);
    INSERT INTO voice_messages (call_id, role, content) SELECT id, 'user', 'secret of ' || provider_call_id FROM voice_calls;
    INSERT INTO call_participants (call_id, participant_identity) SELECT id, 'guest' FROM voice_calls;
    UPDATE call_participants SET user_id = '${PARTICIPANT}'
    WHERE call_id IN (SELECT id FROM voice_calls WHERE user_id IS NOT NULL);
    INSERT INTO leads (name, phone) VALUES ('ada', '+12025550101'), ('bob', '+12025550102');
    INSERT INTO lead_calls (lead_id, call_id, learned_by)
    SELECT l.id, c.id, 'number'
    FROM leads l JOIN voice_calls c ON c.call_sid = CASE l.name WHEN 'ada' THEN 'CAown' ELSE 'CAother' END;
    INSERT INTO businesses (id, name) VALUES ('${BUSINESS}', 'One'), (gen_random_uuid(), 'Two');
    INSERT INTO business_agents (provider, agent_id, business_id) SELECT 'teli', name, id FROM businesses;
    INSERT INTO agent_aliases (provider, agent_id, same_as) VALUES ('teli', 'One', 'One'), ('teli', 'Two', 'Two');
    INSERT INTO customers (name) VALUES ('One'), ('Two');
    INSERT INTO agents (name) VALUES ('One'), ('Two');
    INSERT INTO phone_numbers (name) VALUES ('One'), ('Two');
    INSERT INTO outbound_calls (to_number, user_id) VALUES ('+12025550101', '${OWNER}'), ('+12025550102', NULL);
    INSERT INTO call_events (provider, event_key, call_sid)
    VALUES ('twilio', 'call:own', 'CAown'), ('twilio', 'call:other', 'CAother');
    INSERT INTO event_keys (key_hash) VALUES (gen_random_uuid()), (gen_random_uuid());
    INSERT INTO reconcile_state (provider, resource) VALUES ('twilio', 'calls'), ('teli', 'calls');
    INSERT INTO reconcile_runs (provider) VALUES ('twilio'), ('teli');
    INSERT INTO reconcile_changes (run_id, table_name, row_id) SELECT id, 'voice_calls', '1' FROM reconcile_runs;
    INSERT INTO reconcile_windows (provider, resource) VALUES ('twilio', 'calls'), ('teli', 'calls');
    INSERT INTO reconcile_steps (window_id, what) SELECT id, 'calls' FROM reconcile_windows;
    INSERT INTO reconcile_marks (provider, what, object_id, mark)
    VALUES ('twilio', 'call', 'CAown', '1'), ('twilio', 'call', 'CAother', '1');
    INSERT INTO storage_samples (table_name, day, bytes)
    VALUES ('voice_calls', current_date - 8, 100000000), ('voice_calls', current_date - 1, 900000000);
`;

// ---- where ----

const DATABASE = 'hookline_roles';

const WORLDS = [
    {
        name: 'plain PostgreSQL',
        owner: 'supabase_admin', // the superuser
        gate: 'supabase_admin',
        prepare: (cluster) => cluster.run('postgres', `CREATE DATABASE ${DATABASE}`),
    },
    {
        name: 'plain PostgreSQL, where who migrates may make no roles and somebody makes them later',
        owner: 'project',
        gate: 'supabase_admin',
        prepare: async (cluster) => {
            await cluster.run('postgres', 'CREATE ROLE project LOGIN');
            await cluster.run('postgres', `CREATE DATABASE ${DATABASE} OWNER project`);
        },
        afterwards: async (cluster) => {
            for (const role of ['anon', 'authenticated', 'service_role', 'hookline_writer'])
                await cluster.run('postgres', `CREATE ROLE ${role} NOLOGIN`);
            const project = await connect(cluster.url('project', DATABASE));
            await project.query('SELECT hookline_secure()');
            await project.end();
        },
    },
    {
        name: 'Supabase, whose roles get every privilege by default',
        owner: 'postgres',
        gate: 'authenticator',
        prepare: (cluster) => prepareSupabase(cluster, DATABASE, {exposed: true}),
    },
    {
        name: 'Supabase, whose roles get no privilege by default',
        owner: 'postgres',
        gate: 'authenticator',
        prepare: (cluster) => prepareSupabase(cluster, DATABASE, {exposed: false}),
    },
];

let cluster;

before(async () => {
    cluster = await startCluster();
});
after(() => cluster?.stop());

function migrate(owner) {
    const {code, stdout, stderr} = runHookline(['migrate'], {DATABASE_URL: cluster.url(owner, DATABASE)});
    assert.equal(code, 0, stdout + stderr);
}

/** Runs body(client) as one of ASKERS, as PostgREST would: in a transaction that is undone. */
async function asking(client, {role, sub}, body) {
    await client.query('BEGIN');
    try {
        await client.query(`SET LOCAL ROLE ${role}`);
        await client.query(`SELECT set_config('request.jwt.claims', $1, true)`, [JSON.stringify({role, sub})]);
        return await body(client);
    } finally {
        await client.query('ROLLBACK');
    }
}

const rowsAs = (client, asker, sql, params) => asking(client, asker, async (c) => (await c.query(sql, params)).rows);
const refusedAs = (client, asker, sql) =>
    assert.rejects(asking(client, asker, (c) => c.query(sql)), {code: '42501'}, sql);

for (const world of WORLDS) {
    describe(world.name, () => {
        let owner; // a connection of the tables' owner
        let gate; // one that turns into whoever asks

        before(async () => {
            await world.prepare(cluster);
            migrate(world.owner);
            await world.afterwards?.(cluster);
            await cluster.run(DATABASE, `CREATE ROLE receiver LOGIN IN ROLE hookline_writer`);
            if (world.gate === 'authenticator') await cluster.run(DATABASE, 'GRANT hookline_writer TO authenticator');
            owner = await connect(cluster.url(world.owner, DATABASE));
            gate = await connect(cluster.url(world.gate, DATABASE));
            await owner.query(ROWS);
        });
        after(async () => {
            await inTurn(() => gate?.end(), () => owner?.end(), () => dropDatabase(cluster, DATABASE));
        });

        test('everybody may do to every table and view what the matrix says, and no more', async () => {
            const wanted = new Map(MATRIX.map(([name, ...cells]) => [name, cells]));
            const found = await relations(owner);
            const differences = [];
            for (const {name, kind} of found) {
                const cells = wanted.get(kind === 'partition' ? 'a partition' : name);
                if (!cells) differences.push(`${name} is not in the matrix`);
                for (const [i, who] of Object.keys(cells ? ASKERS : {}).entries()) {
                    const cell = await cellOf(owner, gate, name, ASKERS[who]);
                    if (cell !== cells[i]) differences.push(`${name} for ${who}: ${cell} should be ${cells[i]}`);
                }
            }
            for (const name of wanted.keys())
                if (name !== 'a partition' && !found.some((relation) => relation.name === name))
                    differences.push(`${name} does not exist`);
            assert.deepEqual(differences, []);
        });

        test('nobody keeps a privilege that no policy guards', async () => {
            const {rows} = await owner.query(
                `SELECT role, c.relname, privilege
                 FROM pg_class c, unnest(ARRAY['anon', 'authenticated', 'service_role', 'hookline_writer']) AS role,
                      unnest(ARRAY['TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
                   AND has_table_privilege(role, c.oid, privilege)
                 UNION ALL
                 SELECT role, c.relname, privilege
                 FROM pg_class c, unnest(ARRAY['anon', 'authenticated']) AS role,
                      unnest(ARRAY['USAGE', 'SELECT', 'UPDATE']) AS privilege
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'S'
                   AND has_sequence_privilege(role, c.oid, privilege)`,
            );
            assert.deepEqual(rows, []);
        });

        test('a user begins a call as an application does, and sees the row that comes back', async () => {
            const [call] = await rowsAs(
                gate,
                ASKERS.owner,
                `INSERT INTO voice_calls (user_id, session_id, room_name, status)
                 VALUES ('${OWNER}', 'support-1', 'Support Call', 'pending') RETURNING *`,
            );
            assert.equal(call.session_id, 'support-1');
            const [ended] = await rowsAs(
                gate,
                ASKERS.owner,
                `UPDATE voice_calls SET status = 'completed', connected_at = now() - interval '1 minute', ended_at = now()
                 WHERE provider_call_id = 'CAown' RETURNING status, duration_seconds`,
            );
            assert.deepEqual(ended, {status: 'completed', duration_seconds: 60});
        });

        test('a user begins no call for somebody else, nor one that somebody else is having', async () => {
            const begin = (columns, values) => `INSERT INTO voice_calls (${columns}) VALUES (${values})`;
            for (const sql of [
                begin('user_id', `'${OWNER}'`),
                begin('session_id', `'room-new'`),
                begin('user_id, session_id', `'${STRANGER}', 'room of CAother'`),
                begin('user_id, session_id, created_at', `'${STRANGER}', 'room-new', '2020-01-01'`),
                begin('user_id, provider, provider_call_id', `'${STRANGER}', 'twilio', 'CAnext'`),
                begin('user_id, call_sid', `'${STRANGER}', 'CAother'`),
                begin('user_id, customer_number', `'${STRANGER}', '+12025550101'`),
                begin('user_id, versions', `'${STRANGER}', ARRAY[9]::bigint[]`),
            ])
                await refusedAs(gate, ASKERS.stranger, sql);
        });

        test('a user changes nothing of a call that its provider tells, and does not give it away', async () => {
            for (const change of [
                `user_id = '${STRANGER}'`,
                'user_id = NULL',
                `session_id = 'room of CAother'`,
                `provider_call_id = 'CAnext'`,
                `call_sid = 'CAother'`,
                `customer_number = '+12025550101'`,
                `transcript = ''`,
                `transcript = NULL, cost = 0`,
                `versions = '{}'`,
            ])
                await refusedAs(gate, ASKERS.owner, `UPDATE voice_calls SET ${change} WHERE provider_call_id = 'CAown'`);
            const [{provider_call_id: changed}] = await rowsAs(
                gate,
                ASKERS.admin,
                `UPDATE voice_calls SET transcript = 'corrected' WHERE provider_call_id = 'CAown' RETURNING provider_call_id`,
            );
            assert.equal(changed, 'CAown');
        });

        test('a user changes their name, and neither role nor address; an admin makes admins', async () => {
            const rename = `UPDATE users SET name = 'Ada L.' WHERE id = '${OWNER}' RETURNING name`;
            assert.deepEqual(await rowsAs(gate, ASKERS.owner, rename), [{name: 'Ada L.'}]);
            for (const change of [`role = 'admin'`, `email = 'admin@example.com'`, `id = '${STRANGER}'`])
                await refusedAs(gate, ASKERS.owner, `UPDATE users SET ${change} WHERE id = '${OWNER}'`);
            const promote = `UPDATE users SET role = 'admin' WHERE id = '${OWNER}' RETURNING role`;
            assert.deepEqual(await rowsAs(gate, ASKERS.admin, promote), [{role: 'admin'}]);
            assert.deepEqual(await rowsAs(gate, ASKERS.stranger, promote), []);
        });

        test('who asks is read from either form of the claims, and nobody from neither', async () => {
            const uid = async (setting, value) =>
                asking(gate, {role: 'authenticated'}, async (c) => {
                    await c.query(`SELECT set_config($1, $2, true)`, [setting, value]);
                    return (await c.query('SELECT auth.uid()')).rows[0].uid;
                });
            assert.equal(await uid('request.jwt.claims', JSON.stringify({sub: OWNER})), OWNER);
            assert.equal(await uid('request.jwt.claim.sub', OWNER), OWNER);
            assert.equal(await uid('request.jwt.claims', ''), null);
        });

        test('no error message, function or subquery tells of what a user may not see', async () => {
            // Were the condition asked of a hidden row, it would divide by zero.
            for (const view of ['voice_calls', 'call_analytics', 'conversation_transcripts']) {
                const trap = `1 / (CASE call_sid WHEN 'CAother' THEN 0 ELSE 1 END) = 1`;
                await rowsAs(gate, ASKERS.owner, `SELECT FROM ${view} WHERE ${trap}`);
            }
            for (const [sql, wanted] of [
                ['SELECT hookline_my_calls() AS value', []],
                ['SELECT hookline_is_admin() AS value', [{value: false}]],
                ['SELECT hookline_all_from() AS value', [{value: null}]],
            ])
                assert.deepEqual(await rowsAs(gate, ASKERS.stranger, sql), wanted, sql);
            const [{known, free}] = await rowsAs(
                gate,
                ASKERS.anonymous,
                `SELECT hookline_is_new_session('room of CAother') AS known, hookline_is_new_session('room-free') AS free`,
            );
            assert.equal(known, free);
            await refusedAs(gate, ASKERS.admin, 'SELECT hookline_make_partitions(99)');
            await refusedAs(gate, ASKERS.admin, `SELECT hookline_forget_reconcile('1 day')`);
            for (const call of [
                `hookline_merge_calls((SELECT id FROM voice_calls WHERE provider_call_id = 'CAown'), '${OTHER_CALL}')`,
                `hookline_settle_session('twilio', 'room of CAother')`,
                `hookline_sum_tokens_of(ARRAY['${OTHER_CALL}']::uuid[])`,
                `hookline_follow_leads(ARRAY[1, 2])`,
                `hookline_secure()`,
            ])
                await asking(gate, ASKERS.owner, async (c) => {
                    await c.query(`SELECT ${call}`).catch(({code}) => assert.equal(code, '42501', call));
                });
        });

        test('what runs with the rights of the owner is known, and looks up names in no schema of others', async () => {
            const {rows} = await owner.query(
                `SELECT proname, proconfig::text AS config FROM pg_proc
                 WHERE pronamespace = 'public'::regnamespace AND prosecdef AND prorettype <> 'trigger'::regtype ORDER BY proname`,
            );
            assert.deepEqual(
                rows.map((row) => row.proname),
                [
                    'hookline_is_admin',
                    'hookline_is_new_session',
                    'hookline_is_superseded',
                    'hookline_make_partitions',
                    'hookline_my_calls',
                    'hookline_user_of',
                ],
            );
            const {rows: loose} = await owner.query(
                `SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef
                 AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (proconfig), false)`,
            );
            assert.deepEqual(loose, []);
        });

        test('views that are made anew stay shut', async () => {
            await owner.query(`DELETE FROM hookline_migrations WHERE file = 'repeatable_views.sql'`);
            migrate(world.owner);
            for (const who of ['anonymous', 'owner', 'stranger', 'admin'])
                assert.equal(
                    await cellOf(owner, gate, 'call_analytics', ASKERS[who]),
                    MATRIX.find(([name]) => name === 'call_analytics')[1 + Object.keys(ASKERS).indexOf(who)],
                    who,
                );
        });

        for (const [who, role, number] of [
            ['their owner', world.owner, '+12025550188'],
            ['a member of hookline_writer', 'receiver', '+12025550189'],
        ])
            test(`hookline writes into the tables as ${who}`, async (t) => {
                const hookline = await startHookline({DATABASE_URL: cluster.url(role, DATABASE)});
                t.after(hookline.end);
                await owner.query(`INSERT INTO leads (name, phone) VALUES ('caller', $1)`, [number]);
                const calls = [twilioCall(`rls twilio ${who}`, {customer: number}), livekitCall(`rls livekit ${who}`)];
                for (const call of calls)
                    for (const event of call.events) {
                        const {status, body} = await send(hookline.url, await event.sign());
                        assert.ok(status === 200 || status === 204, `${event.name}: ${status} ${body}`);
                    }
                const {rows} = await owner.query(
                    'SELECT provider_call_id, status FROM voice_calls WHERE provider_call_id = ANY ($1) ORDER BY provider',
                    [calls.map((call) => call.providerCallId)],
                );
                assert.deepEqual(
                    rows.map((row) => row.status),
                    ['completed', 'completed'],
                );
                const {rows: leads} = await owner.query('SELECT call_sid FROM leads WHERE phone = $1', [number]);
                assert.deepEqual(leads, [{call_sid: calls[0].callSid}]);
                assert.equal((await get(hookline.url, '/readyz')).status, 200);
                assert.equal((await hookline.metrics()).sum('hookline_dead_letters_total'), 0);
                assert.ok(!hookline.logText().includes('partitions not made'), hookline.logText());

                // Dead letters, of which those of the second call have their events beside them.
                await owner.query(`UPDATE call_events SET error = 'none' WHERE provider_call_id = ANY ($1)`, [
                    calls.map((call) => call.providerCallId),
                ]);
                await owner.query(`UPDATE call_events SET event_key = 'unknown:' || id WHERE provider_call_id = $1`, [
                    calls[1].providerCallId,
                ]);
                const replayed = runHookline(['replay'], {DATABASE_URL: cluster.url(role, DATABASE)});
                assert.equal(replayed.code, 0, replayed.stderr);
                assert.match(replayed.stdout, /^11 deliveries: 5 understood, 6 duplicates$/m);
            });

        test('a partition that hookline makes later is shut too', async () => {
            const receiver = await connect(cluster.url('receiver', DATABASE));
            const made = await receiver.query('SELECT hookline_make_partitions(5) AS n');
            await receiver.end();
            assert.equal(made.rows[0].n, 2);
            const {rows} = await owner.query(
                `SELECT relname, relrowsecurity,
                        relacl IS NULL OR relacl::text NOT SIMILAR TO '%(anon|authenticated|service_role)=%' AS shut
                 FROM pg_class WHERE oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'call_events'::regclass)`,
            );
            assert.equal(rows.length, 7);
            assert.deepEqual(
                rows.filter((row) => !row.relrowsecurity || !row.shut),
                [],
            );
        });

        test('who may write rows and no more removes what reconcile runs left long ago', async () => {
            const gone = await asking(gate, ASKERS.hookline, async (c) => {
                await c.query(
                    `INSERT INTO reconcile_runs (provider, status, started_at, finished_at)
                     SELECT 'agent', 'done', t, t FROM unnest(ARRAY[now() - interval '42 d', now() - interval '41 d']) AS t`,
                );
                await c.query(`INSERT INTO reconcile_changes (run_id, table_name, row_id) SELECT min(id), 'leads', '1' FROM reconcile_runs WHERE provider = 'agent'`);
                await c.query(`INSERT INTO reconcile_marks (provider, what, object_id, mark, seen_at) VALUES ('agent', 'call', '1', '2', '2020-01-01Z')`);
                return (await c.query(`SELECT hookline_forget_reconcile('10 days')::int AS n`)).rows[0].n;
            });
            assert.equal(gone, 3); // the first run, its change, and the mark
        });

        test('a user who sees few of 20,000 calls reads few rows', async () => {
            await owner.query(
                `SET hookline.writes = 'on';
                 INSERT INTO voice_calls (provider, provider_call_id, call_sid)
                 SELECT 'twilio', 'CA' || n, 'CA' || n FROM generate_series(1, 20000) n;
                 INSERT INTO voice_messages (call_id, role, content) SELECT id, 'user', 'Hello?' FROM voice_calls;
                 INSERT INTO call_participants (call_id, participant_identity) SELECT id, 'guest' FROM voice_calls;
                 RESET hookline.writes;
                 ANALYZE`,
            );
            for (const who of ['owner', 'participant'])
                for (const query of [
                    `SELECT * FROM voice_calls WHERE user_id = '${OWNER}' ORDER BY created_at DESC LIMIT 20`,
                    'SELECT * FROM voice_calls',
                    'SELECT * FROM voice_messages',
                    'SELECT * FROM call_participants',
                    'SELECT * FROM conversation_transcripts',
                    'SELECT * FROM call_analytics',
                ]) {
                    const [plan] = await rowsAs(gate, ASKERS[who], `EXPLAIN (ANALYZE, FORMAT JSON) ${query}`);
                    const scans = scansOf(plan['QUERY PLAN'][0].Plan);
                    assert.deepEqual(scans.filter((scan) => scan.type === 'Seq Scan' && scan.table !== 'users'), [], query);
                    assert.ok(scans.every((scan) => scan.rows < 100), `${query}: ${JSON.stringify(scans)}`);
                }
        });

        test('hookline is asked no policy', async () => {
            for (const asker of [ASKERS.service, ASKERS.hookline]) {
                const plan = await rowsAs(gate, asker, `EXPLAIN UPDATE voice_calls SET phase = 2 WHERE call_sid = 'CAown'`);
                assert.doesNotMatch(JSON.stringify(plan), /InitPlan|Filter/);
            }
        });
    });
}

/** Of a plan: how often each table was read, and how many rows came by. */
function scansOf(node) {
    const below = (node.Plans ?? []).flatMap(scansOf);
    if (!node['Relation Name']) return below;
    const rows = (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops'];
    return [{type: node['Node Type'], table: node['Relation Name'], rows}, ...below];
}

/** Tables (partitions too) and views of ours. */
async function relations(client) {
    const {rows} = await client.query(
        `SELECT relname AS name, CASE WHEN relispartition THEN 'partition' ELSE 'other' END AS kind
         FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY relname`,
    );
    return rows;
}

/** What becomes of the four verbs on one table, as in MATRIX. */
async function cellOf(owner, gate, name, asker) {
    const {rows} = await owner.query(`SELECT count(*)::int AS n FROM ${name}`);
    const {rows: columns} = await owner.query(
        `SELECT attname FROM pg_attribute WHERE attrelid = $1::regclass AND attnum > 0 AND attgenerated = '' ORDER BY attnum`,
        [name],
    );
    const column = CHANGED[name] ?? columns[0].attname;
    const statements = {
        SELECT: `SELECT 1 FROM ${name}`,
        INSERT: `INSERT INTO ${name} ${(NEW_ROWS[name] ?? 'DEFAULT VALUES').replace('$USER', asker.sub ? `'${asker.sub}'` : 'NULL')}`,
        UPDATE: `UPDATE ${name} SET ${column} = ${column}`,
        DELETE: `DELETE FROM ${name}`,
    };
    let cell = '';
    for (const verb of VERBS) cell += await outcome(gate, asker, verb, statements[verb], rows[0].n);
    return cell;
}

// 55000 and 0A000: a view that takes no rows.
const REFUSALS = ['42501', '55000', '0A000'];

async function outcome(gate, asker, verb, sql, total) {
    try {
        const {rowCount} = await asking(gate, asker, (client) => client.query(sql));
        if (verb === 'INSERT') return rowCount > 0 ? '+' : '0';
        if (rowCount === 0) return '0';
        return rowCount < total ? '1' : '*';
    } catch (error) {
        if (REFUSALS.includes(error.code)) return 'x';
        throw new Error(`${sql}: ${error.message}`, {cause: error});
    }
}
