// twilio_stream.mjs – Twilio's end of one bidirectional media stream, once the WebSocket is open: it sends the caller's
// audio in time with the clock, plays what it gets, and returns marks (twilio.com/docs/voice/media-streams and
// …/media-streams/websocket-messages, read 2026-11-21). twilio_call.mjs opens it.
//
// What it says of itself, all of it live:
//
//     received         [{at, event, bytes, name}]: every message of the other side, in order; at: ms since `connected`
//     receivedBytes    of audio; playedBytes, clearedBytes: what became of it; bufferedBytes: still to be played
//     audioPlayed()    what was heard, as one Buffer; audioReceived(): what came
//     clears           [{at, playedMs, clearedMs, marks: [names returned by it]}]
//     marks            [{at, name, playedMs, cleared}]: those returned, in order
//     sentFrames       of caller audio; spokenMs: how much of it was not silence
//     faults           [{code: 31924, what}]: where Twilio would raise "protocol error"
//     closed           {by: 'us' | 'them', code, reason, error: 31921 | 31903}, once it is
//
// Silence is sent while nothing is queued. Times are of the monotonic clock; one timer serves all streams.

import {FRAME_BYTES, FRAME_MS, SILENCE, msOf} from './mulaw.mjs';
import {Waiting, later} from './waiting.mjs';
import {WebSocket} from './ws.mjs';

const TICK_MS = 10;
const FIRST_TIMESTAMP_MS = 57; // the first one is not 0
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const SILENT_FRAME = Buffer.alloc(FRAME_BYTES, SILENCE);
const SILENT_PAYLOAD = SILENT_FRAME.toString('base64');

// ---- one timer for all ----

const ticking = new Set();
let timer = null;

function startTicking(stream) {
    ticking.add(stream);
    timer ??= setInterval(() => {
        const now = performance.now();
        for (const each of ticking) each.tick(now);
    }, TICK_MS);
}

function stopTicking(stream) {
    ticking.delete(stream);
    if (ticking.size > 0) return;
    clearInterval(timer);
    timer = null;
}

// ---- what the caller hears ----

/** Audio and marks in the order they came; audio is consumed at the speed of a telephone. */
class Playback {
    playedBytes = 0;
    bufferedBytes = 0;
    #queue = []; // {bytes} or {name}
    #since = 0; // until when it has been played

    /** delayMs: between the first audio in an empty buffer and its first sound. */
    constructor({delayMs, onPlayed, onMark}) {
        Object.assign(this, {delayMs, onPlayed, onMark});
    }

    add(bytes, now) {
        this.advance(now);
        if (this.bufferedBytes === 0) this.#since = now + this.delayMs;
        this.#queue.push({bytes});
        this.bufferedBytes += bytes.length;
    }

    mark(name, now) {
        this.#queue.push({name});
        this.advance(now);
    }

