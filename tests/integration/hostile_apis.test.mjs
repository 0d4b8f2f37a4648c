// Hostile APIs: what they send instead of an answer, how they count, page and keep time, and who answers for them. Whatever
// it is, the run ends with a report that says so, nothing is there twice, and the next pass over an API that is well again
// makes it good. (APIs on merely bad days: apis.test.mjs.)

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {mkdtempSync, readFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {after, before, describe, test} from 'node:test';
import {constants, deflateRawSync, gzipSync} from 'node:zlib';
import {APIS, differences, reconcile} from './lib/backfill.mjs';
import {createDatabase} from './lib/database.mjs';
import {ROOT, runHookline, SANITIZED} from './lib/hookline.mjs';
import {rowsByCall} from './lib/rows.mjs';
import {inTurn} from './lib/wait.mjs';
import {serveApi} from '../simulators/api_server.mjs';
import {createWorld} from '../simulators/world.mjs';

const NOW_MS = Math.floor(Date.now() / 1000) * 1000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const COUNT = 6;
const PROVIDERS = Object.keys(APIS);
const AT_ONCE = {concurrency: 6}; // they wait, mostly

// ---- a database and an API ----

function addCall(world, provider, {startMs = NOW_MS - 20 * MINUTE_MS, ...more} = {}) {
    return world.call({by: [provider], startMs, talkMs: provider === 'livekit' ? 86_400_000 : 30_000, ...more});
}

/** n calls of one provider, a minute between them; of LiveKit's they go on. */
function worldOf(provider, n = COUNT, options = {}) {
    const world = createWorld({seed: provider, ...options});
    for (let i = 0; i < n; i++)
        addCall(world, provider, {startMs: NOW_MS - (20 + i) * MINUTE_MS, outcome: i % 4 === 3 ? 'no-answer' : 'completed'});
    return world;
}

/** As many as are used at once: to make one takes longer than to use it. */
const databases = [];
let model;

async function databaseFor(t) {
    const database = databases.pop();
    await forget(database);
    t.after(() => databases.push(database));
    return database;
}

/** One pass over what `options` make of the API: {code, report, api, text, peakMiB}. */
async function pass(database, provider, world, options = {}, {settings = {}, args = []} = {}) {
    const {serve, env} = APIS[provider];
    const api = await serve(world, options);
    let peakMiB = 0;
    let polling = null;
    const watch = ({pid}) => {
        polling = setInterval(() => (peakMiB = Math.max(peakMiB, peakOf(pid))), 10);
    };
    try {
        const {code, signal, report, stderr} = await reconcile(database, provider, {...env(api.url), ...settings}, args, watch);
        assert.equal(signal, null, stderr);
        return {code, report, api, text: `${stderr}${JSON.stringify(report)}`, peakMiB};
    } finally {
        clearInterval(polling);
        await api.close();
    }
}

/** The most memory that it has had so far; 0 when it is gone. */
function peakOf(pid) {
    try {
        return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    } catch {
        return 0;
    }
}

const countOf = async (database, table) => Number(await database.value(`SELECT count(*) FROM ${table}`));
const windows = async (database) =>
    Object.fromEntries(
        (await database.rows('SELECT state, count(*) AS n FROM reconcile_windows GROUP BY 1')).map(({state, n}) => [state, Number(n)]),
    );
const forget = (database) =>
    database.rows(
        `TRUNCATE event_keys, call_events, voice_calls, reconcile_state, reconcile_runs, reconcile_changes, reconcile_windows,
         reconcile_steps, reconcile_marks, agent_aliases CASCADE`,
    );

/** The rows of an API that is well, of the world of worldOf(provider). */
const wanted = {};
before(async () => {
    model = await createDatabase();
    await model.client.end();
    for (let i = 0; i < AT_ONCE.concurrency; i++) databases.push(await createDatabase({like: model.name}));
    const [database] = databases;
    for (const provider of PROVIDERS) {
        const {code, text} = await pass(database, provider, worldOf(provider));
        assert.equal(code, 0, text);
        assert.equal(await countOf(database, 'voice_calls'), COUNT);
        wanted[provider] = await rowsByCall(database);
        await forget(database);
    }
});
after(() => inTurn(...databases.map(({drop}) => drop), () => model?.drop()));

/** Of a transcription Twilio tells in two places, and in only one of them whose call it is: what comes first is kept. */
const TOLD_TWICE = {events: ({event_key}) => (event_key.startsWith('transcription:') ? ['from_number', 'to_number', 'call_status'] : [])};

async function assertWanted(database, provider, what, unknown = TOLD_TWICE) {
    const found = await rowsByCall(database);
    assert.deepEqual([...found.keys()].sort(), [...wanted[provider].keys()].sort(), what);
    for (const [id, rows] of wanted[provider]) assert.deepEqual(differences(found.get(id), rows, unknown), [], `${what}: ${id}`);
}

/** A run that has failed, and says so: by its exit code, in its report, in its row; and what it was about is still open. */
async function assertFailed(database, {code, report, text}, pattern) {
    assert.deepEqual([code, report?.status], [1, 'failed'], text);
    assert.match(report.errors.join('\n'), pattern, text);
    const row = await database.row('SELECT status, errors FROM reconcile_runs ORDER BY id DESC LIMIT 1');
    assert.deepEqual([row.status, row.errors], ['failed', report.errors]);
    const {failed = 0, pending = 0} = await windows(database);
    assert.ok(failed + pending > 0, `a window is still open: ${text}`);
}

/** The API is well again: everything is there, once; and once more there is nothing to do. */
async function assertMadeGood(database, provider, unknown = TOLD_TWICE) {
    const world = worldOf(provider);
    const good = await pass(database, provider, world);
    assert.equal(good.code, 0, good.text);
    await assertWanted(database, provider, `${provider}, made good`, unknown);
    const {failed = 0, pending = 0} = await windows(database);
    assert.deepEqual([failed, pending, await countOf(database, 'reconcile_steps')], [0, 0, 0]);
    const again = await pass(database, provider, world);
    assert.deepEqual([again.code, again.report.new, again.report.updated], [0, 0, 0], again.text);
}

// ---- faults: (response, {status, headers, text}) → nothing ----

const say = (status, headers, body = '') => (response) => {
    response.writeHead(status, {'content-length': Buffer.byteLength(body), ...headers});
    response.end(body);
};
const sayJson = (body) => say(200, {'content-type': 'application/json'}, body);
const changed = (change) => (response, {status, headers, text}) => {
    const body = change(text);
    response.writeHead(status, {...headers, 'content-length': Buffer.byteLength(body)});
    response.end(body);
};

/** Gigabytes of blanks, in some megabytes of gzip. */
const BOMB = (() => {
    const block = deflateRawSync(Buffer.alloc(1 << 24, ' '), {finishFlush: constants.Z_FULL_FLUSH});
    return Buffer.concat([Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]), ...Array(128).fill(block)]);
})();

