// api.test.mjs – the API: who may ask, for what, and what becomes of a run that was asked for. What runs it is played
// by the test: rows of reconcile_runs are all that the API and reconcile know of each other.

import assert from 'node:assert/strict';
import {createHash, randomBytes} from 'node:crypto';
import {mkdtempSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {createDatabase} from './lib/database.mjs';
import {runHookline, startHookline} from './lib/hookline.mjs';
import {proxyTo} from './lib/proxy.mjs';
import {keepAlive, send} from './lib/send.mjs';
import {inTurn, until} from './lib/wait.mjs';

const newToken = () => randomBytes(24).toString('base64url');
const OPS = newToken();
const READER = newToken();
const HASHED = newToken();
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const TOKENS = `ops:${OPS}, reader:${READER}:read,hashed:sha256$${sha256(HASHED)}:sync`;

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    await keepEngineOut();
    hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_API_TOKENS: TOKENS});
});

/** Here the test plays the engine (sync.test.mjs has the real one): nobody else takes a run up, or refuses it. */
async function keepEngineOut() {
    await database.rows("SET test.engine = 'me'");
    await database.rows(`CREATE FUNCTION keep_engine_out() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF OLD.status = 'queued' AND NEW.status IN ('running', 'failed') AND current_setting('test.engine', true) IS NULL THEN
                RETURN NULL;
            END IF;
            RETURN NEW;
        END $$`);
    await database.rows(`CREATE TRIGGER keep_engine_out BEFORE UPDATE ON reconcile_runs
        FOR EACH ROW EXECUTE FUNCTION keep_engine_out()`);
}

after(() => inTurn(hookline?.end, database?.drop));

const bearer = (token) => ({Authorization: `Bearer ${token}`});

/** {status, headers, json}; of whatever is no JSON, json is undefined. */
async function ask(method, path, {token = OPS, headers = bearer(token), body, on = hookline, agent = keepAlive} = {}) {
    const answer = await send(on.url, {path, method, headers, body}, {agent});
    if (answer.body) assert.match(answer.headers['content-type'], /^application\/json/);
    return {...answer, json: answer.body ? JSON.parse(answer.body) : undefined};
}

const fails = (answer, status, code) => {
    assert.equal(answer.status, status, answer.body);
    assert.equal(answer.json.error.code, code);
    assert.ok(answer.json.error.message.length > 5);
    assert.equal(answer.json.request_id, answer.headers['x-request-id']);
    return answer;
};

const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00$/;