    advance(now) {
        let due = Math.max(0, Math.floor((now - this.#since) * 8));
        while (this.#queue.length > 0) {
            const [first] = this.#queue;
            if (first.name !== undefined) {
                this.#queue.shift();
                this.onMark(first.name, false);
                continue;
            }
            if (due === 0) return;
            const part = first.bytes.subarray(0, due);
            this.#play(part);
            due -= part.length;
            if (part.length === first.bytes.length) this.#queue.shift();
            else first.bytes = first.bytes.subarray(part.length);
        }
    }

    #play(part) {
        this.#since += msOf(part.length);
        this.playedBytes += part.length;
        this.bufferedBytes -= part.length;
        this.onPlayed(part);
    }

    /** Gives {bytes, marks}: what nobody will hear, and the marks that are returned for it. */
    clear(now) {
        this.advance(now);
        const marks = this.#queue.filter(({name}) => name !== undefined).map(({name}) => name);
        const bytes = this.bufferedBytes;
        this.#queue = [];
        this.bufferedBytes = 0;
        marks.forEach((name) => this.onMark(name, true));
        return {bytes, marks};
    }
}

// ---- the stream ----

export class TwilioStream extends Waiting {
    received = [];
    receivedBytes = 0;
    clearedBytes = 0;
    clears = [];
    marks = [];
    faults = [];
    sentFrames = 0;
    spokenMs = 0;
    closed = null;
    ended = later();

    #sequence = 0;
    #frame = 0; // the next one, counted from the start of the stream
    #speech = []; // {bytes, done}
    #script = null; // frame number → payload
    #silentUntil = 0;
    #heldUntil = 0;
    #beganAt;
    #ending = false;
    #playedParts = [];
    #receivedParts = [];

    /** options: {keepAudio, playDelayMs}; call: {accountSid, callSid, streamSid}. */
    constructor(socket, call, parameters, {keepAudio = true, playDelayMs = 0} = {}) {
        super();
        Object.assign(this, {socket, call, parameters, keepAudio});
        this.playback = new Playback({
            delayMs: playDelayMs,
            onPlayed: (part) => this.keepAudio && this.#playedParts.push(part),
            onMark: (name, cleared) => this.#returnMark(name, cleared),
        });
        socket.on('message', (data, binary) => this.#hear(data, binary));
        socket.on('close', (code, reason) => this.#onClose(code, reason.toString()));
        socket.on('error', () => {});
    }

    get streamSid() {
        return this.call.streamSid;
    }
    get playedBytes() {
        return this.playback.playedBytes;
    }
    get bufferedBytes() {
        return this.playback.bufferedBytes;
    }
    get playedMs() {
        return msOf(this.playedBytes);
    }
    get receivedMs() {
        return msOf(this.receivedBytes);
    }
    /** Milliseconds since `connected`. */
    get clock() {
        return performance.now() - this.#beganAt;
    }
    audioPlayed() {
        return Buffer.concat(this.#playedParts);
    }
    audioReceived() {
        return Buffer.concat(this.#receivedParts);
    }

    begin() {
        const {accountSid, callSid, streamSid} = this.call;
        this.#beganAt = performance.now();
        this.#write({event: 'connected', protocol: 'Call', version: '1.0.0'});
        this.#say('start', {
            accountSid,
            streamSid,
            callSid,
            tracks: ['inbound'],
            mediaFormat: {encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1},
            customParameters: this.parameters,
        });
        startTicking(this);
    }

    // ---- what the caller does ----

    /** The caller says this (µ-law), after what is queued already; resolves when its last frame is sent. */
    speak(bytes) {
        const {promise, resolve} = later();
        this.#speech.push({bytes, done: resolve});
        return promise;
    }

    /** The caller's side of a timeline (see realtime.mjs): its speech at its times, its keys, and its end. */
    follow(lines) {
        const runs = lines.filter(({from, run}) => from === 'twilio' && run);
        this.#script = (frame) =>
            runs.find(({t, run}) => frame * FRAME_MS >= t && frame * FRAME_MS < run.until)?.event.media.payload;
        const stop = lines.find(({from, event}) => from === 'twilio' && event?.event === 'stop');
        if (!stop) return;
        const wait = setTimeout(() => this.hangUp(), stop.t - this.clock);
        this.ended.promise.then(() => clearTimeout(wait));
    }

    dtmf(digit) {
        this.#say('dtmf', {track: 'inbound_track', digit});
    }

    /** No media at all for so long; what was to be said then is said afterwards, and the timestamps show the gap. */
    mute(ms) {
        this.#silentUntil = performance.now() + ms;
    }

    /** The network holds frames up for so long; then all of them come at once. */
    hold(ms) {
        this.#heldUntil = performance.now() + ms;
    }

    /** The call is over: `stop`, then the close. */
    hangUp() {
        if (this.closed || this.#ending) return this.ended.promise;
        const {accountSid, callSid} = this.call;
        this.#end();
        this.#say('stop', {accountSid, callSid});
        this.socket.close(1000);
        return this.ended.promise;
    }

    /** The connection breaks: no `stop`, no close. */
    drop() {
        this.#end();
        this.socket.terminate();
        return this.ended.promise;
    }

    // ---- in time ----

    tick(now) {
        this.playback.advance(now);
        if (now >= this.#heldUntil) this.#sendDue(now);
        this.changed();
    }

    #sendDue(now) {
        const due = Math.floor((now - this.#beganAt) / FRAME_MS);
        for (; this.#frame < due; this.#frame++) if (now >= this.#silentUntil) this.#sendFrame();
    }

    #sendFrame() {
        const timestamp = String(FIRST_TIMESTAMP_MS + this.#frame * FRAME_MS);
        const payload = this.#script?.(this.#frame) ?? this.#nextPayload();
        if (payload !== SILENT_PAYLOAD) this.spokenMs += FRAME_MS;
        this.sentFrames++;
        this.#say('media', {track: 'inbound', chunk: String(this.sentFrames), timestamp, payload});
    }

    #nextPayload() {
        if (this.#speech.length === 0) return SILENT_PAYLOAD;
        const [first] = this.#speech;
        const part = first.bytes.subarray(0, FRAME_BYTES);
        first.bytes = first.bytes.subarray(FRAME_BYTES);
        if (first.bytes.length === 0) this.#speech.shift().done();
        return Buffer.concat([part, SILENT_FRAME.subarray(part.length)]).toString('base64');
    }

    // ---- what comes ----

    #fault(what) {
        this.faults.push({code: 31924, what});
        this.emit('fault', what);
    }

    #hear(data, binary) {
        if (this.#ending) return;
        const message = this.#read(data, binary);
        if (message) this.#take(message, performance.now());
        this.changed();
    }

    #read(data, binary) {
        if (binary) return this.#fault('a binary frame');
        let message;
        try {
            message = JSON.parse(data.toString());
        } catch {
            return this.#fault(`no JSON: ${data.toString().slice(0, 80)}`);
        }
        if (message?.streamSid !== this.streamSid) return this.#fault(`streamSid ${message?.streamSid}`);
        return message;
    }

    #take(message, now) {
        const at = now - this.#beganAt;
        if (message.event === 'media') this.#takeMedia(message.media?.payload, at, now);
        else if (message.event === 'mark') this.#takeMark(message.mark?.name, at, now);
        else if (message.event === 'clear') this.#takeClear(at, now);
        else this.#fault(`event ${message.event}`);
    }

    #takeMedia(payload, at, now) {
        if (typeof payload !== 'string' || payload === '' || !BASE64.test(payload))
            return this.#fault(`media.payload is no base64: ${String(payload).slice(0, 40)}`);
        const bytes = Buffer.from(payload, 'base64');
        this.received.push({at, event: 'media', bytes: bytes.length});
        this.receivedBytes += bytes.length;
        if (this.keepAudio) this.#receivedParts.push(bytes);
        this.playback.add(bytes, now);
        this.emit('audio', bytes);
    }

    #takeMark(name, at, now) {
        if (typeof name !== 'string' || name === '') return this.#fault(`mark.name ${name}`);
        this.received.push({at, event: 'mark', name});
        this.playback.mark(name, now);
    }

    #takeClear(at, now) {
        this.received.push({at, event: 'clear'});
        const {bytes, marks} = this.playback.clear(now);
        this.clearedBytes += bytes;
        this.clears.push({at, playedMs: this.playedMs, clearedMs: msOf(bytes), marks});
        this.emit('clear', this.clears.at(-1));
    }

    #returnMark(name, cleared) {
        this.marks.push({at: this.clock, name, playedMs: this.playedMs, cleared});
        this.#say('mark', {name});
        this.emit('mark', this.marks.at(-1));
    }

    // ---- the socket ----

    #write(message) {
        if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
    }

    #say(event, body) {
        this.#write({event, sequenceNumber: String(++this.#sequence), [event]: body, streamSid: this.streamSid});
    }

    #end() {
        this.#ending = true;
        stopTicking(this);
    }

    #onClose(code, reason) {
        const by = this.#ending ? 'us' : 'them';
        this.#end();
        this.closed = {by, code, reason, ...(by === 'them' && {error: code === 1006 ? 31903 : 31921})};
        this.#speech.forEach(({done}) => done());
        this.ended.resolve(this.closed);
        this.emit('closed', this.closed);
        this.changed();
    }
}
