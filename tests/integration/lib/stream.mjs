// stream.mjs – Twilio's side of a media stream: the upgrade, signed; its messages; and, for what no client library
// would send, frames written by hand.

import {createHash, createHmac, randomBytes} from 'node:crypto';
import {once} from 'node:events';
import net from 'node:net';
import {setTimeout as sleep} from 'node:timers/promises';
import tls from 'node:tls';
import WebSocket from 'ws';
import {PUBLIC_URL, SANITIZED, SECRETS} from './hookline.mjs';

export const PATH = '/media-stream';
const PATIENCE_MS = SANITIZED ? 30_000 : 10_000;

/** As twilio.com/docs/usage/security says, of a URL without parameters. */
export function signUrl(url, token = SECRETS.TWILIO_AUTH_TOKEN) {
    return createHmac('sha1', token).update(url).digest('base64');
}

export const signedHeaders = (path = PATH, publicUrl = PUBLIC_URL) => ({
    'X-Twilio-Signature': signUrl(publicUrl.replace('https://', 'wss://') + path),
});

/** By hand, as src/base/stream_token.h says it. expires: seconds from now. */
export function makeTicket(callSid, {expires = 60, token = SECRETS.TWILIO_AUTH_TOKEN} = {}) {
    const key = createHmac('sha256', token).update('hookline stream token, version 1').digest();
    const signed = `${callSid}.${Math.floor(Date.now() / 1000) + expires}`;
    return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

let calls = 0;

/** Ids of a call and its stream, fresh for each. */
export function newCall() {
    const number = `${randomBytes(12).toString('hex')}${String(++calls).padStart(8, '0')}`;
    return {callSid: `CA${number}`, streamSid: `MZ${number}`, accountSid: SECRETS.TWILIO_ACCOUNT_SID};
}

// ---- what Twilio writes (twilio.com/docs/voice/media-streams/websocket-messages, read 2026-11-21) ----

export const FRAME = Buffer.alloc(160, 0xff).toString('base64');

export const messages = ({callSid, streamSid, accountSid}) => ({
    connected: () => ({event: 'connected', protocol: 'Call', version: '1.0.0'}),
    start: (sequence = 1, more = {}) => ({
        event: 'start',
        sequenceNumber: String(sequence),
        start: {
            accountSid,
            streamSid,
            callSid,
            tracks: ['inbound'],
            mediaFormat: {encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1},
            customParameters: {callRef: 'call-7f3a'},
            ...more,
        },
        streamSid,
    }),
    media: (sequence, timestamp = sequence * 20, payload = FRAME) => ({
        event: 'media',
        sequenceNumber: String(sequence),
        media: {track: 'inbound', chunk: String(sequence), timestamp: String(timestamp), payload},
        streamSid,
    }),
    dtmf: (sequence, digit) => ({
        event: 'dtmf',
        streamSid,
        sequenceNumber: String(sequence),
        dtmf: {track: 'inbound_track', digit},
    }),
    mark: (sequence) => ({event: 'mark', sequenceNumber: String(sequence), streamSid, mark: {name: 'greeting-1'}}),
    stop: (sequence) => ({event: 'stop', sequenceNumber: String(sequence), streamSid, stop: {accountSid, callSid}}),
});

// ---- a client that keeps the rules (npm's ws) ----

/**
 * Opens a stream: {say(message, …), text(text), close(code), closed: {code, reason}, socket}. Fails with {status,
 * headers, body} when it is not let in. base: "ws://127.0.0.1:PORT".
 */
export async function openStream(base, {path = PATH, headers = signedHeaders(path), ...options} = {}) {
    const socket = new WebSocket(base + path, {headers, perMessageDeflate: false, ...options});
    const closed = new Promise((resolve) => {
        socket.on('close', (code, reason) => resolve({code, reason: reason.toString()}));
    });
    socket.on('error', () => {});
    await new Promise((resolve, reject) => {
        socket.on('open', resolve);
        socket.on('error', reject);
        socket.on('unexpected-response', async (request, response) => {
            const parts = [];
            for await (const part of response) parts.push(part);
            reject(
                Object.assign(new Error(`answered ${response.statusCode}`), {
                    status: response.statusCode,
                    headers: response.headers,
                    body: Buffer.concat(parts).toString(),
                }),
            );
        });
    });
    return {
        socket,
        closed,
        say: (...list) => list.forEach((message) => socket.send(JSON.stringify(message))),
        text: (text, how) => socket.send(text, how),
        /** Closes as Twilio does, and gives how it was closed. */
        close: (code = 1000) => {
            socket.close(code);
            return closed;
        },
        drop: () => socket.terminate(),
    };
}

/** The status with which it is refused; 101 when it is not. */
export async function refusal(base, options) {
    try {
        const stream = await openStream(base, options);
        stream.drop();
        return 101;
    } catch (error) {
        if (!error.status) throw error;
        return error.status;
    }
}

// ---- one that does not ----

export const OP = {continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10};

/** One frame (RFC 6455 section 5.2). length: what it says, where that is not true. */
export function frame(opcode, payload = '', {fin = true, rsv = 0, masked = true, length} = {}) {
    const body = Buffer.from(payload);
    const says = length ?? body.length;
    const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
    const bit = masked ? 0x80 : 0;
    if (says < 126) head.push(bit | says);
    else if (says < 65536) head.push(bit | 126, says >> 8, says & 255);
    else head.push(bit | 127, 0, 0, 0, 0, says >>> 24, (says >> 16) & 255, (says >> 8) & 255, says & 255);
    if (!masked) return Buffer.concat([Buffer.from(head), body]);
    const mask = randomBytes(4);
    return Buffer.concat([Buffer.from(head), mask, body.map((byte, i) => byte ^ mask[i % 4])]);
}

const code = (number) => Buffer.from([number >> 8, number & 255]);
export const closeFrame = (number, reason = '') => frame(OP.close, Buffer.concat([code(number), Buffer.from(reason)]));

/** The upgrade's bytes; headers that are null are left out. */
export function upgradeRequest(headers = {}, {path = PATH, method = 'GET', version = 'HTTP/1.1'} = {}) {
    const all = {
        Host: 'localhost',
        Upgrade: 'websocket',
        Connection: 'Upgrade',
        'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
        'Sec-WebSocket-Version': '13',
        ...signedHeaders(path),
        ...headers,
    };
    const lines = Object.entries(all)
        .filter(([, value]) => value !== null)
        .map(([name, value]) => `${name}: ${value}\r\n`);
    return `${method} ${path} ${version}\r\n${lines.join('')}\r\n`;
}

/** A socket after its upgrade, and the frames that come on it: [{opcode, payload}]. */
export class RawStream {
    frames = [];
    ended = false;
    status = null;
    head = '';
    body = '';
    #bytes = Buffer.alloc(0);
    #wake = () => {};

    constructor(socket) {
        this.socket = socket;
        socket.on('data', (chunk) => this.#take(chunk));
        socket.on('error', () => {});
        socket.on('close', () => this.#note(() => (this.ended = true)));
    }

    /** Connects and sends these bytes; waits for the answer's head. */
    static async open(port, request = upgradeRequest(), {secure = false, ...options} = {}) {
        const to = {port, host: '127.0.0.1', rejectUnauthorized: false, ...options};
        const socket = secure ? tls.connect(to) : net.connect(to);
        await once(socket, secure ? 'secureConnect' : 'connect');
        const stream = new RawStream(socket);
        socket.write(request);
        await stream.until('an answer', () => stream.status !== null);
        return stream;
    }

    #note(change) {
        change();
        this.#wake();
    }

    #take(chunk) {
        this.#bytes = Buffer.concat([this.#bytes, chunk]);
        if (this.status === null) this.#takeHead();
        if (this.status !== null && this.status !== 101) {
            this.body += this.#bytes.toString();
            this.#bytes = Buffer.alloc(0);
        }
        while (this.status === 101 && this.#takeFrame());
        this.#wake();
    }

    #takeHead() {
        const end = this.#bytes.indexOf('\r\n\r\n');
        if (end < 0) return;
        this.head = this.#bytes.subarray(0, end).toString();
        this.status = Number(/^HTTP\/1\.1 (\d{3})/.exec(this.head)[1]);
        this.#bytes = this.#bytes.subarray(end + 4);
    }

    #takeFrame() {
        const b = this.#bytes;
        if (b.length < 2) return false;
        const short = b[1] & 127;
        const at = short < 126 ? 2 : short === 126 ? 4 : 10;
        if (b.length < at) return false;
        const length = short < 126 ? short : short === 126 ? b.readUInt16BE(2) : Number(b.readBigUInt64BE(2));
        if (b.length < at + length) return false;
        this.frames.push({fin: b[0] >> 7, opcode: b[0] & 15, masked: b[1] >> 7, payload: b.subarray(at, at + length)});
        this.#bytes = b.subarray(at + length);
        return true;
    }

    send(...parts) {
        for (const part of parts) this.socket.write(part);
        return this;
    }

    say(...list) {
        return this.send(...list.map((message) => frame(OP.text, JSON.stringify(message))));
    }

    async until(what, check, ms = PATIENCE_MS) {
        const deadline = Date.now() + ms;
        while (!check()) {
            if (Date.now() > deadline || (this.ended && !check())) throw new Error(`no ${what} came`);
            await Promise.race([new Promise((resolve) => (this.#wake = resolve)), sleep(50)]);
        }
    }

    /** Waits for the close frame: {code, reason}. */
    async closeCode(ms) {
        const find = () => this.frames.find(({opcode}) => opcode === OP.close);
        await this.until('close frame', find, ms);
        const {payload} = find();
        return payload.length < 2
            ? {code: null, reason: ''}
            : {code: payload.readUInt16BE(0), reason: payload.subarray(2).toString()};
    }

    async end(ms = PATIENCE_MS) {
        await this.until('end of the connection', () => this.ended, ms);
    }

    leave() {
        this.socket.destroy();
    }
}

/** What a server must answer to a key (RFC 6455 section 4.2.2). */
export const acceptOf = (key) =>
    createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