describe('tokens', () => {
    test('none, a wrong one, or one in another way: 401, and how to ask', async () => {
        const none = fails(await ask('GET', '/api/sync/runs', {headers: {}}), 401, 'bad_token');
        assert.equal(none.headers['www-authenticate'], 'Bearer realm="hookline"');
        const wrong = fails(await ask('GET', '/api/sync/runs', {token: `${OPS}x`}), 401, 'bad_token');
        assert.match(wrong.headers['www-authenticate'], /^Bearer .*error="invalid_token"/);
        for (const value of [
            `Basic ${OPS}`,
            OPS,
            `Bearer ${sha256(HASHED)}`,
            `Bearer sha256$${sha256(HASHED)}`,
            'Bearer ',
        ])
            fails(await ask('GET', '/api/sync/runs', {headers: {Authorization: value}}), 401, 'bad_token');
        fails(await ask('GET', `/api/sync/runs?token=${OPS}`, {headers: {}}), 401, 'bad_token');
    });

    test('two fields are one too many', async () => {
        const headers = {Authorization: [`Bearer ${OPS}`, `Bearer ${READER}`]};
        fails(await ask('GET', '/api/sync/runs', {headers}), 401, 'bad_token');
    });

    test('the scheme is written in any case', async () => {
        assert.equal((await ask('GET', '/api/sync/runs', {headers: {authorization: `bEARER ${OPS}`}})).status, 200);
    });

    test('a token is asked for before anything is told of what there is', async () => {
        for (const [method, path] of [
            ['GET', '/api/nothing'],
            ['DELETE', '/api/sync/runs'],
            ['POST', '/api/sync/nobody'],
        ])
            fails(await ask(method, path, {token: 'wrong'}), 401, 'bad_token');
    });

    test('a scope that is missing is 403, and nothing is done', async () => {
        const before = await database.value('SELECT count(*) FROM reconcile_runs');
        const answer = fails(await ask('POST', '/api/sync/teli', {token: READER}), 403, 'missing_scope');
        assert.match(answer.headers['www-authenticate'], /insufficient_scope/);
        assert.match(answer.json.error.message, /reader.*sync/);
        fails(await ask('GET', '/api/sync/runs', {token: HASHED}), 403, 'missing_scope');
        assert.equal(await database.value('SELECT count(*) FROM reconcile_runs'), before);
    });

    test('one that is set by its hash is as good, and has its name', async () => {
        const {json} = await ask('POST', '/api/sync/vapi', {token: HASHED});
        assert.equal(json.asked_by, 'hashed');
    });

    test('no token and no raw path in any log line', async () => {
        const secret = newToken();
        await ask('GET', `/api/sync/runs/${secret}?x=${secret}`);
        await ask('GET', `/api/${secret}`, {token: secret});
        const isLogged = (pattern, code) =>
            until(`${pattern} ${code}`, () =>
                hookline.logs().some(({path, status}) => path === pattern && status === code),
            );
        await isLogged('/api/sync/runs/{id}', 422);
        await isLogged('/api', 401);
        for (const text of [secret, OPS, READER, HASHED, sha256(HASHED)])
            assert.ok(!hookline.logText().includes(text), text);
    });

    test('they change by SIGHUP; what cannot be used changes nothing; none at all turns the API off', async (t) => {
        const file = join(mkdtempSync(join(tmpdir(), 'hookline-tokens-')), 'tokens');
        writeFileSync(file, `one:${OPS}\n`);
        const own = await startHookline({DATABASE_URL: database.url, HOOKLINE_API_TOKENS_FILE: file});
        t.after(own.kill);
        const status = async (token) => (await ask('GET', '/api/sync/runs', {token, on: own})).status;
        const reload = async (text, word) => {
            const seen = own.logs().length;
            writeFileSync(file, text);
            own.child.kill('SIGHUP');
            await until(word, () =>
                own
                    .logs()
                    .slice(seen)
                    .some(({msg}) => msg?.startsWith(word)),
            );
        };
        assert.equal(await status(OPS), 200);
        await reload(`two:${READER}\n`, 'reloaded');
        assert.deepEqual([await status(OPS), await status(READER)], [401, 200]);
        await reload('broken\n', 'not reloaded');
        assert.deepEqual([await status(OPS), await status(READER)], [401, 200]);
        await reload(',\n', 'reloaded');
        fails(await ask('GET', '/api/sync/runs', {on: own}), 404, 'api_off');
        await reload(`one:${OPS}\n`, 'reloaded');
        assert.equal(await status(OPS), 200);
        await own.end();
    });

    test('where none is set, /api answers 404, and start-up says so in one line', async (t) => {
        const own = await startHookline({DATABASE_URL: database.url});
        t.after(own.kill);
        for (const [method, path] of [
            ['GET', '/api/sync/runs'],
            ['POST', '/api/sync/teli'],
            ['GET', '/api'],
        ])
            fails(await ask(method, path, {on: own}), 404, 'api_off');
        const lines = own.logs().filter(({msg}) => msg?.startsWith('API'));
        assert.equal(lines.length, 1);
        assert.match(JSON.stringify(lines[0]), /HOOKLINE_API_TOKENS.*404/);
        await own.end();
    });

    test('a row that is wrong is refused at the start, by check too, and not told', async () => {
        const env = {DATABASE_URL: database.url, HOOKLINE_API_TOKENS: `ops:${OPS}:everything`};
        await assert.rejects(startHookline(env), (error) => {
            assert.match(error.message, /HOOKLINE_API_TOKENS.*ops/);
            assert.ok(!error.message.includes(OPS));
            return true;
        });
        const {stdout} = runHookline(['check'], env);
        assert.match(stdout, /FAIL API/);
        assert.ok(!stdout.includes(OPS));
        assert.match(runHookline(['check'], {...env, HOOKLINE_API_TOKENS: TOKENS}).stdout, /ok +API +on, tokens: 3/);
    });
});

