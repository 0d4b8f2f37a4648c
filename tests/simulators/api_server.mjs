// api_server.mjs – what the simulated APIs of providers have in common: an HTTP server that answers in JSON, what was asked,
// and what can go wrong on the way. It needs nothing but Node.
//
//     const server = await serveApi(({method, path, query, headers, body}) => ({status, body, headers}), {
//         latencyMs: 5,
//         fault: everyNth(7, ['429', 'truncated']),   // (request, count) → a fault's name or function, or nothing
//         tls: {key, cert},                           // https, by HTTP/2 where the client speaks it
//     });
//     … server.url … server.requests … await server.close();

import {once} from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import {setTimeout as sleep} from 'node:timers/promises';

const HTML = '<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body><h1>Bad gateway</h1></body></html>\n';
const SLOW_MS = 1500;

/** What a server in trouble does instead of answering: (response, answer) → nothing. */
const FAULTS = {
    429: (response) => finish(response, 429, {'retry-after': '0'}, '{"code":20429,"message":"Too Many Requests","status":429}'),
    500: (response) => finish(response, 500, {}, '{"error":"internal"}'),
    503: (response) => finish(response, 503, {'retry-after': '0'}, '{"message":"unavailable"}'),
    html: (response) => finish(response, 502, {'content-type': 'text/html'}, HTML),
    /** A 200 that somebody on the way has made: no JSON at all. */
    'html 200': (response) => finish(response, 200, {'content-type': 'text/html'}, HTML),
    /** Whole by its length, and cut off all the same. */
    truncated: (response, {status, headers, text}) => finish(response, status, headers, text.slice(0, Math.floor(text.length / 2))),
    /** The connection breaks in the middle. */
    broken: (response, {status, headers, text}) => {
        response.writeHead(status, {...headers, 'content-length': Buffer.byteLength(text) + 1});
        response.write(text.slice(0, Math.floor(text.length / 2)), () => response.destroy());
    },
    slow: async (response, {status, headers, text}) => {
        await sleep(SLOW_MS);
        finish(response, status, headers, text);
    },
};

/** Every nth request meets a fault, one kind after the other. */
export function everyNth(n, kinds) {
    return (request, count) => (count % n === 0 ? kinds[(count / n - 1) % kinds.length] : null);
}

/** Requests that match meet them in this order, and then none. */
export function inThisOrder(pattern, kinds) {
    const left = [...kinds];
    return ({path}) => (pattern.test(path) ? left.shift() : null);
}

export const newestFirst = (list, at) => [...list].sort((a, b) => at(b) - at(a));

/** make(list), made once for each list: world.known() gives the same one until there is something new to know. */
export function oncePerList(make) {
    const made = new WeakMap();
    return (list) => {
        if (!made.has(list)) made.set(list, make(list));
        return made.get(list);
    };
}

export async function serveApi(answer, {latencyMs = 0, fault = () => null, port = 0, host = '127.0.0.1', tls = null} = {}) {
    const requests = [];
    let inFlight = 0;
    let mostInFlight = 0;
    const take = async (incoming, response) => {
        mostInFlight = Math.max(mostInFlight, ++inFlight);
        response.on('close', () => inFlight--);
        const request = await readRequest(incoming);
        requests.push(request);
        const kind = fault(request, requests.length);
        if (latencyMs > 0) await sleep(latencyMs);
        const answered = asText(answer(request));
        if (kind) await (FAULTS[kind] ?? kind)(response, answered);
        else finish(response, answered.status, answered.headers, answered.text);
    };
    const server = tls ? http2.createSecureServer({...tls, allowHTTP1: true}, take) : http.createServer(take);
    const sockets = new Set();
    server.on('connection', (socket) => {
        sockets.add(socket);
        socket.on('close', () => sockets.delete(socket));
    });
    server.keepAliveTimeout = 30_000;
    server.listen(port, host);
    await once(server, 'listening');
    return {
        url: `http${tls ? 's' : ''}://${host}:${server.address().port}`,
        /** [{method, path, query, headers, body, version}], in the order in which they came; version: of HTTP. */
        requests,
        mostInFlight: () => mostInFlight,
        close: async () => {
            server.close();
            for (const socket of sockets) socket.destroy();
            await once(server, 'close').catch(() => {});
        },
    };
}

async function readRequest(incoming) {
    const {pathname, search, searchParams} = new URL(incoming.url, 'http://api');
    const parts = [];
    for await (const part of incoming) parts.push(part);
    const body = Buffer.concat(parts).toString();
    const {method, headers, httpVersion: version} = incoming;
    return {method, path: decodeURI(pathname), search, query: searchParams, headers, body, version};
}

function asText({status = 200, body, headers = {}}) {
    if (body === undefined) return {status, headers, text: ''};
    const isText = typeof body === 'string';
    return {
        status,
        headers: {'content-type': isText ? 'text/plain; charset=utf-8' : 'application/json', ...headers},
        text: isText ? body : JSON.stringify(body),
    };
}

function finish(response, status, headers, text) {
    if (response.destroyed) return;
    response.writeHead(status, {...headers, ...(status !== 204 && {'content-length': Buffer.byteLength(text)})});
    response.end(text);
}
