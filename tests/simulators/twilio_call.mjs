// twilio_call.mjs – a caller on Twilio's side: it calls the voice URL as Twilio does, executes the TwiML, and stands at
// the other end of <Connect><Stream> (twilio.com/docs/voice/twiml, …/usage/security, …/voice/media-streams, read
// 2026-11-21). Written from Twilio's pages alone, so that it can judge what answers.
//
//     const call = await placeCall({
//         voiceUrl: 'https://calls.example.com/webhooks/twilio/voice',  // as Twilio was given it: it is signed
//         via: 'http://127.0.0.1:8080',                                 // where that host is (not given: there)
//         authToken, accountSid, from: '+12025550143', to: '+12025550100',
//     });
//     await call.streamOpen();                   // a TwilioStream: speak, dtmf, mute, marks, clears …
//     await call.played(400);                    // 400 ms of the agent were heard
//     await call.stream.speak(speechLike('I have a leaking tap.'));
//     await call.cleared();
//     await call.hangUp();                       // or drop(); gives how it ended, as call.ended does
//     assert.deepEqual(call.faults, []);
//
// More options: callSid, streamSid; statusCallback (URL: what the number's StatusCallback would be); signStream: false
// (only a ticket in the address proves the stream); sayMsPerCharacter (0: <Say> takes no time); parameters (more of the
// voice request); keepAudio: false; playDelayMs.
//
// placeCall() resolves when the voice URL has answered; it does not fail: what was wrong is in call.faults, each
// {code, what} with Twilio's error code. call.verbs tells what was executed, call.said the words of <Say>,
// call.twiml the document, call.ended how it ended: {how, status}; how is 'caller hung up', 'connection dropped',
// 'hung up' (<Hangup>), 'rejected', 'nothing more to do' (the TwiML's end) or 'failed' (no TwiML came).
// Events: 'answered', 'say', 'stream', 'callback', 'ended'; those of a stream are on call.stream.

import {createHmac, randomBytes} from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import {setTimeout as sleep} from 'node:timers/promises';
import {TwilioStream} from './twilio_stream.mjs';
import {Waiting, later} from './waiting.mjs';
import {WebSocket} from './ws.mjs';
import {elementsOf, parseXml, textOf} from './xml.mjs';

const ANSWER_MS = 15_000; // Twilio's limit
const FORM = 'application/x-www-form-urlencoded; charset=UTF-8';

export const newSid = (prefix) => prefix + randomBytes(16).toString('hex');

/** X-Twilio-Signature of a POSTed form; without parameters: of a WebSocket's address. */
export function signatureOf(authToken, url, parameters = {}) {
    const names = Object.keys(parameters).sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    const signed = url + names.map((name) => name + parameters[name]).join('');
    return createHmac('sha1', authToken).update(signed).digest('base64');
}

/** Posts bytes and gives {status, headers, body}. */
function post(url, headers, body) {
    const {request} = url.protocol === 'https:' ? https : http;
    return new Promise((resolve, reject) => {
        const asked = request(url, {
            method: 'POST',
            agent: false,
            headers: {...headers, 'Content-Length': body.length},
        });
        asked.on('response', async (response) => {
            const parts = [];
            response.on('error', reject);
            for await (const part of response) parts.push(part);
            resolve({status: response.statusCode, headers: response.headers, body: Buffer.concat(parts).toString()});
        });
        asked.on('error', reject);
        asked.setTimeout(ANSWER_MS, () => asked.destroy(new Error(`no answer within ${ANSWER_MS} ms`)));
        asked.end(body);
    });
}

/** The call is not executed further. */
class Over extends Error {
    constructor(how, status = 'completed') {
        super(how);
        Object.assign(this, {how, status});
    }
}

export class TwilioCall extends Waiting {
    faults = [];
    verbs = [];
    said = [];
    callbacks = []; // {url, parameters, status}
    twiml = null;
    response = null;
    stream = null;
    streamRefused = null; // {status, body}: what came instead of 101
    result = null;
    #ended = later();
    #startedAt = performance.now();
    #leave = null; // why the caller has left
    #leaving = new AbortController();

    constructor(options) {
        super();
        this.options = {sayMsPerCharacter: 0, signStream: true, parameters: {}, ...options};
        this.callSid = options.callSid ?? newSid('CA');
        this.streamSid = options.streamSid ?? newSid('MZ');
    }

    get ended() {
        return this.#ended.promise;
    }

    /** All that a test must find empty: of the call, and of its stream. */
    get allFaults() {
        return [...this.faults, ...(this.stream?.faults ?? [])];
    }

    fault(code, what) {
        this.faults.push({code, what});
        this.emit('fault', {code, what});
    }

    // ---- what can be waited for ----