describe('methods and paths', () => {
    test('another method is 405, and says which there are', async () => {
        const answer = fails(await ask('DELETE', '/api/sync/runs'), 405, 'method');
        assert.equal(answer.headers.allow, 'GET, HEAD');
        assert.equal((await ask('GET', '/api/sync/teli')).headers.allow, 'POST');
        fails(await ask('POST', '/api/sync/status'), 405, 'method');
        fails(await ask('OPTIONS', '/api/sync/teli', {}), 405, 'method');
    });

    test('HEAD is GET without its body', async () => {
        const answer = await ask('HEAD', '/api/sync/status');
        assert.equal(answer.status, 200);
        assert.equal(answer.body, '');
        assert.ok(Number(answer.headers['content-length']) > 100);
    });

    test('what is not there is 404, whatever it looks like', async () => {
        const paths = [
            '/api',
            '/api/',
            '/api/sync',
            '/api/sync/',
            '/api//sync/runs',
            '/api/sync/runs/',
            '/api/sync/runs/1/x',
            '/api/sync/runs/0',
            '/api/sync/runs/-1',
            '/api/sync/runs/1e3',
            '/api/sync/runs/99999999999999999999',
            '/api/sync/runs/1;drop',
            "/api/sync/runs/1'--",
            '/api/sync/runs/%31',
            '/api/sync/runs/%00',
            '/api/sync/runs/1%2F',
            '/api/../livez',
            '/api/%2e%2e/livez',
            '/api/sync/runs/%ff%fe',
            `/api/${'a/'.repeat(3000)}`,
            `/api/sync/runs/${'9'.repeat(5000)}`,
        ];
        for (const path of paths) fails(await ask('GET', path), 404, 'not_found');
        for (const path of [
            '/api/sync/nobody',
            '/api/sync/TELI',
            "/api/sync/teli'",
            '/api/nobody/sync-all',
            '/api/sync/teli%00',
        ])
            fails(await ask('POST', path), 404, 'not_found');
    });

    test('metrics and the access log name a route by its pattern', async () => {
        await ask('GET', '/api/sync/runs/123456789');
        const metrics = await hookline.metrics();
        assert.ok(metrics.sum('hookline_http_requests_total', {route: '/api/sync/runs/{id}', status: '404'}) > 0);
        assert.ok(metrics.sum('hookline_http_requests_total', {route: '/api', status: '404'}) > 0);
        assert.equal(metrics.sum('hookline_api_requests'), 0);
        assert.ok(!hookline.logText().includes('123456789'));
    });

    test('a body is not wanted; an empty object is none; one that is too large is 413', async () => {
        fails(await ask('POST', '/api/sync/teli', {body: '{"dryRun":true}'}), 422, 'invalid');
        assert.equal((await ask('POST', '/api/sync/teli', {body: ' {} '})).status, 202);
        fails(await ask('POST', '/api/sync/teli', {body: ' '.repeat(256 * 1024 + 1), agent: false}), 413, 'too_large');
    });
});