describe('429', AT_ONCE, () => {
    const date = (ms) => new Date(Date.now() + ms).toUTCString();
    /** What a server may say about when to come back; none of it is a time to wait for but the date, and '0'. */
    const WAITS = [() => undefined, () => '0', () => date(1000), () => date(-HOUR_MS), () => '-30', () => 'soon', () => '9'.repeat(40)];
    const refuse = (wait) => say(429, wait === undefined ? {} : {'retry-after': wait}, '{"message":"Too Many Requests"}');

    for (const provider of PROVIDERS)
        test(`a storm: two answers of three, of ${provider}`, async (t) => {
            const database = await databaseFor(t);
            let refused = 0;
            const fault = (_request, count) => {
                if (count % 3 === 0 || refused === WAITS.length) return null;
                return refuse(WAITS[refused++]());
            };
            const {code, report, text} = await pass(database, provider, worldOf(provider), {fault});
            assert.deepEqual([code, report.status, report.error_count], [0, 'done', 0], text);
            assert.equal(refused, WAITS.length);
            await assertWanted(database, provider, provider);
        });

    for (const provider of PROVIDERS)
        test(`for years, of ${provider}: it is left alone at once`, async (t) => {
            const database = await databaseFor(t);
            for (const wait of ['315360000', date(10 * 365 * 24 * HOUR_MS)]) {
                const run = await pass(database, provider, worldOf(provider), {fault: () => refuse(wait)});
                assert.ok(run.api.requests.length <= 4, `${run.api.requests.length} requests`);
                await assertFailed(database, run, /429.*(left alone|later)/);
            }
            assert.equal(await countOf(database, 'voice_calls'), 0);
            await assertMadeGood(database, provider);
        });

    for (const provider of PROVIDERS)
        test(`for ever, of ${provider}: the run ends, and a later one goes on`, async (t) => {
            const database = await databaseFor(t);
            const run = await pass(database, provider, worldOf(provider), {fault: () => refuse('0')});
            assert.ok(run.api.requests.length <= 32, `${run.api.requests.length} requests`);
            await assertFailed(database, run, /429/);
            await assertMadeGood(database, provider);
        });
});

