// nginx.mjs – a real nginx, run without privileges in a temporary folder from deploy/nginx/hookline.conf itself: only
// addresses, names and paths are put in, and each must have been there to be replaced.
//
//     const nginx = await startNginx({upstreams: [hookline.port]});
//     … nginx.port, nginx.send({path, headers, body}), nginx.accessLog(), nginx.errorLog() …
//     await nginx.stop();

import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {ROOT} from './hookline.mjs';
import {until} from './wait.mjs';

const CONF = readFileSync(join(ROOT, 'deploy/nginx/hookline.conf'), 'utf8');
const PATIENCE_MS = 60_000;
const PATH = `${process.env.PATH}:/usr/sbin:/sbin`;

/** Why nothing here can be tested; false where it can. */
export const NO_NGINX =
    spawnSync('nginx', ['-v'], {env: {PATH}}).error !== undefined && 'nginx is not installed (Debian: nginx-light)';

/** Certificates for localhost, made once for a test file: {folder, ca}. */
export function makeCertificates() {
    const folder = mkdtempSync(join(tmpdir(), 'hookline-certs-'));
    execFileSync(join(ROOT, 'certs/make'), [folder], {stdio: 'ignore'});
    return {folder, ca: readFileSync(join(folder, 'ca.pem')), remove: () => rmSync(folder, {recursive: true})};
}

/**
 * certificates: of makeCertificates(). upstreams: ports of hooklines on 127.0.0.1. tls: false listens in clear text, as
 * behind a proxy that ends TLS. outer: the one address whose X-Forwarded-* are believed. voice: with the example of a
 * path prefix. maxBody: as client_max_body_size says it.
 */
export async function startNginx({certificates, upstreams, tls = true, outer = null, voice = false, maxBody = '10m'}) {
    const folder = mkdtempSync(join(tmpdir(), 'hookline-nginx-'));
    chmodSync(folder, 0o755); // started by root, nginx works as nobody, who keeps large bodies in here
    const port = await freePort();
    const site = siteOf({certificates, upstreams, tls, outer, voice, maxBody, port, folder});
    writeFileSync(join(folder, 'site.conf'), site);
    writeFileSync(join(folder, 'nginx.conf'), mainOf(folder));
    mkdirSync(join(folder, 'temp'));
    const files = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'main.log')];
    const tested = spawnSync('nginx', [...files, '-t'], {env: {PATH}, encoding: 'utf8'});
    if (tested.status !== 0 || /\[(warn|emerg)\]/.test(tested.stderr)) throw new Error(`nginx -t: ${tested.stderr}`);

    const child = spawn('setpriv', ['--pdeathsig', 'TERM', '--', 'nginx', ...files], {env: {PATH}, stdio: 'ignore'});
    const exited = once(child, 'close');
    await until('nginx listens', () => isOpen(port)).catch((error) => {
        child.kill('SIGTERM');
        throw error;
    });
    const client = new Client(port, tls ? certificates.ca : null);
    const read = (name) => readFileSync(join(folder, name), 'utf8');
    return {
        port,
        url: `${tls ? 'https' : 'http'}://localhost:${port}`,
        /** See Client. */
        send: (request, options) => client.send(request, options),
        errorLog: () => read('error.log') + read('main.log'),
        accessLog: () => linesOf(read('access.log')),
        accessLogText: () => read('access.log'),
        /** The access log's line of the request that had this answer; it is written a moment after that. */
        lineOf: (reply) => {
            const id = reply.headers['x-request-id'];
            const find = () => linesOf(read('access.log')).find((line) => line.request_id === id);
            return until(`a line of request ${id}`, find);
        },
        stop: async () => {
            client.close();
            child.kill('SIGTERM');
            await exited;
            rmSync(folder, {recursive: true});
        },
    };
}

/** One client's connections to nginx. */
class Client {
    constructor(port, ca) {
        this.port = port;
        this.http = ca ? https : http;
        this.options = {ca, servername: 'localhost'};
        this.kept = new this.http.Agent({...this.options, keepAlive: true});
    }

