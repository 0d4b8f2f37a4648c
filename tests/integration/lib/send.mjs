// send.mjs – plain HTTP requests, byte for byte as given; nothing is added but Host, Content-Length and Connection.

import http from 'node:http';

/** One connection pool for the deliveries of a test file; sockets do not keep the process alive. */
export const keepAlive = new http.Agent({keepAlive: true, maxSockets: 64});

/**
 * Sends {path, method = 'POST', headers = {}, body} to `url` and gives {status, headers, body} with the body as text.
 * Fails when the connection breaks, or after timeoutMs.
 */
export function send(url, {path, method = 'POST', headers = {}, body}, {agent = keepAlive, timeoutMs = 60_000} = {}) {
    const {hostname, port} = new URL(url);
    const bytes = body === undefined ? undefined : Buffer.from(body);
    return new Promise((resolve, reject) => {
        const request = http.request({
            hostname,
            port,
            path,
            method,
            agent,
            headers: withLength(headers, method, bytes),
        });
        request.on('response', (response) => {
            const parts = [];
            response.on('data', (part) => parts.push(part));
            response.on('error', reject);
            response.on('end', () => {
                resolve({
                    status: response.statusCode,
                    headers: response.headers,
                    body: Buffer.concat(parts).toString(),
                });
            });
        });
        request.on('error', reject);
        request.setTimeout(timeoutMs, () => request.destroy(new Error(`no answer within ${timeoutMs} ms`)));
        request.end(bytes);
    });
}

export function get(url, path, headers = {}) {
    return send(url, {path, method: 'GET', headers}, {agent: false});
}

export async function getJson(url, path) {
    const {status, headers, body} = await get(url, path);
    return {status, headers, json: JSON.parse(body)};
}

function withLength(headers, method, bytes) {
    const names = Object.keys(headers).map((name) => name.toLowerCase());
    if (names.includes('content-length') || names.includes('transfer-encoding')) return headers;
    if (bytes) return {...headers, 'Content-Length': bytes.length};
    return method === 'POST' ? {...headers, 'Content-Length': 0} : headers;
}