describe('503 for ever: the run ends, whatever is left to be asked', AT_ONCE, () => {
    for (const provider of PROVIDERS)
        test(provider, async (t) => {
            const database = await databaseFor(t);
            const run = await pass(database, provider, worldOf(provider), {fault: () => say(503, {'retry-after': '0'}, '{}')});
            assert.ok(run.api.requests.length <= 40, `${provider}: ${run.api.requests.length} requests`);
            await assertFailed(database, run, /503/);
        });
});

describe('what is no answer', AT_ONCE, () => {
    const NESTED = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const KINDS = [
        ['HTML', say(200, {'content-type': 'text/html'}, '<!DOCTYPE html><title>Welcome</title>'), /JSON|expected/],
        ['nothing', sayJson(''), /JSON|expected|nothing/],
        ['no content', say(204, {}), /JSON|expected|nothing/],
        ['null', sayJson('null'), /expected/],
        ['a number', sayJson('42'), /expected/],
        ['a text', sayJson('"ok"'), /expected/],
        ['another shape', sayJson('{"hello":{"world":[1,2,3]}}'), /expected/],
        ['half of it', changed((text) => text.slice(0, text.length / 2)), /./],
        ['two of it', changed((text) => text + text), /./],
        ['nesting', sayJson(NESTED), /nest|deep/],
        ['64 MiB and more', say(200, {'content-type': 'application/json'}, ' '.repeat(65 << 20)), /larger than \d+ bytes/],
        ['a gzip bomb', say(200, {'content-encoding': 'gzip', 'content-length': BOMB.length}, BOMB), /larger than \d+ bytes/],
    ];
    for (const provider of PROVIDERS)
        for (let i = 0; i < KINDS.length; i += 4)
            test(`${provider}: ${KINDS.slice(i, i + 4).map(([name]) => name).join(', ')}`, async (t) => {
                const database = await databaseFor(t);
                for (const [name, kind, pattern] of KINDS.slice(i, i + 4)) {
                    await forget(database);
                    const run = await pass(database, provider, worldOf(provider), {fault: () => kind}, {args: ['--since', '3h']});
                    await assertFailed(database, run, pattern);
                    assert.equal(await countOf(database, 'voice_calls'), 0, name);
                    assert.ok(run.api.requests.length <= 12, `${name}: ${run.api.requests.length} requests`);
                    assert.ok(SANITIZED || run.peakMiB < 300, `${name}: ${run.peakMiB} MiB`);
                }
                await assertMadeGood(database, provider);
            });
});