describe('a run', () => {
    before(() => database.client.query('DELETE FROM reconcile_runs'));

    test('is a row that asks for it', async () => {
        const query = 'since=2026-08-01&until=2026-08-30T08:00:00%2B02:00&resource=calls&dryRun=true';
        const {status, headers, json} = await ask('POST', `/api/sync/teli?${query}`);
        assert.equal(status, 202);
        assert.equal(headers.location, `/api/sync/runs/${json.id}`);
        const row = await database.row(
            `SELECT provider, resource, asked_by, dry_run, status, started_at, finished_at, fetched, asked_at IS NOT NULL AS asked,
                    since = '2026-08-01T00:00:00Z' AS since, until = '2026-08-30T06:00:00Z' AS until
             FROM reconcile_runs WHERE id = $1`,
            [json.id],
        );
        assert.deepEqual(row, {
            provider: 'teli',
            resource: 'calls',
            asked_by: 'ops',
            dry_run: true,
            status: 'queued',
            started_at: null,
            finished_at: null,
            fetched: 0,
            asked: true,
            since: true,
            until: true,
        });
        assert.equal(json.status, 'queued');
        assert.match(json.asked_at, ISO);
        assert.equal(json.since, '2026-08-01T00:00:00+00:00');
    });

    test('is asked for by the address of older pages, too', async () => {
        const {status, json} = await ask('POST', '/api/teli/sync-all?since=2026-08-01&dryRun=1');
        assert.equal(status, 202);
        assert.deepEqual([json.provider, json.dry_run, json.asked_by], ['teli', true, 'ops']);
        assert.equal((await ask('POST', '/api/sync/beyond-presence')).json.provider, 'beyond_presence');
    });

    test('is not begun by what was misspelt', async () => {
        const before = await database.value('SELECT count(*) FROM reconcile_runs');
        const queries = [
            'dryrun=1',
            'dry_run=1',
            'dryRun=yes',
            'dryRun',
            'dryRun=1&dryRun=0',
            'since=yesterday',
            'since=2026-13-01',
            'since=',
            'until=1',
            'since=2026-08-02&until=2026-08-01',
            'since=2199-01-01',
            'wait=2',
            'since=2026-08-01%00',
            'resource=%ff',
            'x%00=1',
            '=',
            `${'a=1&'.repeat(1200)}`,
        ];
        for (const query of queries) {
            const answer = fails(await ask('POST', `/api/sync/teli?${query}`), 422, 'invalid');
            assert.ok(!answer.body.includes('\0'));
        }
        assert.equal(await database.value('SELECT count(*) FROM reconcile_runs'), before);
    });

    test('is not begun over a provider that has no API: nobody would ever take it up', async () => {
        const before = await database.value('SELECT count(*) FROM reconcile_runs');
        for (const path of ['/api/sync/agent', '/api/agent/sync-all?wait=1'])
            assert.match(fails(await ask('POST', path), 422, 'invalid').body, /agent has no API/);
        assert.equal(await database.value('SELECT count(*) FROM reconcile_runs'), before);
    });

    test('tells how far it has come, and what came of it', async () => {
        const {json: asked} = await ask('POST', '/api/sync/livekit');
        await database.client.query(
            `UPDATE reconcile_runs SET status = 'failed', started_at = now(), finished_at = now(), progressed_at = now(), seen = 5,
             fetched = 4, created = 3, updated = 2, unchanged = 1, requests = 7, steps_done = 6, steps_left = 0,
             skipped = '{"test_call": 2}', skipped_ids = '{"test_call": ["a", "b"]}', errors = '["it broke"]' WHERE id = $1`,
            [asked.id],
        );
        const {status, json} = await ask('GET', `/api/sync/runs/${asked.id}`);
        assert.equal(status, 200);
        assert.match(json.finished_at, ISO);
        assert.match(json.progress.at, ISO);
        assert.deepEqual({...json.progress, at: 0}, {requests: 7, steps_done: 6, steps_left: 0, at: 0});
        assert.deepEqual(
            [json.seen, json.fetched, json.created, json.updated, json.unchanged, json.duplicate, json.status],
            [5, 4, 3, 2, 1, 0, 'failed'],
        );
        assert.deepEqual([json.errors, json.error_count, json.skipped], [['it broke'], 1, {test_call: 2}]);
        const {json: list} = await ask('GET', '/api/sync/runs?provider=livekit&status=failed');
        assert.deepEqual([list.runs.length, list.runs[0].id, list.runs[0].error_count], [1, asked.id, 1]);
        assert.equal(list.runs[0].errors, undefined);
    });

    test('the list goes back page by page, the newest first', async () => {
        await database.client.query(
            `INSERT INTO reconcile_runs (provider, status) SELECT 'agent', 'done' FROM generate_series(1, 7)`,
        );
        const ids = (
            await database.rows(`SELECT id FROM reconcile_runs WHERE provider = 'agent' ORDER BY id DESC`)
        ).map(({id}) => id);
        const seen = [];
        let before = '';
        do {
            const {json} = await ask('GET', `/api/sync/runs?provider=agent&limit=3${before}`);
            assert.ok(json.runs.length <= 3);
            seen.push(...json.runs.map(({id}) => id));
            before = json.next_before ? `&before=${json.next_before}` : null;
        } while (before);
        assert.deepEqual(seen, ids);
        for (const query of [
            'limit=0',
            'limit=501',
            'limit=x',
            'before=0',
            'before=x',
            'provider=nobody',
            'status=over',
            'limit=',
            'offset=1',
        ])
            fails(await ask('GET', `/api/sync/runs?${query}`), 422, 'invalid');
        assert.equal((await ask('GET', '/api/sync/runs?limit=500')).status, 200);
    });

    test('that is queued is canceled at once; one that runs is asked to end; one that has ended is not', async () => {
        const {json: queued} = await ask('POST', '/api/sync/twilio');
        const canceled = await ask('POST', `/api/sync/runs/${queued.id}/cancel`);
        assert.equal(canceled.status, 202);
        assert.deepEqual([canceled.json.status, canceled.json.cancel_asked_by], ['canceled', 'ops']);
        assert.match(canceled.json.finished_at, ISO);
        fails(await ask('POST', `/api/sync/runs/${queued.id}/cancel`), 409, 'conflict');

        const running = await database.value(`INSERT INTO reconcile_runs (provider) VALUES ('twilio') RETURNING id`);
        const asked = await ask('POST', `/api/sync/runs/${running}/cancel`);
        assert.deepEqual([asked.status, asked.json.status, asked.json.finished_at], [202, 'running', null]);
        assert.match(asked.json.cancel_asked_at, ISO);
        const again = await ask('POST', `/api/sync/runs/${running}/cancel`, {token: HASHED});
        assert.deepEqual(
            [again.status, again.json.cancel_asked_at, again.json.cancel_asked_by],
            [202, asked.json.cancel_asked_at, 'ops'],
        );
        await database.client.query(`UPDATE reconcile_runs SET status = 'done', finished_at = now() WHERE id = $1`, [
            running,
        ]);
        fails(await ask('POST', `/api/sync/runs/${running}/cancel`), 409, 'conflict');
        fails(await ask('POST', '/api/sync/runs/999999999/cancel'), 404, 'not_found');
    });

    test('no more than a hundred of a provider wait', async () => {
        await database.client.query(`DELETE FROM reconcile_runs WHERE provider = 'vapi'`);
        await database.client.query(
            `INSERT INTO reconcile_runs (provider, status) SELECT 'vapi', 'queued' FROM generate_series(1, 100)`,
        );
        const answer = fails(await ask('POST', '/api/sync/vapi'), 503, 'queue_full');
        assert.equal(answer.headers['retry-after'], '1');
        assert.equal((await ask('POST', '/api/sync/livekit')).status, 202);
        await database.client.query(`DELETE FROM reconcile_runs WHERE provider = 'vapi'`);
    });
});

