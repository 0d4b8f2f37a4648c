// The command line, as a newcomer types it.

import assert from 'node:assert/strict';
import {existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {createDatabase} from './lib/database.mjs';
import {ROOT, runHookline, SECRETS, startHookline} from './lib/hookline.mjs';
import {inTurn, until} from './lib/wait.mjs';

const COMMANDS = ['serve', 'migrate', 'replay', 'reconcile', 'audit', 'send', 'check', 'help'];

describe('help', () => {
    test('names every command', () => {
        for (const args of [['help'], ['--help'], []]) {
            const {code, stdout, stderr} = runHookline(args);
            if (args.length > 0) assert.equal(code, 0, args.join(' '));
            for (const command of COMMANDS)
                assert.match(stdout + stderr, new RegExp(`hookline ${command}\\b`), args.join(' '));
        }
    });

    for (const command of COMMANDS)
        test(`help ${command}`, () => {
            const {code, stdout} = runHookline(['help', command]);
            assert.equal(code, 0);
            assert.match(stdout, new RegExp(`hookline ${command}`));
            assert.ok(stdout.length > 40);
        });

    test('an unknown command is refused, and says what there is', () => {
        const {code, stdout, stderr} = runHookline(['fly']);
        assert.notEqual(code, 0);
        assert.equal(stdout, '');
        assert.match(stderr, /fly/);
        assert.match(stderr, /help/);
        assert.notEqual(runHookline(['help', 'fly']).code, 0);
    });

    test('help configuration lists every setting of the contract, and no value of a secret', () => {
        const {code, stdout} = runHookline(['help', 'configuration']);
        assert.equal(code, 0);
        for (const name of [
            'DATABASE_URL',
            'HOOKLINE_LISTEN',
            'HOOKLINE_TLS_LISTEN',
            'HOOKLINE_PUBLIC_URL',
            'HOOKLINE_MAX_BODY',
            'HOOKLINE_DRAIN_DELAY',
            'HOOKLINE_COMMIT_DEADLINE',
            'HOOKLINE_TRUSTED_PROXIES',
            'TWILIO_AUTH_TOKEN',
            'TWILIO_ACCOUNT_SID',
            'VAPI_WEBHOOK_SECRET',
            'VAPI_WEBHOOK_HMAC_SECRET',
            'LIVEKIT_API_KEY',
            'LIVEKIT_API_SECRET',
            'LIVEKIT_KEYS',
        ])
            assert.match(stdout, new RegExp(`\\b${name}\\b`));
        for (const secret of Object.values(SECRETS)) assert.ok(!stdout.includes(secret));
    });

    test("README's table of settings is what `hookline help configuration --markdown` prints", () => {
        const {code, stdout} = runHookline(['help', 'configuration', '--markdown']);
        assert.equal(code, 0);
        assert.match(stdout, /\| *`?HOOKLINE_LISTEN/);
        const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
        assert.ok(readme.includes(stdout.trim()), 'README.md does not hold it: paste the output of that command there');
    });

    test("README's links lead to a heading, or to a file", () => {
        const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
        const anchorOf = (heading) => heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-');
        const anchors = new Set([...readme.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading)));
        const links = [...readme.matchAll(/\]\((?!http)([^)]*)\)/g)].map(([, link]) => link);
        assert.ok(links.length > 5);
        const leads = (link) => (link.startsWith('#') ? anchors.has(link.slice(1)) : existsSync(join(ROOT, link.split('#')[0])));
        assert.deepEqual(links.filter((link) => !leads(link)), []);
    });
});

describe('migrate', () => {
    let database;
    before(async () => {
        database = await createDatabase({migrate: false});
    });
    after(() => database?.drop());
    const migrate = (...args) => runHookline(['migrate', ...args], {DATABASE_URL: database.url});

    test('--status says what would run, and changes nothing', async () => {
        const {code, stdout} = migrate('--status');
        assert.equal(code, 1);
        assert.match(stdout, /0001/);
        assert.equal(await database.value("SELECT to_regclass('voice_calls')"), null);
    });

    test('makes the schema, with partitions ahead', async () => {
        const {code, stderr} = migrate();
        assert.equal(code, 0, stderr);
        for (const table of [
            'event_keys',
            'call_events',
            'voice_calls',
            'voice_messages',
            'call_participants',
            'users',
            'leads',
            'lead_calls',
            'conversation_transcripts',
            'active_calls_summary',
        ])
            assert.notEqual(await database.value('SELECT to_regclass($1)', [`public.${table}`]), null, table);
        const partitions = await database.value(
            "SELECT count(*) FROM pg_inherits WHERE inhparent = 'call_events'::regclass",
        );
        assert.ok(partitions >= 3, `${partitions} partitions`);
    });

    test('a second time changes nothing; --status then has nothing to run', async () => {
        const shape = () =>
            database.rows(
                `SELECT c.relname, c.relkind, a.attname, a.atttypid::regtype::text AS type FROM pg_class c
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             WHERE c.relnamespace = 'public'::regnamespace ORDER BY 1, 3`,
            );
        const before = await shape();
        const {code, stderr} = migrate();
        assert.equal(code, 0, stderr);
        assert.deepEqual(await shape(), before);
        assert.equal(migrate('--status').code, 0);
    });

    test('several at once are as good as one', async (t) => {
        const other = await createDatabase({migrate: false});
        t.after(other.drop);
        const {spawn} = await import('node:child_process');
        const {BIN, hooklineEnv} = await import('./lib/hookline.mjs');
        const codes = await Promise.all(
            Array.from(
                {length: 4},
                () =>
                    new Promise((resolve) => {
                        spawn(BIN, ['migrate'], {env: hooklineEnv({DATABASE_URL: other.url}), stdio: 'ignore'}).on(
                            'close',
                            resolve,
                        );
                    }),
            ),
        );
        assert.deepEqual(codes, [0, 0, 0, 0]);
        assert.notEqual(await other.value("SELECT to_regclass('public.voice_calls')"), null);
    });

    test('without a database it fails, and says which', () => {
        const {code, stdout, stderr} = runHookline(['migrate'], {
            DATABASE_URL: 'postgresql://nobody:secretword@127.0.0.1:1/nothing',
        });
        assert.notEqual(code, 0);
        assert.match(stderr, /127\.0\.0\.1/);
        assert.ok(!(stdout + stderr).includes('secretword'));
    });
});

describe('check and send', () => {
    let database;
    let hookline;
    before(async () => {
        database = await createDatabase();
        hookline = await startHookline({DATABASE_URL: database.url});
    });
    after(() =>
        inTurn(
            () => hookline?.end(),
            () => database?.drop(),
        ),
    );

    test('check is content with a good configuration, and prints no secret', () => {
        const {code, stdout, stderr} = runHookline(['check'], {DATABASE_URL: database.url});
        assert.equal(code, 0, stdout + stderr);
        for (const provider of ['twilio', 'vapi', 'livekit']) assert.match(stdout, new RegExp(provider, 'i'));
        for (const secret of Object.values(SECRETS).slice(1)) assert.ok(!(stdout + stderr).includes(secret));
        assert.ok(!(stdout + stderr).includes(`${new URL(database.url).password}@`));
    });

    test('check says what is wrong, and what to do about it', () => {
        const down = runHookline(['check'], {DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/nothing'});
        assert.notEqual(down.code, 0);
        assert.match(down.stdout + down.stderr, /database/i);
        const wrong = runHookline(['check'], {DATABASE_URL: database.url, HOOKLINE_MAX_BODY: 'plenty'});
        assert.notEqual(wrong.code, 0);
        assert.match(wrong.stdout + wrong.stderr, /HOOKLINE_MAX_BODY/);
        const folder = (dir) => runHookline(['check'], {DATABASE_URL: database.url, HOOKLINE_DATA_DIR: dir});
        assert.equal(folder('/dev/null').code, 1);
        assert.match(folder('/dev/null').stdout, /FAIL journal +\/dev\/null: [^]*-> make it/);
        assert.equal(folder(join(tmpdir(), 'none', 'none')).code, 1);
        assert.match(folder(join(tmpdir(), 'none')).stdout, /ok {3}journal .*not there yet, and can be made/);
    });

    test('check says of whom nothing is fetched, and which setting is missing', () => {
        const {code, stdout} = runHookline(['check'], {
            ...{DATABASE_URL: database.url, LIVEKIT_URL: null, TWILIO_ACCOUNT_SID: null, VAPI_API_KEY: null},
            ...{BEY_WEBHOOK_SECRET: null, TELI_WEBHOOK_SECRET: null},
        });
        assert.equal(code, 0, stdout);
        for (const [provider, setting] of [['livekit', 'LIVEKIT_URL'], ['twilio', 'TWILIO_ACCOUNT_SID'], ['vapi', 'VAPI_API_KEY']])
            assert.match(stdout, new RegExp(`ok {3}${provider} +its API is not asked\n +-> .*, set ${setting}\n`));
        assert.doesNotMatch(stdout, /beyond_presence its API|teli +its API/, 'of whom nothing is set');
    });

    test('a secret may come from a file, and not from two places', (t) => {
        const folder = mkdtempSync(join(tmpdir(), 'secret-'));
        t.after(() => rmSync(folder, {recursive: true}));
        writeFileSync(join(folder, 'token'), `${SECRETS.TWILIO_AUTH_TOKEN}\n`);
        const env = {
            DATABASE_URL: database.url,
            TWILIO_AUTH_TOKEN: null,
            TWILIO_AUTH_TOKEN_FILE: join(folder, 'token'),
        };
        assert.equal(runHookline(['check'], env).code, 0);
        assert.equal(runHookline(['send', 'twilio', 'completed', '--to', hookline.url], env).code, 0);
        const missing = runHookline(['check'], {...env, TWILIO_AUTH_TOKEN_FILE: join(folder, 'nothing')});
        assert.notEqual(missing.code, 0);
        assert.match(missing.stdout + missing.stderr, /TWILIO_AUTH_TOKEN_FILE/);
    });

    const send = (...args) => runHookline(['send', ...args, '--to', hookline.url]);
    const count = (provider) => database.value('SELECT count(*) FROM call_events WHERE provider = $1', [provider]);

    for (const [provider, event] of [
        ['twilio', 'completed'],
        ['vapi', 'end-of-call-report'],
        ['livekit', 'room_finished'],
    ])
        test(`send ${provider} ${event} --count 3 stores three events; --tamper none`, async () => {
            const before = await count(provider);
            const sent = send(provider, event, '--count', '3');
            assert.equal(sent.code, 0, sent.stdout + sent.stderr);
            assert.equal(await count(provider), before + 3);

            const refused = (await hookline.metrics()).sum('hookline_rejections_total', {provider});
            const tampered = send(provider, event, '--tamper', '--count', '2');
            assert.equal(await count(provider), before + 3);
            assert.equal((await hookline.metrics()).sum('hookline_rejections_total', {provider}), refused + 2);
            assert.match(tampered.stdout + tampered.stderr, /401/);
        });

    test('send demo plays one whole call of each provider', async () => {
        const before = await database.rows('SELECT id FROM voice_calls');
        const {code, stdout, stderr} = runHookline(['send', 'demo', '--to', hookline.url], {}, {timeoutMs: 120_000});
        assert.equal(code, 0, stdout + stderr);
        const calls = await database.rows(
            `SELECT provider, status, duration_seconds, customer_number,
                    (SELECT count(*) FROM voice_messages m WHERE m.call_id = c.id AND NOT m.superseded) AS messages,
                    (SELECT count(*) FROM call_participants p WHERE p.call_id = c.id) AS participants
             FROM voice_calls c WHERE NOT c.id = ANY ($1) ORDER BY provider`,
            [before.map((row) => row.id)],
        );
        assert.deepEqual(
            calls.map((c) => [c.provider, c.status]),
            [
                ['livekit', 'completed'],
                ['twilio', 'completed'],
                ['vapi', 'completed'],
            ],
        );
        for (const call of calls) {
            assert.ok(call.duration_seconds > 0, call.provider);
            assert.match(call.customer_number, /^\+1202555\d{4}$/);
        }
        assert.ok(calls[0].participants >= 2);
        assert.ok(calls[2].messages >= 2);
    });

    test('send takes a file', async (t) => {
        const folder = mkdtempSync(join(tmpdir(), 'send-'));
        t.after(() => rmSync(folder, {recursive: true}));
        const file = join(folder, 'event.json');
        writeFileSync(file, '{"message":{"type":"hang","call":{"id":"from-a-file"}}}');
        const sent = send('vapi', file);
        assert.equal(sent.code, 0, sent.stdout + sent.stderr);
        const row = await until('the row', () =>
            database.row("SELECT * FROM call_events WHERE provider_call_id = 'from-a-file'"),
        );
        assert.equal(row.event_type, 'hang');
    });

    test('send says what it cannot do', () => {
        for (const args of [
            ['send'],
            ['send', 'nobody', 'completed'],
            ['send', 'twilio', 'no-such-event'],
            ['send', 'twilio', 'completed', '--count', 'x'],
        ]) {
            const {code, stderr} = runHookline([...args]);
            assert.notEqual(code, 0, args.join(' '));
            assert.ok(stderr.length > 10, args.join(' '));
        }
        const nobody = runHookline(['send', 'twilio', 'completed', '--to', 'http://127.0.0.1:1']);
        assert.notEqual(nobody.code, 0);
        assert.match(nobody.stdout + nobody.stderr, /127\.0\.0\.1:1|refused/i);
    });
});

test('serve refuses a configuration that cannot work, and says what is wrong with it', async () => {
    for (const [env, word] of [
        [{HOOKLINE_LISTEN: 'nowhere'}, /HOOKLINE_LISTEN/],
        [{HOOKLINE_MAX_BODY: '-1'}, /HOOKLINE_MAX_BODY/],
        [{HOOKLINE_TLS_LISTEN: '127.0.0.1:0'}, /HOOKLINE_TLS_CERT/],
        [{LIVEKIT_API_SECRET: null}, /LIVEKIT_API_SECRET/],
    ]) {
        const {code, stderr} = runHookline(['serve'], {DATABASE_URL: 'postgresql://127.0.0.1:1/x', ...env});
        assert.notEqual(code, 0, String(word));
        assert.match(stderr, word);
    }
});