describe('connections that break, for a while', AT_ONCE, () => {
    const drip = async (response, bytes, everyMs) => {
        for (const byte of bytes) {
            if (response.destroyed) return;
            response.socket?.write(byte);
            await sleep(everyMs);
        }
    };
    const KINDS = {
        'a byte a second': (response, {text}) =>
            drip(response, ['HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n', ...text], 1000),
        'a head without an end': async (response) => {
            response.socket.write('HTTP/1.1 200 OK\r\n');
            for (let i = 0; !response.destroyed && !response.socket?.destroyed; i++) {
                response.socket.write(`x-${i}: ${'y'.repeat(1000)}\r\n`);
                await sleep(1);
            }
        },
        'hints without an end': async (response) => {
            while (!response.destroyed && !response.socket?.destroyed) {
                response.socket.write('HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n');
                await sleep(1);
            }
        },
        'reset in the body': (response, {text}) => {
            response.writeHead(200, {'content-length': Buffer.byteLength(text)});
            response.write(text.slice(0, text.length / 2), () => response.socket?.resetAndDestroy());
        },
        'reset in the head': (response) => response.socket.write('HTTP/1.1 200', () => response.socket?.resetAndDestroy()),
        'longer by its length': (response, {text}) => {
            response.writeHead(200, {'content-length': Buffer.byteLength(text) + 100});
            response.write(text);
        },
        'shorter by its length': (response, {text}) =>
            response.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${text.length >> 1}\r\n\r\n${text}`),
        'no HTTP': (response) => response.socket.end('220 mail.example.com ESMTP\r\n'),
        'no gzip': (response, {text}) => say(200, {'content-encoding': 'gzip'}, text)(response),
        'half a gzip': (response, {text}) => {
            const packed = gzipSync(text);
            say(200, {'content-encoding': 'gzip', 'content-length': packed.length >> 1}, packed.subarray(0, packed.length >> 1))(response);
        },
    };
    for (const provider of PROVIDERS)
        test(provider, async (t) => {
            const database = await databaseFor(t);
            const left = Object.values(KINDS);
            const fault = (_request, count) => (count % 3 === 0 ? null : left.shift());
            const run = await pass(database, provider, worldOf(provider, COUNT), {fault}, {settings: {HOOKLINE_RECONCILE_TIMEOUT: 1}});
            assert.deepEqual([run.code, run.report.status, run.report.error_count], [0, 'done', 0], run.text);
            assert.equal(left.length, 0, 'it met them all');
            await assertWanted(database, provider, provider);
        });
});

// What is in the answers is odd, and an answer all the same.
describe('odd values', AT_ONCE, () => {
    /** Into every object: what JSON and UTF-8 allow nobody to store, and numbers that are none. */
    const odd = (text) =>
        Buffer.concat(
            text
                .split(/(?<=\{)(?=")/)
                .flatMap((part, i) => [
                    Buffer.from(i > 0 ? '"odd":"\\u0000 \\ud800 ' : ''),
                    Buffer.from(i > 0 ? [0xff, 0xc0, 0x80, 0xed, 0xa0, 0x80] : []),
                    Buffer.from(i > 0 ? '","huge":1e400,"long":123456789012345678901234567890,' : ''),
                    Buffer.from(part),
                ]),
        );
    for (const provider of PROVIDERS)
        test(`NUL, broken UTF-8 and 1e400 in what ${provider} says`, async (t) => {
            const database = await databaseFor(t);
            const world = worldOf(provider);
            const {code, report, text} = await pass(database, provider, world, {fault: () => changed(odd)});
            assert.deepEqual([code, report.dead_letters, report.new], [0, 0, COUNT], text);
            const again = await pass(database, provider, world, {fault: () => changed(odd)});
            assert.deepEqual([again.code, again.report.new, again.report.updated], [0, 0, 0], again.text);
            const found = await rowsByCall(database);
            assert.deepEqual([...found.keys()].sort(), [...wanted[provider].keys()].sort());
        });

    /** Times that nobody lives in, ends before beginnings, lengths below nothing. */
    const TIMES = {
        twilio: [[/"end_time":"[^"]*"/g, '"end_time":"Thu, 01 Jan 1970 00:00:00 +0000"'], [/"duration":"\d+"/g, '"duration":"-5"']],
        vapi: [
            [/"startedAt":"[^"]*"/g, '"startedAt":"9999-12-31T23:59:59.999Z"'],
            [/"endedAt":"[^"]*"/g, '"endedAt":"1970-01-01T00:00:00.000Z"'],
            [/"secondsFromStart":[\d.]+/g, '"secondsFromStart":-1e300'],
            [/"duration":\d+/g, '"duration":-5'],
        ],
        livekit: [[/"creation_time":"\d+"/g, '"creation_time":"-5"'], [/"joined_at":"\d+"/g, '"joined_at":"9223372036854775807"']],
        beyond_presence: [[/"ended_at":"[^"]*"/g, '"ended_at":"9999-12-31T23:59:59Z"'], [/"sent_at":"[^"]*"/g, '"sent_at":"0000-00-00T00:00:00Z"']],
        teli: [
            [/"end_timestamp":\d+/g, '"end_timestamp":-9223372036854775808'],
            [/"duration_ms":\d+/g, '"duration_ms":-5000'],
            [/"start":[\d.]+/g, '"start":-1e308'],
        ],
    };
    for (const provider of PROVIDERS)
        test(`times of no calendar in what ${provider} says`, async (t) => {
            const database = await databaseFor(t);
            const world = worldOf(provider);
            const fault = () => changed((text) => TIMES[provider].reduce((all, [from, to]) => all.replace(from, to), text));
            const {code, report, text} = await pass(database, provider, world, {fault});
            assert.deepEqual([code, report.dead_letters, await countOf(database, 'voice_calls')], [0, 0, COUNT], text);
            assert.equal(await countOf(database, 'voice_calls WHERE duration_seconds < 0'), 0);
            const again = await pass(database, provider, world, {fault});
            assert.deepEqual([again.code, again.report.new, again.report.updated], [0, 0, 0], again.text);
        });
});

describe('nobody else is sent a key', AT_ONCE, () => {
    const elsewhere = async (t) => {
        const other = await serveApi(() => ({body: {}}), {host: 'localhost'});
        t.after(other.close);
        return other;
    };
    for (const provider of PROVIDERS)
        test(`a redirect by ${provider} is not followed`, async (t) => {
            const database = await databaseFor(t);
            const other = await elsewhere(t);
            for (const [status, location] of [
                [301, `${other.url}/`],
                [302, 'file:///etc/passwd'],
                [307, `${other.url}/`],
                [308, `//${other.url.slice(7)}/`],
            ]) {
                await forget(database);
                const options = {fault: () => say(status, {location})};
                const run = await pass(database, provider, worldOf(provider), options, {args: ['--since', '3h']});
                await assertFailed(database, run, new RegExp(`answers ${status}`));
            }
            assert.deepEqual(other.requests, []);
        });

    test('nor by a link to the next page', async (t) => {
        const database = await databaseFor(t);
        const other = await elsewhere(t);
        for (const host of [other.url, `//${other.url.slice(7)}`, `@${other.url.slice(7)}`, 'file://', '\\\\localhost', 'http://localhost:1\u0000'])
            for (const provider of ['twilio', 'beyond_presence', 'livekit']) {
                await forget(database);
                const away = `${host}/2010-04-01/Accounts/AC000000000000000000000000000000ac/Calls.json?Page=1`;
                const lists = /Calls\.json|\/v1\/calls$|ListEgress/;
                const lure = (text) =>
                    JSON.stringify({...JSON.parse(text), next_page_uri: away, next_cursor: away, has_more: true, next_page_token: {token: away}});
                const fault = ({path, query, body}) =>
                    lists.test(path) && !query.has('cursor') && !body.includes('page_token') ? changed(lure) : null;
                const run = await pass(database, provider, worldOf(provider), {fault}, {args: ['--since', '3h']});
                if (provider === 'twilio') await assertFailed(database, run, /next_page_uri: expected a path/);
            }
        assert.deepEqual(other.requests, []);
    });
});