    streamOpen(ms) {
        const open = () => this.stream ?? (this.result && Promise.reject(new Error(`no stream: ${this.result.how}`)));
        return this.until('an open stream', open, ms);
    }
    /** So much of the agent was heard, since the stream began. */
    played(heardMs, ms) {
        return this.until(`${heardMs} ms heard`, () => this.stream?.playedMs >= heardMs, ms);
    }
    cleared(count = 1, ms) {
        return this.until(
            `${count} times cleared`,
            () => this.stream?.clears.length >= count && this.stream.clears[count - 1],
            ms,
        );
    }
    /** The agent said something, and all of it was heard. */
    quiet(ms) {
        return this.until(
            'the agent to be quiet',
            () => this.stream?.playedBytes > 0 && this.stream.bufferedBytes === 0,
            ms,
        );
    }
    streamClosed(ms) {
        return this.until('the end of the stream', () => this.stream?.closed, ms);
    }

    // ---- what the caller does ----

    hangUp() {
        return this.#go('caller hung up', () => this.stream.hangUp());
    }
    drop() {
        return this.#go('connection dropped', () => this.stream.drop());
    }
    #go(how, leave) {
        this.#leave ??= how;
        this.#leaving.abort();
        if (this.stream && !this.stream.closed) leave();
        return this.ended;
    }

    // ---- HTTP ----

    /** Where an address of the public host really is. */
    #place(address) {
        const url = new URL(address);
        const {via, voiceUrl} = this.options;
        if (!via || url.host !== new URL(voiceUrl).host) return url;
        const base = new URL(via);
        const secure = base.protocol === 'https:';
        url.protocol = /^ws/.test(url.protocol) ? (secure ? 'wss:' : 'ws:') : base.protocol;
        url.hostname = base.hostname;
        url.port = base.port;
        return url;
    }

    #post(address, parameters) {
        const headers = {
            'Content-Type': FORM,
            'User-Agent': 'TwilioProxy/1.1',
            Accept: '*/*',
            'X-Twilio-Signature': signatureOf(this.options.authToken, address, parameters),
        };
        return post(this.#place(address), headers, Buffer.from(new URLSearchParams(parameters).toString()));
    }

    async #callback(address, parameters) {
        const entry = {url: address, parameters, status: null};
        this.callbacks.push(entry);
        try {
            const {status} = await this.#post(address, parameters);
            entry.status = status;
            if (status < 200 || status > 299) this.fault(11200, `${address} answered ${status}`);
        } catch (error) {
            this.fault(11200, `${address}: ${error.message}`);
        }
        this.emit('callback', entry);
        this.changed();
    }

    #parameters(more = {}) {
        const {accountSid, from, to, parameters} = this.options;
        const places = ['From', 'To', 'Caller', 'Called'].flatMap((who) =>
            ['City', 'State', 'Zip', 'Country'].map((what) => [who + what, what === 'Country' ? 'US' : '']),
        );
        return {
            CallSid: this.callSid,
            AccountSid: accountSid,
            From: from,
            To: to,
            Caller: from,
            Called: to,
            CallStatus: 'ringing',
            ApiVersion: '2010-04-01',
            Direction: 'inbound',
            ...Object.fromEntries(places),
            ...parameters,
            ...more,
        };
    }

    // ---- the call ----

    /** Asks the voice URL; the TwiML is executed behind it. */
    async ring() {
        const root = await this.#fetchTwiml();
        this.emit('answered', this.twiml);
        this.#execute(root).then((end) => this.#finish(end));
        return this;
    }

    async #fetchTwiml() {
        try {
            this.response = await this.#post(this.options.voiceUrl, this.#parameters());
        } catch (error) {
            return this.fault(11200, error.message);
        }
        const {status, headers, body} = this.response;
        if (status !== 200) return this.fault(11200, `the voice URL answered ${status}`);
        if (!/^text\/xml\b/.test(headers['content-type'] ?? ''))
            this.fault(12300, `Content-Type ${headers['content-type']}`);
        if (headers['content-length'] === undefined) this.fault(12100, 'no Content-Length');
        this.twiml = body;
        try {
            const root = parseXml(body);
            if (root.name !== 'Response') return this.fault(12100, `<${root.name}> is not <Response>`);
            if (textOf(root).trim() !== '') this.fault(12100, 'text in <Response>');
            return root;
        } catch (error) {
            return this.fault(12100, error.message);
        }
    }

    async #execute(root) {
        if (!root) return new Over('failed', 'failed');
        try {
            for (const verb of elementsOf(root)) {
                this.#checkStillThere();
                this.verbs.push({verb: verb.name, attributes: verb.attributes, text: textOf(verb)});
                const run = VERBS[verb.name];
                if (run) await run(this, verb, this.verbs.length);
                else this.fault(12200, `<${verb.name}> is not known here`);
            }
            this.#checkStillThere();
            return new Over('nothing more to do');
        } catch (error) {
            if (error instanceof Over) return error;
            throw error;
        }
    }

    #checkStillThere() {
        if (this.#leave) throw new Over(this.#leave);
    }

    async #finish({how, status}) {
        const {statusCallback} = this.options;
        const seconds = Math.round((performance.now() - this.#startedAt) / 1000);
        if (statusCallback)
            await this.#callback(
                statusCallback,
                this.#parameters({
                    CallStatus: status,
                    CallDuration: String(seconds),
                    Duration: String(Math.ceil(seconds / 60)),
                    Timestamp: new Date().toUTCString().replace('GMT', '+0000'),
                    CallbackSource: 'call-progress-events',
                    SequenceNumber: '0',
                }),
            );
        this.result = {how, status, seconds};
        this.#ended.resolve(this.result);
        this.emit('ended', this.result);
        this.changed();
    }

    // ---- verbs ----

    /** Lets time pass, unless the caller leaves. */
    #pass(ms) {
        return sleep(ms, undefined, {signal: this.#leaving.signal}).catch(() => {});
    }

    async say(verb) {
        const text = textOf(verb).trim();
        if (text === '') this.fault(13520, '<Say> without words');
        if (elementsOf(verb).length > 0) this.fault(12200, 'an element in <Say>');
        this.said.push(text);
        this.emit('say', text);
        await this.#pass(text.length * this.options.sayMsPerCharacter);
    }

    async connect(verb) {
        const [stream, ...others] = elementsOf(verb);
        if (stream?.name !== 'Stream' || others.length > 0)
            return this.fault(12200, '<Connect> holds not one <Stream>');
        const {url, statusCallback} = stream.attributes;
        const parameters = this.#streamParameters(stream);
        // Twilio takes wss only; from a voice URL of http, which Twilio is never given, a trial without TLS may go on.
        const scheme = /^http:/.test(this.options?.voiceUrl ?? "") ? /^wss?:/ : /^wss:/;
        if (!scheme.test(url ?? "") || /[?#]/.test(url)) return this.fault(31920, `<Stream url="${url}">`);
        if (statusCallback !== undefined && !/^https?:\/\//.test(statusCallback))
            this.fault(21609, `statusCallback ${statusCallback}`);
        if (!(await this.#openStream(url, parameters))) return undefined;
        const tell = (event) => statusCallback && this.#callback(statusCallback, this.#streamEvent(stream, event));
        const told = tell('stream-started');
        const {by} = await this.stream.ended.promise;
        if (by === 'us') this.#leave ??= 'caller hung up'; // a timeline's end
        await told;
        await tell('stream-stopped');
        return undefined;
    }

    #streamParameters(stream) {
        const entries = elementsOf(stream).map(({name, attributes}) => {
            if (name !== 'Parameter' || !attributes.name || attributes.value === undefined)
                this.fault(12200, `<${name}> in <Stream>`);
            if (`${attributes.name}${attributes.value}`.length >= 500) this.fault(12200, '<Parameter> is too long');
            return [attributes.name, attributes.value];
        });
        return Object.fromEntries(entries);
    }

    #streamEvent(stream, event) {
        return {
            AccountSid: this.options.accountSid,
            CallSid: this.callSid,
            StreamSid: this.streamSid,
            StreamName: stream.attributes.name ?? this.streamSid,
            StreamEvent: event,
            Timestamp: new Date().toISOString(),
        };
    }

    async #openStream(url, parameters) {
        const {authToken, accountSid, signStream, keepAudio, playDelayMs} = this.options;
        const headers = signStream ? {'X-Twilio-Signature': signatureOf(authToken, url)} : {};
        const socket = new WebSocket(this.#place(url), {
            headers,
            perMessageDeflate: false,
            handshakeTimeout: ANSWER_MS,
        });
        const ids = {accountSid, callSid: this.callSid, streamSid: this.streamSid};
        const stream = new TwilioStream(socket, ids, parameters, {keepAudio, playDelayMs}); // it must hear from the first
        const refused = await new Promise((resolve) => {
            socket.on('open', () => resolve(null));
            socket.on('error', (error) => resolve({status: null, body: error.message}));
            socket.on('unexpected-response', (_, response) => {
                response.resume();
                resolve({status: response.statusCode, body: ''});
            });
        });
        if (refused) {
            this.streamRefused = refused;
            this.fault(31920, `the stream was not let in: ${refused.status ?? refused.body}`);
            socket.terminate();
            return false;
        }
        this.stream = stream;
        stream.on('changed', () => this.changed());
        stream.begin();
        this.emit('stream', stream);
        this.changed();
        if (this.#leave) stream.hangUp();
        return true;
    }

    async pause(verb) {
        await this.#pass(1000 * Number(verb.attributes.length ?? 1));
    }

    reject(verb, nth) {
        if (nth > 1) this.fault(12200, '<Reject> must come first');
        throw new Over('rejected', verb.attributes.reason === 'busy' ? 'busy' : 'no-answer');
    }
}

const VERBS = {
    Say: (call, verb) => call.say(verb),
    Connect: (call, verb) => call.connect(verb),
    Pause: (call, verb) => call.pause(verb),
    Reject: (call, verb, nth) => call.reject(verb, nth),
    Hangup: () => {
        throw new Over('hung up');
    },
};

export function placeCall(options) {
    return new TwilioCall(options).ring();
}