// ---- waiting ----

const queuedBy = (provider) => () =>
    database.value(`SELECT max(id) FROM reconcile_runs WHERE provider = $1 AND status = 'queued'`, [provider]);

const endRun = (id, status = 'done') =>
    database.client.query(
        `UPDATE reconcile_runs SET status = $2, started_at = now(), finished_at = now(), created = 9 WHERE id = $1`,
        [id, status],
    );

describe('wait=1', () => {
    before(() => database.client.query('DELETE FROM reconcile_runs'));

    test('is answered with the summary once somebody has run it', async () => {
        for (const status of ['done', 'failed', 'canceled']) {
            const answer = ask('POST', '/api/sync/teli?wait=1');
            const id = await until('the row', queuedBy('teli'));
            await database.client.query(`UPDATE reconcile_runs SET status = 'running' WHERE id = $1`, [id]);
            // Others are answered meanwhile.
            assert.equal((await ask('GET', `/api/sync/runs/${id}`)).json.status, 'running');
            assert.equal((await hookline.metrics()).sum('hookline_api_requests'), 1);
            await endRun(id, status);
            const {status: http, json} = await answer;
            assert.deepEqual([http, json.id, json.status, json.created], [200, id, status, 9]);
        }
    });

    test('each of many gets its own', async () => {
        const answers = Array.from({length: 20}, () => ask('POST', '/api/sync/teli?wait=true'));
        const ids = await until('the rows', async () => {
            const rows = await database.rows(
                `SELECT id FROM reconcile_runs WHERE provider = 'teli' AND status = 'queued'`,
            );
            return rows.length === 20 && rows.map(({id}) => id);
        });
        await database.client.query(`UPDATE reconcile_runs SET status = 'done', fetched = id WHERE id = ANY ($1)`, [
            ids,
        ]);
        const got = (await Promise.all(answers)).map(({json}) => {
            assert.equal(json.fetched, json.id);
            return json.id;
        });
        assert.deepEqual(got.sort(), ids.sort());
    });

    test('more than can be waited for are answered with their ids', async () => {
        const agent = new http.Agent({maxSockets: 100});
        const answers = Array.from({length: 80}, () => ask('POST', '/api/sync/teli?wait=1', {agent}));
        const first = (await Promise.race(answers)).status;
        assert.equal(first, 202);
        await until(
            'all are queued',
            async () =>
                (await database.value(
                    `SELECT count(*) FROM reconcile_runs WHERE provider = 'teli' AND status = 'queued'`,
                )) === 80,
        );
        await database.client.query(`UPDATE reconcile_runs SET status = 'done' WHERE status = 'queued'`);
        const all = (await Promise.all(answers)).map(({status}) => status);
        assert.equal(all.filter((status) => status === 202).length, 16);
        assert.equal(all.filter((status) => status === 200).length, 64);
        agent.destroy();
    });

    test('a client that leaves is forgotten, and the run goes on', async () => {
        const request = (path) =>
            `POST ${path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${OPS}\r\nContent-Length: 0\r\n\r\n`;
        for (const leave of [
            (socket) => socket.destroy(),
            (socket) => socket.end(),
            (socket) => socket.resetAndDestroy(),
        ]) {
            const socket = net.connect({port: hookline.port, host: '127.0.0.1', allowHalfOpen: true});
            socket.on('error', () => {});
            socket.write(request('/api/sync/livekit?wait=1'));
            const id = await until('the row', queuedBy('livekit'));
            await until('it waits', async () => (await hookline.metrics()).sum('hookline_api_requests') === 1);
            leave(socket);
            await until('it is forgotten', async () => (await hookline.metrics()).sum('hookline_api_requests') === 0);
            assert.equal(await database.value('SELECT status FROM reconcile_runs WHERE id = $1', [id]), 'queued');
            await endRun(id);
            socket.destroy();
        }
        assert.ok(hookline.logs().some(({status, reason}) => status === 499 && reason === 'client_gone'));
    });

    test('is answered with the id when hookline stops', async (t) => {
        const own = await startHookline({DATABASE_URL: database.url, HOOKLINE_API_TOKENS: TOKENS});
        t.after(own.kill);
        const answer = ask('POST', '/api/sync/livekit?wait=1', {on: own, agent: false});
        const id = await until('the row', queuedBy('livekit'));
        await until('it waits', async () => (await own.metrics()).sum('hookline_api_requests') === 1);
        const [{status, json}, end] = await Promise.all([answer, own.stop()]);
        assert.deepEqual([status, json.id, json.status, end.code], [202, id, 'queued', 0]);
        assert.match(JSON.stringify(end.logs.at(-1)), /all answered/);
    });
});