describe('lists', AT_ONCE, () => {
    test('of LiveKit that lead in a circle end', async (t) => {
        const database = await databaseFor(t);
        const fault = ({path, body}) =>
            path.endsWith('ListEgress')
                ? changed((text) => JSON.stringify({...JSON.parse(text), next_page_token: {token: body.includes('"A"') ? 'B' : 'A'}}))
                : null;
        const run = await pass(database, 'livekit', worldOf('livekit'), {fault}, {args: ['--since', '3h']});
        await assertFailed(database, run, /leads back|repeats itself/);
        assert.ok(run.api.requests.length < 20);
        await assertMadeGood(database, 'livekit');
    });

    test('of Beyond Presence whose next page cannot be asked for are not said to be whole', async (t) => {
        const database = await databaseFor(t);
        for (const next_cursor of [undefined, null, '', 7, 'x'.repeat(100_000)]) {
            await forget(database);
            const fault = ({path}) =>
                path === '/v1/calls' ? changed((text) => JSON.stringify({...JSON.parse(text), has_more: true, next_cursor})) : null;
            const run = await pass(database, 'beyond_presence', worldOf('beyond_presence'), {fault}, {args: ['--since', '3h']});
            await assertFailed(database, run, /next page/);
            assert.equal(await countOf(database, 'voice_calls'), COUNT);
        }
        await assertMadeGood(database, 'beyond_presence');
    });

    /** Very many at one and the same time. */
    const crowd = (provider, n) => {
        const world = createWorld({seed: 'crowd'});
        for (let i = 0; i < n; i++) addCall(world, provider, {outcome: 'no-answer', recorded: false});
        return world;
    };
    test('of Vapi: as many in one millisecond as it gives are all found; of more it is said that they are', async (t) => {
        const database = await databaseFor(t);
        const many = await pass(database, 'vapi', crowd('vapi', 250), {}, {args: ['--since', '3h']});
        assert.deepEqual([many.code, many.report.new], [0, 250], many.text);
        await forget(database);
        const run = await pass(database, 'vapi', crowd('vapi', 1003), {}, {args: ['--since', '3h']});
        await assertFailed(database, run, /1000 calls or more/);
        assert.equal(await countOf(database, 'voice_calls'), 1000);
    });
    test('of Teli: the same', async (t) => {
        const database = await databaseFor(t);
        const run = await pass(database, 'teli', crowd('teli', 130), {exportMost: 110}, {args: ['--since', '3h']});
        await assertFailed(database, run, /cut off/);
        assert.ok((await countOf(database, 'voice_calls')) >= 110);
    });

    test('of Vapi that pay no heed to the window are not walked for ever', async (t) => {
        const database = await databaseFor(t);
        const world = worldOf('vapi', 120);
        const all = JSON.stringify(world.calls.map(({told}) => told.vapi.object).slice(0, 100));
        const run = await pass(database, 'vapi', world, {fault: ({path}) => (path === '/call' ? sayJson(all) : null)}, {args: ['--since', '1h']});
        await assertFailed(database, run, /in the window that was asked for/);
        assert.ok(run.api.requests.length < 300, `${run.api.requests.length} requests`);
    });

    for (const provider of PROVIDERS)
        test(`totals of ${provider} that lie are not believed`, async (t) => {
            const database = await databaseFor(t);
            for (const lie of [0, 1_000_000_000]) {
                await forget(database);
                const lies = {count: lie, total: lie, page: lie, page_size: lie, start: lie, end: lie, num_pages: lie};
                const lying = (text) => (text.startsWith('[') ? text : JSON.stringify({...JSON.parse(text), ...lies}));
                const {code, text} = await pass(database, provider, worldOf(provider), {fault: () => changed(lying)});
                assert.equal(code, 0, text);
                await assertWanted(database, provider, provider);
            }
        });
});

