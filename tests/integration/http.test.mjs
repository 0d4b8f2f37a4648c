// http.test.mjs – the server as a stranger sees it: bytes on a socket. What is smuggled, too large, too slow, never
// read, or one connection too many; health, metrics, ids, proxies, TLS, and how it all ends.

import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, it} from 'node:test';
import {setTimeout as sleep} from 'node:timers/promises';
import tls from 'node:tls';
import {createDatabase} from './lib/database.mjs';
import {PUBLIC_URL, SANITIZED, SECRETS, startHookline} from './lib/hookline.mjs';
import {signTwilio} from './lib/sign.mjs';

const NODE = Number(process.versions.node.split('.')[0]);

// A sanitizer build is slower by this much; what must not happen is waited for in plain time.
const PATIENCE_MS = SANITIZED ? 30_000 : 10_000;

// What a failed test leaves behind would keep this process alive.
const peers = [];
const servers = [];

/** One connection, and what came back on it. */
class Peer {
    received = '';
    ended = false;
    error = null;
    #wake = () => {};

    constructor(socket) {
        this.socket = socket;
        peers.push(this);
        socket.setEncoding('latin1');
        socket.on('data', (chunk) => this.#note(() => (this.received += chunk)));
        socket.on('error', (error) => this.#note(() => (this.error = error)));
        socket.on('close', () => this.#note(() => (this.ended = true)));
    }

    static async to(port, options = {}) {
        const socket = net.connect({port, host: '127.0.0.1', ...options});
        await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
        return new Peer(socket);
    }

    static async secure(port, options = {}) {
        const socket = tls.connect({port, host: '127.0.0.1', rejectUnauthorized: false, ...options});
        await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
        return new Peer(socket);
    }

    #note(change) {
        change();
        this.#wake();
    }

    send(text) {
        this.socket.write(text, 'latin1');
        return this;
    }

    /** True once check() is; false when the connection ended or time was up before. */
    async until(check, ms = PATIENCE_MS) {
        const end = Date.now() + ms;
        while (!check()) {
            if (this.ended || Date.now() >= end) return check();
            await Promise.race([
                new Promise((resolve) => (this.#wake = resolve)),
                sleep(Math.max(1, end - Date.now())),
            ]);
        }
        return true;
    }

    /** The next answer, taken off what was received. */
    async answer() {
        let found;
        assert.ok(
            await this.until(() => (found = firstAnswer(this.received))),
            `no answer; received: ${this.received}`,
        );
        this.received = this.received.slice(found.length);
        return found;
    }

    async closed(ms = PATIENCE_MS) {
        assert.ok(await this.until(() => this.ended, ms), 'the connection is still open');
    }

    leave() {
        this.socket.destroy();
    }
}

function firstAnswer(text) {
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return null;
    const [statusLine, ...lines] = text.slice(0, end).split('\r\n');
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(statusLine) ?? assert.fail(`not an answer: ${text}`);
    const headers = Object.fromEntries(
        lines.map((line) => [line.split(':')[0].toLowerCase(), line.replace(/^[^:]*: */, '')]),
    );
    const length = end + 4 + Number(headers['content-length'] ?? 0);
    if (text.length < length) return null;
    return {status: Number(status), headers, body: text.slice(end + 4, length), length};
}

const CALL = JSON.stringify({message: {type: 'status-update', status: 'ringing', call: {id: 'call-http-test'}}});
const SIGNED = `Content-Type: application/json\r\nX-Vapi-Secret: ${SECRETS.VAPI_WEBHOOK_SECRET}\r\n`;
const LIVEZ = 'GET /livez HTTP/1.1\r\nHost: a\r\n\r\n';

const get = (path, headers = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;
const post = (path, headers, body) =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
const delivery = (headers = '') => post('/webhooks/vapi', SIGNED + headers, CALL);

/** Sends these bytes on a connection of their own and takes one answer. */
async function ask(port, text) {
    const peer = await Peer.to(port);
    const answer = await peer.send(text).answer();
    peer.leave();
    return answer;
}

async function eventually(check, what, ms = PATIENCE_MS) {
    for (const end = Date.now() + ms; ; await sleep(50)) {
        const value = await check();
        if (value) return value;
        assert.ok(Date.now() < end, `not in time: ${what}`);
    }
}

const cuts = async (hookline, reason) =>
    (await hookline.metrics()).sum('hookline_http_connections_cut_total', {reason});

/** The share of one core that a process takes while ms pass. */
async function load(pid, ms) {
    const ticks = () => {
        const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1].split(' ');
        return Number(fields[11]) + Number(fields[12]);
    };
    const before = ticks();
    await sleep(ms);
    return ((ticks() - before) * 10) / ms; // 100 ticks a second
}

let database;
before(async () => (database = await createDatabase()));
after(async () => {
    peers.forEach((peer) => peer.leave());
    await Promise.all(servers.map((server) => server.kill()));
    await database?.drop();
});

async function start(env = {}, options = {}) {
    const server = await startHookline({DATABASE_URL: database.url, HOOKLINE_ACCESS_LOG: 'on', ...env}, options);
    servers.push(server);
    return server;
}

describe('requests', () => {
    let hookline, port;

    before(async () => {
        hookline = await start({HOOKLINE_THREADS: 2, HOOKLINE_MAX_BODY: 4096});
        port = hookline.port;
    });
    after(async () => assert.equal((await hookline.stop()).code, 0));

    describe('smuggled', () => {
        // Each body, read in one way, ends where the second request begins, and in another holds it.
        const zero = '0\r\n\r\n';
        const cases = {
            'Content-Length, then Transfer-Encoding': `Content-Length: ${zero.length + LIVEZ.length}\r\nTransfer-Encoding: chunked\r\n\r\n${zero}`,
            'Transfer-Encoding, then Content-Length': `Transfer-Encoding: chunked\r\nContent-Length: ${zero.length + LIVEZ.length}\r\n\r\n${zero}`,
            'Content-Length with two Transfer-Encodings': `Content-Length: 5\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n${zero}`,
            'two Content-Lengths': `Content-Length: 0\r\nContent-Length: ${LIVEZ.length}\r\n\r\n`,
            'a chunk size of 0x…': `Transfer-Encoding: chunked\r\n\r\n0x${LIVEZ.length.toString(16)}\r\n\r\n`,
            // Not among the five, and refused all the same.
            'two equal Content-Lengths': 'Content-Length: 0\r\nContent-Length: 0\r\n\r\n',
            'two Transfer-Encodings': `Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n${zero}`,
            'a coding that is not chunked': `Transfer-Encoding: xchunked\r\n\r\n`,
            'a Content-Length with a sign': `Content-Length: +0\r\n\r\n`,
            'a list of Content-Lengths': `Content-Length: 0, 0\r\n\r\n`,
            'a blank before the colon': `Transfer-Encoding : chunked\r\n\r\n`,
            'a folded field': `X: a\r\n Transfer-Encoding: chunked\r\n\r\n`,
            'a line that ends in LF': `X: a\nContent-Length: 0\r\n\r\n`,
            'a bare CR': `X: a\rContent-Length: 0\r\n\r\n`,
            'a NUL': `X: a\0b\r\n\r\n`,
            'a second Host': `Host: b\r\n\r\n`,
            'a body behind a chunked one': `Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n${zero}`,
            'an empty chunked body': `Transfer-Encoding: chunked\r\n\r\n${zero}`,
        };
        for (const [name, rest] of Object.entries(cases)) {
            it(`${name}: 400, closed, and the second request is not answered`, async () => {
                const peer = await Peer.to(port);
                peer.send(`POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}${rest}${LIVEZ}`);
                assert.equal((await peer.answer()).status, 400);
                await peer.closed();
                assert.equal(peer.received, '');
            });
        }

        it('the same two requests, told apart, are both answered', async () => {
            const peer = await Peer.to(port);
            peer.send(delivery() + LIVEZ);
            assert.equal((await peer.answer()).status, 200);
            assert.equal((await peer.answer()).status, 200);
            peer.leave();
        });
    });

    describe('malformed', () => {
        const cases = {
            'no Host': 'GET /livez HTTP/1.1\r\n\r\n',
            'a Host that is none': 'GET /livez HTTP/1.1\r\nHost: a/b\r\n\r\n',
            'HTTP/1.2': 'GET /livez HTTP/1.2\r\nHost: a\r\n\r\n',
            'HTTP/2 in clear text': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
            'no HTTP at all': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
            'a head too large': `GET /livez HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(40_000)}\r\n\r\n`,
            'a head of too many fields': `GET /livez HTTP/1.1\r\nHost: a\r\n${'X: x\r\n'.repeat(101)}\r\n`,
        };
        for (const [name, bytes] of Object.entries(cases)) {
            it(`${name}: 400 and closed`, async () => {
                const peer = await Peer.to(port);
                assert.equal((await peer.send(bytes).answer()).status, 400);
                await peer.closed();
                assert.equal(peer.received, '');
            });
        }

        it('HTTP/1.0 needs no Host', async () => {
            const peer = await Peer.to(port);
            assert.equal((await peer.send('GET /livez HTTP/1.0\r\n\r\n').answer()).status, 200);
            await peer.closed();
        });
    });

    describe('bodies', () => {
        const chunked = `POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Transfer-Encoding: chunked\r\n\r\n`;

        it('chunked: taken, then the connection is closed', async () => {
            const peer = await Peer.to(port);
            const half = CALL.length >> 1;
            peer.send(`${chunked}${half.toString(16)}\r\n${CALL.slice(0, half)}\r\n`);
            await sleep(50);
            peer.send(
                `${(CALL.length - half).toString(16)};name=value\r\n${CALL.slice(half)}\r\n0\r\nTrailer: x\r\n\r\n`,
            );
            const answer = await peer.answer();
            assert.equal(answer.status, 200);
            assert.equal(answer.headers.connection, 'close');
            await peer.closed();
        });

        it('Expect: 100-continue is answered before the body', async () => {
            const peer = await Peer.to(port);
            peer.send(
                `POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Content-Length: ${CALL.length}\r\nExpect: 100-continue\r\n\r\n`,
            );
            assert.ok(await peer.until(() => peer.received === 'HTTP/1.1 100 Continue\r\n\r\n'), peer.received);
            peer.received = '';
            assert.equal((await peer.send(CALL).answer()).status, 200);
            peer.leave();
        });

        it('Expect: 100-continue of a body too large is told so at once', async () => {
            const peer = await Peer.to(port);
            peer.send(
                `POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Content-Length: 5000\r\nExpect: 100-continue\r\n\r\n`,
            );
            assert.equal((await peer.answer()).status, 413);
            await peer.closed();
        });

        it('another expectation is refused', async () => {
            const peer = await Peer.to(port);
            peer.send(
                `POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Content-Length: 5\r\nExpect: miracles\r\n\r\n`,
            );
            const answer = await peer.answer();
            assert.equal(answer.status, 417);
            assert.equal(JSON.parse(answer.body).error.code, 'malformed');
            await peer.closed();
        });

        const exactly = (size) => CALL.slice(0, -1) + ' '.repeat(size - CALL.length) + '}';
        const asChunks = (body) => `${chunked}${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
        for (const [kind, bytes] of Object.entries({
            'Content-Length': (size) => post('/webhooks/vapi', SIGNED, exactly(size)),
            chunked: (size) => asChunks(exactly(size)),
        })) {
            it(`${kind}: a body of HOOKLINE_MAX_BODY is taken, one byte more is 413 and closed`, async () => {
                assert.equal((await ask(port, bytes(4096))).status, 200);
                for (const size of [4097, 4098, 10_000]) {
                    const peer = await Peer.to(port);
                    const answer = await peer.send(bytes(size) + LIVEZ).answer();
                    assert.equal(answer.status, 413);
                    assert.equal(JSON.parse(answer.body).error.code, 'too_large');
                    assert.match(answer.headers['x-request-id'], /^[0-9a-f-]{16,36}$/);
                    await peer.closed();
                    assert.equal(peer.received, '');
                }
            });
        }

        it('a client that goes on sending what was refused still reads why', async () => {
            const peer = await Peer.to(port);
            const part = 'x'.repeat(1024 * 1024);
            peer.socket.pause(); // reads nothing before it has sent it all
            peer.send(`POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Content-Length: ${4 * part.length}\r\n\r\n`);
            for (let i = 0; i < 4; i++) {
                peer.send(part);
                await sleep(50);
            }
            peer.socket.resume();
            assert.equal((await peer.answer()).status, 413);
            await peer.closed();
            assert.equal(peer.error, null);
        });
    });

    describe('routes', () => {
        it('an unknown path is 404, by its exact bytes', async () => {
            for (const path of [
                '/',
                '/nope',
                '/livez/',
                '/livez/x',
                '//livez',
                '/%6civez',
                '/x/../livez',
                '/LIVEZ',
                'http://localhost/livez',
            ]) {
                const answer = await ask(port, get(path));
                assert.equal(answer.status, 404, path);
                assert.equal(JSON.parse(answer.body).error.code, 'not_found');
                assert.equal(JSON.parse(answer.body).request_id, answer.headers['x-request-id']);
            }
            assert.equal((await ask(port, 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n')).status, 404);
            assert.equal((await ask(port, get('/livez?x=1'))).status, 200);
        });

        it('another method is 405 and says which are allowed', async () => {
            for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'OPTIONS', 'post']) {
                const peer = await Peer.to(port);
                peer.send(`${method} /webhooks/vapi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
                await peer.closed();
                assert.match(peer.received, /^HTTP\/1\.1 405 [^]*\r\nallow: POST\r\n/, method);
            }
            const answer = await ask(port, post('/livez', '', 'x'));
            assert.equal(answer.status, 405);
            assert.equal(answer.headers.allow, 'GET, HEAD');
        });

        it('another content type is 415', async () => {
            const answer = await ask(
                port,
                post('/webhooks/vapi', SIGNED.replace('application/json', 'text/plain'), CALL),
            );
            assert.equal(answer.status, 415);
            assert.equal(JSON.parse(answer.body).error.code, 'media_type');
        });

        it('a wrong signature is 401, and the connection stays', async () => {
            const peer = await Peer.to(port);
            const answer = await peer
                .send(post('/webhooks/vapi', 'Content-Type: application/json\r\nX-Vapi-Secret: no\r\n', CALL))
                .answer();
            assert.equal(answer.status, 401);
            assert.equal(JSON.parse(answer.body).error.code, 'bad_signature');
            assert.equal((await peer.send(delivery()).answer()).status, 200);
            peer.leave();
        });

        it('blanks around a header value are not part of it', async () => {
            const headers = SIGNED.replace(/: (.*)\r\n/g, ':  \t$1 \t\r\n');
            assert.equal((await ask(port, post('/webhooks/vapi', headers, CALL))).status, 200);
        });

        it('HEAD has the head of GET and no body', async () => {
            const peer = await Peer.to(port);
            peer.send('HEAD /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
            await peer.closed();
            assert.match(peer.received, /^HTTP\/1\.1 200 OK\r\n[^]*Content-Length: 19\r\n[^]*\r\n\r\n$/);
        });

        it('nothing is to be cached, and no version is told', async () => {
            const {headers} = await ask(port, get('/livez'));
            assert.equal(headers['cache-control'], 'no-store');
            assert.equal(headers.server, undefined);
        });

        it('Upgrade: h2c is answered as plain HTTP/1.1', async () => {
            const answer = await ask(
                port,
                get(
                    '/livez',
                    'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
                ),
            );
            assert.equal(answer.status, 200);
            assert.equal(answer.body, '{"status":"alive"}\n');
        });
    });

    it('many requests sent at once are answered in order', async () => {
        const peer = await Peer.to(port);
        const paths = Array.from({length: 100}, (_, i) =>
            i % 3 === 0 ? '/livez' : i % 3 === 1 ? '/nope' : '/webhooks/vapi',
        );
        peer.send(paths.map((path) => (path === '/webhooks/vapi' ? delivery() : get(path))).join(''));
        for (const path of paths) assert.equal((await peer.answer()).status, path === '/nope' ? 404 : 200, path);
        peer.leave();
    });

    it('more of them than is fair are not all answered', async () => {
        const peer = await Peer.to(port);
        peer.send(get('/livez').repeat(20_000));
        await peer.closed();
        assert.match(peer.received, /^HTTP\/1\.1 200 OK\r\n/);
        assert.ok(peer.received.split('HTTP/1.1 200 OK').length < 20_000);
        assert.equal(peer.error, null);
    });

    it('what comes while a delivery is being committed is answered after it', async () => {
        const peer = await Peer.to(port);
        for (let i = 0; i < 50; i++) {
            peer.send(delivery());
            await new Promise(setImmediate);
            peer.send(LIVEZ.slice(0, 20));
            if (i % 2) await sleep(1);
            peer.send(LIVEZ.slice(20) + delivery());
            const bodies = [];
            for (let n = 0; n < 3; n++) bodies.push((await peer.answer()).body);
            assert.equal(bodies[1], '{"status":"alive"}\n');
            assert.equal(bodies[0], bodies[2]);
        }
        peer.leave();
    });

    it('a client that has said all it will say still gets its answer', async () => {
        for (const bytes of [delivery(), get('/livez')]) {
            const peer = await Peer.to(port, {allowHalfOpen: true});
            peer.socket.end(bytes);
            assert.equal((await peer.answer()).status, 200);
            await peer.closed();
            assert.equal(peer.error, null);
        }
    });

    it('a client that leaves before its answer costs nothing, and its delivery is stored', async () => {
        const stored = async () => (await hookline.metrics()).sum('hookline_deliveries_total', {provider: 'vapi'});
        const earlier = await stored();
        for (let i = 0; i < 20; i++) {
            const peer = await Peer.to(port);
            await new Promise((resolve) => peer.socket.write(delivery(), resolve));
            if (i % 2 && NODE >= 20) peer.socket.resetAndDestroy(); // Node 18 may spin for ever afterwards
            peer.leave();
        }
        await eventually(async () => (await stored()) === earlier + 20, 'all are stored');
    });

    it('connections are dealt to all loops and counted', async () => {
        const ten = await Promise.all(Array.from({length: 10}, () => Peer.to(port)));
        for (const peer of ten) assert.equal((await peer.send(get('/livez')).answer()).status, 200);
        assert.ok((await hookline.metrics()).sum('hookline_http_connections') >= 11);
        ten.forEach((peer) => peer.leave());
        await eventually(
            async () => (await hookline.metrics()).sum('hookline_http_connections') <= 2,
            'all are closed',
        );
    });

    it('metrics count requests by route and status', async () => {
        const text = (await ask(port, get('/metrics'))).body;
        assert.match(text, /^# TYPE hookline_http_requests_total counter$/m);
        assert.match(text, /^# TYPE hookline_http_connections gauge$/m);
        const before = await hookline.metrics();
        await ask(port, get('/nope'));
        await ask(port, delivery());
        const after = await hookline.metrics();
        const grown = (name, labels) => after.sum(name, labels) - before.sum(name, labels);
        assert.equal(grown('hookline_http_requests_total', {route: 'unknown', status: 404}), 1);
        assert.equal(grown('hookline_http_requests_total', {route: '/webhooks/vapi', status: 200}), 1);
        assert.equal(grown('hookline_http_connections_total'), 3); // the second look at the metrics too
        assert.equal(
            (await ask(port, get('/metrics'))).headers['content-type'].startsWith('text/plain; version=0.0.4'),
            true,
        );
    });

    it('the access log has the route, and neither query nor secret', async () => {
        await ask(port, get('/livez?token=hidden-1', 'X-Request-Id: log-1\r\n'));
        await ask(port, get('/webhooks/vapi/hidden-2/x', 'X-Request-Id: log-2\r\n'));
        await ask(port, get(`/${'p'.repeat(300)}`, 'X-Request-Id: log-3\r\n'));
        await ask(port, delivery('X-Request-Id: log-4\r\n'));
        const line = (id) => hookline.waitForLog((entry) => entry.msg === 'request' && entry.request_id === id);
        const {method, path, status, bytes, client} = await line('log-1');
        assert.deepEqual(
            {method, path, status, bytes, client},
            {method: 'GET', path: '/livez', status: 200, bytes: 19, client: '127.0.0.1'},
        );
        assert.equal((await line('log-2')).path, '/webhooks/vapi');
        assert.equal((await line('log-2')).reason, 'not_found');
        assert.equal((await line('log-3')).path, '/'); // long enough to be a secret
        assert.equal((await line('log-4')).provider, 'vapi');
        assert.equal(typeof (await line('log-4')).us, 'number');
        assert.doesNotMatch(hookline.logText(), /hidden-/);
        assert.doesNotMatch(hookline.logText(), new RegExp(SECRETS.VAPI_WEBHOOK_SECRET));
    });
});

describe('a trusted proxy', () => {
    let hookline;
    const forwarded =
        'X-Forwarded-For: 6.6.6.6, 203.0.113.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: other.example.com\r\n';
    const line = (server, id) => server.waitForLog((entry) => entry.msg === 'request' && entry.request_id === id);

    /** Signed for a name that only the proxy's word makes ours. */
    const signed = () => {
        const {path, headers, body} = signTwilio(
            {
                CallSid: 'CA00000000000000000000000000000001',
                CallStatus: 'ringing',
                AccountSid: SECRETS.TWILIO_ACCOUNT_SID,
            },
            {publicUrl: 'https://other.example.com'},
        );
        return post(
            path,
            Object.entries(headers)
                .map(([name, value]) => `${name}: ${value}\r\n`)
                .join('') + forwarded,
            body,
        );
    };

    before(async () => (hookline = await start()));
    after(async () => assert.equal((await hookline.stop()).code, 0));

    it('is believed about client, id, scheme and host', async () => {
        const answer = await ask(hookline.port, get('/livez', `${forwarded}X-Request-Id: from.the_proxy-1\r\n`));
        assert.equal(answer.headers['x-request-id'], 'from.the_proxy-1');
        assert.equal((await line(hookline, 'from.the_proxy-1')).client, '203.0.113.9');
        assert.ok((await ask(hookline.port, signed())).status < 300);
    });

    it('an id that is none is replaced', async () => {
        for (const id of ['', 'a b', 'é', 'x'.repeat(65), '"', 'a\tb']) {
            const answer = await ask(hookline.port, get('/livez', `X-Request-Id: ${id}\r\n`));
            assert.match(answer.headers['x-request-id'], /^[0-9a-f]{16}$/);
        }
        const ids = new Set();
        const peer = await Peer.to(hookline.port);
        for (let i = 0; i < 100; i++) ids.add((await peer.send(get('/livez')).answer()).headers['x-request-id']);
        assert.equal(ids.size, 100);
        peer.leave();
    });

    it('a stranger is not believed', async () => {
        const strict = await start({HOOKLINE_TRUSTED_PROXIES: '10.0.0.0/8,fd00::/8'});
        const answer = await ask(strict.port, get('/livez', `${forwarded}X-Request-Id: from-a-stranger\r\n`));
        assert.match(answer.headers['x-request-id'], /^[0-9a-f]{16}$/);
        assert.equal((await line(strict, answer.headers['x-request-id'])).client, '127.0.0.1');
        assert.equal((await ask(strict.port, signed())).status, 401);
        assert.equal((await strict.stop()).code, 0);
    });

    it('a list that cannot be read is refused at the start', async () => {
        await assert.rejects(start({HOOKLINE_TRUSTED_PROXIES: 'localhost'}), /HOOKLINE_TRUSTED_PROXIES/);
    });
});

describe('deadlines', () => {
    let hookline, port;

    before(async () => {
        hookline = await start({
            HOOKLINE_REQUEST_TIMEOUT: 0.8,
            HOOKLINE_IDLE_TIMEOUT: 1.5,
            HOOKLINE_WRITE_TIMEOUT: 0.8,
            HOOKLINE_THREADS: 2,
        });
        port = hookline.port;
    });
    after(async () => assert.equal((await hookline.stop()).code, 0));

    /** Sends a byte every 50 ms until the connection ends, and tells how long that took. */
    async function drip(peer, bytes) {
        const began = Date.now();
        for (let i = 0; !peer.ended && i < bytes.length; i++) {
            peer.send(bytes[i]);
            await sleep(50);
        }
        await peer.closed();
        return Date.now() - began;
    }

    const near = (ms, expected) =>
        assert.ok(ms >= expected - 50 && ms < expected + (SANITIZED ? 3000 : 700), `after ${ms} ms`);

    it('a head that drips is cut', async () => {
        const peer = await Peer.to(port);
        near(await drip(peer, get('/livez', `X: ${'x'.repeat(500)}\r\n`)), 800);
        assert.equal(peer.received, '');
        assert.ok((await cuts(hookline, 'request_timeout')) >= 1);
    });

    it('a body that drips is cut, counted from the first byte of the head', async () => {
        const peer = await Peer.to(port);
        peer.send(`POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Content-Length: 500\r\n\r\n`);
        near(await drip(peer, 'x'.repeat(500)), 800);
        assert.equal(peer.received, '');
    });

    it('a chunked body that drips is cut', async () => {
        const peer = await Peer.to(port);
        peer.send(`POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Transfer-Encoding: chunked\r\n\r\n`);
        near(await drip(peer, '1\r\nx\r\n'.repeat(200)), 800);
    });

    it('a body that never comes after 100 Continue is cut', async () => {
        const peer = await Peer.to(port);
        const began = Date.now();
        peer.send(
            `POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n`,
        );
        await peer.closed();
        near(Date.now() - began, 800);
    });

    it('a connection that says nothing is closed', async () => {
        const began = Date.now();
        const peer = await Peer.to(port);
        await peer.closed();
        near(Date.now() - began, 1500);
        assert.ok((await cuts(hookline, 'idle_timeout')) >= 1);
    });

    it('a connection that is kept alive and silent is closed, one that is used is not', async () => {
        const [silent, used] = [await Peer.to(port), await Peer.to(port)];
        await silent.send(get('/livez')).answer();
        const began = Date.now();
        while (!silent.ended && Date.now() - began < PATIENCE_MS) {
            assert.equal((await used.send(get('/livez')).answer()).status, 200);
            await sleep(100);
        }
        near(Date.now() - began, 1500);
        for (let i = 0; i < 5; i++) {
            await sleep(300);
            assert.equal((await used.send(get('/livez')).answer()).status, 200);
        }
        used.leave();
    });

    // Many answers, to fill what the kernel holds for both sides; asked for in few bytes, as no more are waited for.
    const SHORT = 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n';
    const AHEAD = 850;

    it('a client that never reads its answers is cut', async () => {
        const peer = await Peer.to(port);
        peer.socket.pause();
        peer.send(SHORT.repeat(AHEAD));
        await eventually(async () => (await cuts(hookline, 'write_timeout')) >= 1, 'cut');
        peer.leave();
    });

    it('a client that reads slowly, but does read, is not cut', async () => {
        const peer = await Peer.to(port);
        const earlier = await cuts(hookline, 'write_timeout');
        let asked = 0;
        const askAhead = () => {
            const answered = peer.received.split('HTTP/1.1 200 OK\r\n').length - 1;
            for (; asked < answered + AHEAD; asked++) peer.send(SHORT);
        };
        peer.socket.on('data', () => {
            askAhead();
            peer.socket.pause();
            setTimeout(() => peer.socket.resume(), 100);
        });
        askAhead();
        await sleep(6000); // at this pace the kernel takes more of an answer only every second or two
        assert.equal(peer.ended, false);
        assert.equal(await cuts(hookline, 'write_timeout'), earlier);
        peer.leave();
    });
});

describe('too many', () => {
    it('connections: those above the bound wait, without a spin, and are served when there is room', async () => {
        const hookline = await start({HOOKLINE_MAX_CONNECTIONS: 4, HOOKLINE_THREADS: 2});
        const held = [];
        for (let i = 0; i < 4; i++) held.push(await Peer.to(hookline.port));
        for (const peer of held) await peer.send(get('/livez')).answer();
        const waiting = await Peer.to(hookline.port);
        waiting.send(get('/livez'));
        const busy = await load(hookline.pid, 1000);
        assert.equal(waiting.received, '');
        if (!SANITIZED) assert.ok(busy < 0.25, `${busy * 100} % of a core`);
        held[0].leave();
        assert.equal((await waiting.answer()).status, 200);
        [...held, waiting].forEach((peer) => peer.leave());
        assert.equal((await hookline.stop()).code, 0);
    });

    it('descriptors: without any left it waits, without a spin, and goes on when there are some', async () => {
        const hookline = await start();
        const open = Number(execFileSync('sh', ['-c', `ls /proc/${hookline.pid}/fd | wc -l`]));
        execFileSync('prlimit', ['--pid', String(hookline.pid), `--nofile=${open + 3}`]);
        const eight = [];
        for (let i = 0; i < 8; i++) eight.push((await Peer.to(hookline.port)).send(get('/livez')));
        assert.ok(await hookline.waitForLog((entry) => entry.msg === 'not accepting connections for now'));
        const busy = await load(hookline.pid, 1000);
        if (!SANITIZED) assert.ok(busy < 0.25, `${busy * 100} % of a core`);
        assert.ok(eight.some((peer) => peer.received === ''));
        for (const peer of eight) {
            assert.equal((await peer.answer()).status, 200);
            peer.leave();
        }
        assert.equal((await hookline.stop()).code, 0);
    });

    it('bytes of bodies that are being read: the largest go', async () => {
        // Room for 16 bodies of HOOKLINE_MAX_BODY at once, and never less than 64 MiB.
        const hookline = await start({HOOKLINE_MAX_BODY: '8M', HOOKLINE_REQUEST_TIMEOUT: 60});
        const head = `POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\n${SIGNED}Content-Length: ${8 * 1024 * 1024}\r\n\r\n`;
        const many = await Promise.all(Array.from({length: 24}, () => Peer.to(hookline.port)));
        const part = 'x'.repeat(1024 * 1024);
        many.forEach((peer) => peer.send(head));
        for (let i = 0; i < 7; i++) {
            many.forEach((peer) => !peer.ended && peer.send(part));
            await sleep(50);
        }
        await eventually(async () => (await cuts(hookline, 'memory')) >= 1, 'cut');
        assert.equal((await ask(hookline.port, get('/livez'))).status, 200);
        many.forEach((peer) => peer.leave());
        assert.equal((await hookline.stop()).code, 0);
    });
});

describe('TLS', () => {
    let folder, hookline, port;

    const certificate = (name, subject) =>
        execFileSync(
            'openssl',
            [
                'req',
                '-x509',
                '-newkey',
                'ec',
                '-pkeyopt',
                'ec_paramgen_curve:prime256v1',
                '-nodes',
                '-days',
                '2',
                '-subj',
                `/CN=${subject}`,
                '-keyout',
                join(folder, `${name}.key`),
                '-out',
                join(folder, `${name}.pem`),
            ],
            {stdio: 'ignore'},
        );
    const use = (name) =>
        ['key', 'pem'].forEach((kind) => copyFileSync(join(folder, `${name}.${kind}`), join(folder, `server.${kind}`)));
    const subject = (peer) => peer.socket.getPeerCertificate().subject.CN;
    const env = () => ({
        HOOKLINE_TLS_LISTEN: '127.0.0.1:0',
        HOOKLINE_TLS_CERT: join(folder, 'server.pem'),
        HOOKLINE_TLS_KEY: join(folder, 'server.key'),
        HOOKLINE_REQUEST_TIMEOUT: 1,
    });

    before(async () => {
        folder = mkdtempSync(join(tmpdir(), 'hookline-tls-'));
        certificate('first', 'first.example.com');
        certificate('second', 'second.example.com');
        use('first');
        hookline = await start(env());
        port = Number(/:(\d+)$/.exec((await hookline.waitForLog((entry) => entry.scheme === 'https')).address)[1]);
    });
    after(async () => {
        assert.equal((await hookline.stop()).code, 0);
        rmSync(folder, {recursive: true});
    });

    it('serves requests, bodies and keep-alive', async () => {
        const peer = await Peer.secure(port);
        assert.equal((await peer.send(get('/livez')).answer()).status, 200);
        assert.ok((await peer.send(delivery()).answer()).status >= 200);
        assert.equal(
            (
                await peer
                    .send(post('/webhooks/vapi', 'Content-Type: application/json\r\n', 'x'.repeat(1_000_000)))
                    .answer()
            ).status,
            401,
        );
        peer.leave();
    });

    it('speaks TLS 1.2 and 1.3, not 1.1, and never HTTP/2', async () => {
        for (const version of ['TLSv1.2', 'TLSv1.3']) {
            const peer = await Peer.secure(port, {
                minVersion: version,
                maxVersion: version,
                ALPNProtocols: ['h2', 'http/1.1'],
            });
            assert.equal(peer.socket.getProtocol(), version);
            assert.equal(peer.socket.alpnProtocol, 'http/1.1');
            assert.equal((await peer.send(get('/livez')).answer()).status, 200);
            peer.leave();
        }
        await assert.rejects(
            Peer.secure(port, {minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0'}),
        );
        const peer = await Peer.secure(port, {ALPNProtocols: ['h2', 'http/1.1']});
        peer.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
        assert.equal((await peer.answer()).status, 400);
        await peer.closed();
    });

    it('refuses smuggling here too', async () => {
        const peer = await Peer.secure(port);
        peer.send(`POST /webhooks/vapi HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\n${LIVEZ}`);
        assert.equal((await peer.answer()).status, 400);
        await peer.closed();
        assert.equal(peer.received, '');
    });

    it('a handshake that does not come is cut', async () => {
        const began = Date.now();
        const silent = await Peer.to(port);
        const garbage = await Peer.to(port);
        garbage.send('GET / HTTP/1.1\r\n\r\n');
        await garbage.closed();
        const half = (await Peer.to(port)).send('\x16\x03\x01\x02\x00\x01');
        await silent.closed();
        await half.closed();
        assert.ok(Date.now() - began >= 950);
        assert.ok((await cuts(hookline, 'handshake_timeout')) >= 2);
    });

    it('SIGHUP takes a new certificate; connections stay; one that cannot be used changes nothing', async () => {
        const early = await Peer.secure(port);
        assert.equal(subject(early), 'first.example.com');

        use('second');
        hookline.child.kill('SIGHUP');
        assert.ok(await hookline.waitForLog((entry) => entry.msg === 'reloaded'));
        const later = await Peer.secure(port);
        assert.equal(subject(later), 'second.example.com');
        assert.equal((await early.send(get('/livez')).answer()).status, 200);

        copyFileSync(join(folder, 'first.key'), join(folder, 'server.key')); // not that certificate's
        hookline.child.kill('SIGHUP');
        const refused = await hookline.waitForLog((entry) => /^not reloaded/.test(entry.msg));
        assert.match(refused.reason, /HOOKLINE_TLS_KEY/);
        writeFileSync(join(folder, 'server.pem'), 'nothing');
        hookline.child.kill('SIGHUP');
        await eventually(
            () => hookline.logs().some((entry) => /HOOKLINE_TLS_CERT/.test(entry.reason)),
            'refused again',
        );
        const last = await Peer.secure(port);
        assert.equal(subject(last), 'second.example.com');
        for (const peer of [early, later, last]) {
            assert.equal((await peer.send(get('/livez')).answer()).status, 200);
            peer.leave();
        }
        use('second');
    });

    it('is not started with a certificate that cannot be used', async () => {
        await assert.rejects(start({...env(), HOOKLINE_TLS_KEY: null}), /HOOKLINE_TLS_KEY/);
        await assert.rejects(start({...env(), HOOKLINE_TLS_CERT: join(folder, 'none.pem')}), /none\.pem/);
    });
});

describe('health', () => {
    it('says why it is not ready, and lives all the same', async () => {
        const env = {DATABASE_URL: 'postgresql://127.0.0.1:1/nobody', HOOKLINE_DATA_DIR: '/dev/null'};
        const hookline = await start(env, {ready: false});
        assert.deepEqual(JSON.parse((await ask(hookline.port, get('/livez'))).body), {status: 'alive'});
        for (const path of ['/readyz', '/health']) {
            const answer = await ask(hookline.port, get(path));
            assert.equal(answer.status, 503);
            const {status, reasons} = JSON.parse(answer.body);
            assert.equal(status, 'not_ready');
            assert.equal(reasons.length, 2);
            assert.match(reasons[0], /^database/);
            assert.match(reasons[1], /^journal/);
        }
        const refused = await ask(hookline.port, delivery());
        assert.equal(refused.status, 503);
        assert.equal(refused.headers['retry-after'], '1');
        assert.equal((await hookline.stop()).code, 0);
    });

    it('an address in use is said so, with a hint', async () => {
        const holder = net.createServer().listen(0, '127.0.0.1');
        await new Promise((resolve) => holder.once('listening', resolve));
        await assert.rejects(
            start({HOOKLINE_LISTEN: `127.0.0.1:${holder.address().port}`}),
            /HOOKLINE_LISTEN.*in use[^]*hint/,
        );
        holder.close();
    });
});

describe('the end', () => {
    it('not ready at once, closing as it answers, then idle ones closed and exit 0', async () => {
        const hookline = await start({HOOKLINE_DRAIN_DELAY: 1, HOOKLINE_THREADS: 2});
        const [used, idle] = [await Peer.to(hookline.port), await Peer.to(hookline.port)];
        for (const peer of [used, idle]) await peer.send(get('/livez')).answer();

        const stopped = hookline.stop();
        const answer = await eventually(async () => {
            const readyz = await ask(hookline.port, get('/readyz'));
            return readyz.status === 503 && readyz;
        }, 'not ready');
        const {status, reasons} = JSON.parse(answer.body);
        assert.deepEqual([status, reasons], ['not_ready', ['draining']]);
        assert.equal((await ask(hookline.port, get('/livez'))).status, 200);

        const last = await used.send(delivery()).answer();
        assert.equal(last.status, 200);
        assert.equal(last.headers.connection, 'close');
        await used.closed();
        assert.equal(idle.ended, false);
        await idle.closed();
        assert.equal((await stopped).code, 0);
    });

    it('a request that is half here is waited for', async () => {
        const hookline = await start();
        const peer = await Peer.to(hookline.port);
        const bytes = delivery();
        peer.send(bytes.slice(0, -10));
        await sleep(300);
        const stopped = hookline.stop();
        await sleep(500);
        await assert.rejects(Peer.to(hookline.port)); // no listener any more
        assert.equal((await peer.send(bytes.slice(-10)).answer()).status, 200);
        await peer.closed();
        assert.equal((await stopped).code, 0);
    });

    it('what does not end by the deadline is cut', async () => {
        const hookline = await start({HOOKLINE_DRAIN_DEADLINE: 1, HOOKLINE_REQUEST_TIMEOUT: 60});
        const peer = await Peer.to(hookline.port);
        peer.send('GET /livez HTTP/1.1\r\n');
        await sleep(300);
        const began = Date.now();
        assert.equal((await hookline.stop()).code, 0);
        assert.ok(Date.now() - began >= 900 && Date.now() - began < PATIENCE_MS);
        await peer.closed();
    });
});