// ---- status ----

test('status says of every provider whether it is in sync, and why not', async () => {
    await database.client.query('DELETE FROM reconcile_runs');
    await database.client.query(`
        INSERT INTO voice_calls (provider, provider_call_id, status) VALUES ('teli', 'a', 'completed'), ('teli', 'b', 'active');
        INSERT INTO reconcile_state (provider, resource, watermark) VALUES
            ('teli', '*', NULL), ('teli', 'calls', now() - interval '1 hour'), ('vapi', 'calls', now() - interval '1 minute');
        INSERT INTO reconcile_windows (provider, resource, from_at, to_at, state, error) VALUES
            ('teli', 'calls', now() - interval '3 days', now() - interval '2 days', 'covered', NULL),
            ('teli', 'calls', now() - interval '2 days', now() - interval '1 day', 'failed', 'it broke'),
            ('vapi', 'calls', now() - interval '30 days', now() - interval '20 days', 'refused', NULL);
        INSERT INTO reconcile_runs (provider, status, seen, created, unchanged, started_at, finished_at) VALUES
            ('teli', 'done', 4, 1, 1, now(), now()), ('vapi', 'failed', 0, 0, 0, now() - interval '1 hour', now()),
            ('vapi', 'done', 4, 1, 1, now(), now());
        INSERT INTO reconcile_runs (provider, status, started_at) VALUES ('vapi', 'queued', NULL)`);
    const status = async () => {
        const {status: http, json} = await ask('GET', '/api/sync/status', {token: READER});
        assert.equal(http, 200);
        assert.match(json.at, ISO);
        assert.deepEqual(
            json.providers.map(({provider}) => provider),
            ['agent', 'beyond_presence', 'livekit', 'teli', 'twilio', 'vapi'],
        );
        return Object.fromEntries(json.providers.map((p) => [p.provider, p]));
    };
    const {teli, vapi, agent} = await status();
    assert.equal(teli.in_sync, false);
    assert.deepEqual(teli.here, {calls: 2, open: 1});
    assert.deepEqual(teli.there, {calls: 2, missing_here: 1, different_here: 0, rows: 4});
    assert.equal(teli.last_run.status, 'done');
    assert.ok(teli.lag_seconds >= 3600 && teli.lag_seconds < 4000);
    assert.equal(teli.coverage.length, 1);
    const [calls] = teli.coverage;
    assert.deepEqual([calls.resource, calls.pending, calls.failed, calls.refused], ['calls', 0, 1, 0]);
    assert.match(calls.since, ISO);
    assert.deepEqual([calls.gaps.length, calls.gaps[0].state, calls.gaps[0].error], [1, 'failed', 'it broke']);
    // What the provider does not keep any more cannot be missing.
    assert.deepEqual([vapi.in_sync, vapi.queued, vapi.running, vapi.last_run.status], [true, 1, 0, 'done']);
    assert.deepEqual(
        [agent.in_sync, agent.here, agent.there, agent.last_run, agent.lag_seconds, agent.coverage],
        [null, {calls: 0, open: 0}, null, null, null, []],
    );
    await database.client.query(`UPDATE reconcile_windows SET state = 'covered', error = NULL WHERE state = 'failed'`);
    assert.equal((await status()).teli.in_sync, true);
    await database.client.query(`UPDATE reconcile_runs SET dry_run = true WHERE provider = 'teli'`);
    assert.equal((await status()).teli.in_sync, false, 'a dry run found a call that is not here');
    await database.client.query(`UPDATE reconcile_runs SET dry_run = false, errors = '["x"]' WHERE provider = 'teli'`);
    assert.equal((await status()).teli.in_sync, false);
});