    /** As send() of send.mjs. from: the address to come from; such a connection is not kept. */
    send({path, method = 'POST', headers = {}, body}, {from} = {}) {
        const agent = from ? new this.http.Agent({...this.options, localAddress: from}) : this.kept;
        const bytes = body === undefined ? undefined : Buffer.from(body); // a text would make the head UTF-8 too
        const sent = this.http.request({
            hostname: '127.0.0.1',
            port: this.port,
            path,
            method,
            agent,
            headers: {Host: `localhost:${this.port}`, ...lengthOf(bytes, headers), ...headers},
        });
        sent.on('error', () => {}); // once() tells of it; after the answer (413, and closed) it is no news
        sent.setTimeout(PATIENCE_MS, () => sent.destroy(new Error(`no answer within ${PATIENCE_MS} ms`)));
        sent.end(bytes);
        return answerTo(sent);
    }

    close() {
        this.kept.destroy();
    }
}

function lengthOf(bytes, headers) {
    const isChunked = Object.keys(headers).some((name) => name.toLowerCase() === 'transfer-encoding');
    return bytes && !isChunked ? {'Content-Length': bytes.length} : {};
}

async function answerTo(sent) {
    const [response] = await once(sent, 'response');
    const parts = [];
    for await (const part of response) parts.push(part);
    return {status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString()};
}

function linesOf(log) {
    const whole = log.split('\n').slice(0, -1);
    return whole.map((line) => JSON.parse(line));
}

/** The file that ships, with this test's addresses, names and paths. */
function siteOf({certificates, upstreams, tls, outer, voice, maxBody, port, folder}) {
    const servers = upstreams.map((upstream) => `server 127.0.0.1:${upstream} max_fails=0;`).join('\n    ');
    const changes = [
        ['server 127.0.0.1:8080 max_fails=0;', servers],
        ['listen 443 ssl http2;', `listen 127.0.0.1:${port}${tls ? ' ssl http2' : ''};`],
        ['    listen [::]:443 ssl http2;\n', ''],
        ['calls.example.com;', 'localhost;'],
        ['/etc/hookline/certs/', `${certificates.folder}/`],
        ['/var/log/nginx/hookline.', `${folder}/`],
        ['client_max_body_size 10m;', `client_max_body_size ${maxBody};`],
    ];
    if (outer) {
        changes.push(['# 10.0.0.0/8 1;', `${outer} 1;`]);
        changes.push(['# set_real_ip_from 10.0.0.0/8;', `set_real_ip_from ${outer};`]);
    }
    let conf = CONF;
    for (const [from, to] of changes) {
        if (!conf.includes(from)) throw new Error(`deploy/nginx/hookline.conf has no "${from}" any more`);
        conf = conf.replaceAll(from, to);
    }
    return voice ? withVoice(conf) : conf;
}

/** Takes the # off the example. */
function withVoice(conf) {
    const example = /(?:^ {4}# {1,5}(?:location|error_log|proxy_|\}).*\n)+/gm;
    if (conf.match(example)?.length !== 1) throw new Error('deploy/nginx/hookline.conf: where is the example /voice/?');
    return conf.replace(example, (lines) => lines.replaceAll('    # ', '    '));
}

function mainOf(folder) {
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
    return `daemon off;
pid ${folder}/pid;
error_log ${folder}/main.log warn;
events {
    worker_connections 512;
}
http {
    ${temp.map((name) => `${name}_temp_path ${folder}/temp/${name};`).join('\n    ')}
    include ${folder}/site.conf;
}
`;
}

function freePort() {
    const server = net.createServer();
    return new Promise((resolve, reject) => {
        server.on('error', reject);
        server.listen(0, '127.0.0.1', () => {
            const {port} = server.address();
            server.close(() => resolve(port));
        });
    });
}

function isOpen(port) {
    return new Promise((resolve) => {
        const socket = net.connect(port, '127.0.0.1');
        socket.on('connect', () => socket.destroy() && resolve(true));
        socket.on('error', () => resolve(false));
    });
}