describe('a call that changes while it is read', AT_ONCE, () => {
    for (const provider of ['twilio', 'beyond_presence'])
        test(`and moves from the second page of ${provider} to the first`, async (t) => {
            const database = await databaseFor(t);
            const whole = worldOf(provider, 70);
            const moved = whole.calls[45].told[provider];
            // It is on no page while the first is read; when the second is, it makes that one begin with a row of the first.
            let isThere = false;
            const world = {...whole, known: (name) => whole.known(name).filter((told) => told !== moved || isThere)};
            let lists = 0;
            const fault = ({path}) => {
                lists += /Calls\.json|\/v1\/calls$/.test(path);
                isThere = lists > 1;
                return null;
            };
            const twoPages = {mostInPage: 40};
            const run = await pass(database, provider, world, {...twoPages, fault}, {args: ['--since', '4h']});
            assert.equal(run.code, 0, run.text);
            const next = await pass(database, provider, whole, twoPages, {args: ['--since', '4h']});
            assert.deepEqual([next.code, await countOf(database, 'voice_calls')], [0, 70], next.text);
            const again = await pass(database, provider, whole, twoPages, {args: ['--since', '4h']});
            assert.deepEqual([again.code, again.report.new, again.report.updated], [0, 0, 0], again.text);
        });

    test('and is removed from the first page of Twilio: who moves up over the page is found by the next pass', async (t) => {
        const database = await databaseFor(t);
        const whole = worldOf('twilio');
        let isGone = false;
        const world = {...whole, known: (name) => whole.known(name).slice(isGone ? 1 : 0)};
        const fault = ({path, query}) => {
            isGone ||= path.endsWith('/Calls.json') && query.get('Page') === '1';
            return null;
        };
        const run = await pass(database, 'twilio', world, {fault, mostInPage: 2});
        assert.equal(run.code, 0, run.text);
        await assertMadeGood(database, 'twilio');
    });

    test('and ends after the list of Twilio was read', async (t) => {
        const database = await databaseFor(t);
        const goesOn = (text) =>
            text.replaceAll('"status":"completed"', '"status":"in-progress"').replaceAll(/"(end_time|duration)":"[^"]*"/g, '"$1":null');
        const fault = ({path}) => (path.endsWith('/Calls.json') ? changed(goesOn) : null);
        const run = await pass(database, 'twilio', worldOf('twilio'), {fault});
        assert.equal(run.code, 0, run.text);
        await assertMadeGood(database, 'twilio', {events: 'lost'}); // that it was in progress is one more
    });

    for (const [older, pattern] of [
        ['list', /\/voice\/calls$/],
        ['detail', /\/voice\/calls\//],
    ])
        test(`and is older in the ${older} of Teli than in the other`, async (t) => {
            const database = await databaseFor(t);
            const was = (text) => {
                const {calls, call, ...rest} = JSON.parse(text);
                const when = {
                    call_status: 'ongoing',
                    end_timestamp: null,
                    duration_ms: 0,
                    transcript: '',
                    transcript_object: [],
                    call_analysis: null,
                    updated_at: '2026-01-01T00:00:00.000000',
                };
                const earlier = (object) => ({...object, ...(object.call_status === 'ended' && when)});
                return JSON.stringify({...rest, ...(calls && {calls: calls.map(earlier)}), ...(call && {call: earlier(call)})});
            };
            const run = await pass(database, 'teli', worldOf('teli'), {fault: ({path}) => (pattern.test(path) ? changed(was) : null)});
            assert.deepEqual([run.code, await countOf(database, 'voice_calls')], [0, COUNT], run.text);
            await assertMadeGood(database, 'teli', {events: 'lost'});
        });
});

describe('clocks that differ', AT_ONCE, () => {
    for (const provider of PROVIDERS)
        test(`${provider}'s is an hour behind: what is made between two passes is found`, async (t) => {
            const database = await databaseFor(t);
            const world = createWorld({seed: 'skew', now: () => Date.now() - HOUR_MS});
            const make = (agoMs) =>
                addCall(world, provider, {startMs: world.now() - agoMs, talkMs: provider === 'livekit' ? 86_400_000 : 2000});
            make(HOUR_MS);
            const first = await pass(database, provider, world);
            assert.deepEqual([first.code, first.report.new], [0, 1], first.text);
            make(20_000); // just over by its clock, and an hour ago by ours: before what was read by then
            const second = await pass(database, provider, world);
            assert.deepEqual([second.code, await countOf(database, 'voice_calls')], [0, 2], second.text);
        });

    for (const provider of PROVIDERS)
        test(`${provider}'s is ahead: what is made in our future is found when that has come`, async (t) => {
            const database = await databaseFor(t);
            const world = createWorld({seed: 'ahead', now: () => Date.now() + HOUR_MS});
            const soonMs = Date.now() + 4000;
            addCall(world, provider, {startMs: soonMs, outcome: provider === 'livekit' ? 'completed' : 'no-answer'});
            const first = await pass(database, provider, world);
            assert.equal(first.code, 0, first.text);
            await sleep(soonMs + 500 - Date.now());
            const second = await pass(database, provider, world);
            assert.deepEqual([second.code, await countOf(database, 'voice_calls')], [0, 1], second.text);
        });
});

describe('a call with very many messages', AT_ONCE, () => {
    for (const [provider, lines] of [
        ['vapi', 100_000],
        ['beyond_presence', 10_000],
        ['teli', 10_000],
    ])
        test(`of ${provider}, ${lines}, is stored whole, once`, async (t) => {
            const LINES = SANITIZED ? lines / 20 : lines;
            const database = await databaseFor(t);
            const world = createWorld({seed: 'long'});
            world.call({by: [provider], startMs: NOW_MS - 4 * HOUR_MS, talkMs: 3 * HOUR_MS, lines: LINES});
            const first = await pass(database, provider, world, {}, {args: ['--since', '6h']});
            t.diagnostic(`${provider}: ${first.report.seconds} s, ${Math.round(first.peakMiB)} MiB`);
            assert.deepEqual([first.code, first.report.new, first.report.dead_letters], [0, 1, 0], first.text.slice(0, 2000));
            const spoken = () => countOf(database, `voice_messages WHERE role <> 'system'`);
            assert.equal(await spoken(), LINES);
            assert.ok(SANITIZED || first.peakMiB < 1024, `${first.peakMiB} MiB`);
            const again = await pass(database, provider, world, {}, {args: ['--since', '6h']});
            assert.deepEqual([again.code, again.report.new, again.report.updated, await spoken()], [0, 0, 0, LINES]);
        });
});

describe('TLS', AT_ONCE, () => {
    const folder = mkdtempSync(join(tmpdir(), 'hookline-tls-'));
    const file = (name) => join(folder, name);
    const pem = (name) => readFileSync(file(name));
    const openssl = (line, ...more) => execFileSync('openssl', [...line.split(' '), ...more], {cwd: folder, stdio: 'ignore'});
    const KEY = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes';
    const OURS = {SSL_CERT_FILE: file('ca.pem')};

    before(() => {
        execFileSync(`${ROOT}/certs/make`, [folder], {stdio: 'ignore'});
        for (const [name, host, days] of [
            ['elsewhere', 'elsewhere.localhost', 2],
            ['expired', 'localhost', -1],
        ]) {
            openssl(`req -new ${KEY} -keyout ${name}.key -out ${name}.csr -subj /CN=${host} -addext subjectAltName=DNS:${host}`);
            openssl(`x509 -req -in ${name}.csr -CA ca.pem -CAkey ca.key -copy_extensions copy -days ${days} -set_serial 7 -out ${name}.pem`);
        }
        openssl(`req -x509 ${KEY} -keyout self.key -out self.pem -subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2`);
    });

    const serving = (name) => ({tls: {key: pem(`${name}.key`), cert: pem(`${name}.pem`)}, host: 'localhost'});

    for (const [what, name, settings, pattern] of [
        ['of another name', 'elsewhere', OURS, /localhost cannot be trusted, and was sent nothing: .*name.*localhost/],
        ['that is over', 'expired', OURS, /localhost cannot be trusted.*expired/],
        ['that signs itself', 'self', OURS, /localhost cannot be trusted.*self.signed/],
        ['of nobody whom the system knows', 'server', {}, /localhost cannot be trusted.*; .*SSL_CERT_FILE/],
        ['when the file of authorities is not there', 'server', {SSL_CERT_FILE: '/nonexistent'}, /localhost cannot be trusted.*nonexistent/],
    ])
        test(`a certificate ${what} ends the run at once; nothing is sent`, async (t) => {
            const database = await databaseFor(t);
            for (const provider of PROVIDERS) {
                await forget(database);
                const run = await pass(database, provider, worldOf(provider), serving(name), {settings});
                await assertFailed(database, run, pattern);
                assert.equal(run.report.error_count, 1, run.text);
                assert.ok(run.report.requests <= 4, run.text);
                assert.deepEqual(run.api.requests, []);
            }
        });

    test('a certificate that is good is: HTTP/2, and gzip', async (t) => {
        const database = await databaseFor(t);
        const packed = (response, {status, headers, text}) => say(status, {...headers, 'content-encoding': 'gzip'}, gzipSync(text))(response);
        for (const provider of PROVIDERS) {
            await forget(database);
            const options = {...serving('server'), fault: () => packed};
            const {code, api, text} = await pass(database, provider, worldOf(provider), options, {settings: OURS});
            assert.equal(code, 0, text);
            assert.ok(api.requests.every(({version, headers}) => version === '2.0' && /gzip/.test(headers['accept-encoding'])));
            await assertWanted(database, provider, provider);
        }
    });
});