// ---- the database ----

test('without a database it is 503, and goes on when that is back; what waits goes on waiting', async (t) => {
    const proxy = await proxyTo(database.url);
    t.after(proxy.close);
    const own = await startHookline({
        DATABASE_URL: proxy.url,
        HOOKLINE_API_TOKENS: TOKENS,
        HOOKLINE_STATEMENT_TIMEOUT: 1,
    });
    t.after(own.kill);
    const options = {on: own, agent: false};
    const waiting = ask('POST', '/api/sync/twilio?wait=1', options);
    const id = await until('the row', queuedBy('twilio'));
    await proxy.close();
    await until('503', async () => (await ask('GET', '/api/sync/runs', options)).status === 503);
    const down = fails(await ask('GET', '/api/sync/status', options), 503, 'database_down');
    assert.equal(down.headers['retry-after'], '1');
    await proxy.listen();
    await until('200', async () => (await ask('GET', '/api/sync/runs', options)).status === 200);
    await endRun(id);
    assert.deepEqual([(await waiting).status, (await waiting).json.id], [200, id]);

    proxy.hold(); // it says nothing any more
    const silent = await ask('GET', '/api/sync/runs', options);
    assert.equal(silent.status, 503, silent.body);
    proxy.release();
    await until('200', async () => (await ask('GET', '/api/sync/runs', options)).status === 200);
    await own.end();
});

test('a statement that takes too long is 503; what waits goes on waiting', async (t) => {
    const own = await startHookline({
        DATABASE_URL: database.url,
        HOOKLINE_API_TOKENS: TOKENS,
        HOOKLINE_STATEMENT_TIMEOUT: 0.5,
    });
    t.after(own.kill);
    const waiting = [1, 2].map(() => ask('POST', '/api/sync/livekit?wait=1', {on: own, agent: false}));
    await until('they wait', async () => (await own.metrics()).sum('hookline_api_requests') === 2);
    await until(
        'they are queued',
        async () =>
            (await database.value(
                `SELECT count(*) FROM reconcile_runs WHERE status = 'queued' AND provider = 'livekit'`,
            )) === 2,
    );
    await database.client.query('BEGIN');
    t.after(() => database.client.query('ROLLBACK'));
    await database.client.query('LOCK TABLE reconcile_runs IN ACCESS EXCLUSIVE MODE');
    fails(await ask('GET', '/api/sync/runs', {on: own}), 503, 'commit_timeout');
    await database.client.query('ROLLBACK');
    assert.equal((await ask('GET', '/api/sync/runs', {on: own})).status, 200);
    await database.client.query(`UPDATE reconcile_runs SET status = 'done' WHERE status = 'queued'`);
    for (const answer of await Promise.all(waiting))
        assert.deepEqual([answer.status, answer.json.status], [200, 'done']);
    assert.ok(!own.logs().some(({level}) => level === 'error'), own.logText());
    await own.end();
});

test('more at once than it takes: 503 for some, and all are answered', async (t) => {
    const own = await startHookline({DATABASE_URL: database.url, HOOKLINE_API_TOKENS: TOKENS});
    t.after(own.kill);
    const agent = new http.Agent({maxSockets: 400});
    t.after(() => agent.destroy());
    await database.client.query('BEGIN');
    t.after(() => database.client.query('ROLLBACK'));
    await database.client.query('LOCK TABLE reconcile_runs IN ACCESS EXCLUSIVE MODE');
    const answers = Array.from({length: 300}, () => ask('GET', '/api/sync/runs', {on: own, agent}));
    const refused = await Promise.race(answers);
    assert.deepEqual(
        [refused.status, refused.json.error.code, refused.headers['retry-after']],
        [503, 'queue_full', '1'],
    );
    await database.client.query('ROLLBACK');
    const statuses = (await Promise.all(answers)).map(({status}) => status);
    assert.equal(statuses.filter((status) => status === 503).length, 44);
    assert.equal(statuses.filter((status) => status === 200).length, 256);
    assert.equal((await own.metrics()).sum('hookline_api_requests'), 0);
    await own.end();
});
