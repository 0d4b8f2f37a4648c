// realtime.mjs – OpenAI's Realtime API, as far as a telephone needs it: a WebSocket server that hears a caller and
// answers in voice. Written from OpenAI's API description and published captures (github.com/openai/openai-openapi,
// schemas Realtime*, 2026-08-21), not from what talks to it, so that it can judge that.
//
//     const server = await startRealtime({turns: [{heard: 'I have a leaking tap.', says: 'Sure. …', audioMs: 3400}]});
//     … OPENAI_REALTIME_URL = server.url …
//     const session = await server.session(0);              // the first one; until(), got(type, n)
//     assert.deepEqual([server.faults, session.faults, session.errors], [[], [], []]);
//     await server.close();
//
// Two modes:
//     live (the default)    hears speech by its loudness, takes turns, answers from a script: realtime_live.mjs says what
//                           `greeting` and `turns` can be
//     timeline: [lines]     replays the `openai` lines of a file like tests/fixtures/openai-realtime/*.jsonl at their
//                           times; what depends on the other side waits for it. timeScale: 0.5 is twice as fast. The
//                           caller's part in it is TwilioStream.follow's
//
// What a session records:
//     received        every event but audio: {at, event}; sent: every event of ours: {at, event}
//     updates, truncates, creates, deletes, responseCreates, cancels, commits    those received, by kind; the first three
//                     as {event, refused}: null, or the error that came of it
//     appendedBytes, appended()     the caller's audio, byte for byte; noiseBytes: what came while the format was PCM
//     audioOf(itemId)               what was said as that item; items, order: the conversation
//     interruptions                 [{itemId, sentMs, elapsedMs}]: speech began while that item can still have been heard
//     tokens                        sum of response.done's
//     errors          [{code, message, param, about}]: every `error` that was sent
//     faults          [what]: what no client should do. Some errors come of races, and are no faults
//     closed          {code, reason, by}
//
// Options of the server, or of one session by perSession: (index) => ({…}):
//     apiKey               the only one that is right (not given: any); models: those that there are
//     refuse               'invalid_api_key', 'invalid_model', 'insufficient_quota', 'session_expired' …: 101, an error,
//                          a close
//     created: false       no session.created; updated: false: no session.updated; updatedAs: 'pcm': not what was asked
//     refuseTranscription  true, or a list of models
//     closeAfter           {ms, code, reason, error}: 1001 by default; error: true: an error event comes before it
//     dropAfterMs          the connection breaks
//     unknownEvents, bigEventBytes, fragments (frames a message is cut into), doneWithoutCreated
//     slowReadMs           nothing is read for so long once the session is ready
//     keepRecords: false   for one that runs for long: nothing but counts and faults
//     latencyMs, pingMs (20 s), tls: {key, cert}, lifeSeconds (of session.expires_at)
// And by hand, at any moment: session.send(event), drop(), close(code, reason), pauseReading(ms).

import {once} from 'node:events';
import http from 'node:http';
import https from 'node:https';
import {Live, newId} from './realtime_live.mjs';
import {MODELS, defaultSession, isTelephone, sessionFault} from './realtime_session.mjs';
import {Timeline} from './realtime_timeline.mjs';
import {msOf} from './mulaw.mjs';
import {Waiting, later} from './waiting.mjs';
import {WebSocketServer} from './ws.mjs';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const PING_MS = 20_000;
const PONG_MS = 10_000;
const LEAST_COMMIT_MS = 100;
const LONGEST_ITEM_ID = 32;

// ---- refusals: 101, an error, a close ----

const INVALID = 'invalid_request_error';
const EXPIRED = 'Your session hit the maximum duration of 60 minutes.';
const REFUSALS = {
    missing_key: [INVALID, null, 'Missing bearer or basic authentication in header', 3000, INVALID],
    invalid_api_key: [INVALID, 'invalid_api_key', 'Incorrect API key provided: sk-test***.', 3000],
    beta_api_shape_disabled: [
        INVALID,
        'beta_api_shape_disabled',
        'The Realtime Beta API is no longer supported.',
        4000,
    ],
    missing_model: [INVALID, 'missing_model', 'You must provide a model parameter.', 4000],
    invalid_model: [INVALID, 'invalid_model', 'That model is not supported in realtime mode.', 4000],
    insufficient_quota: ['insufficient_quota', 'insufficient_quota', 'You exceeded your current quota.', 4000],
    session_expired: [INVALID, 'session_expired', EXPIRED, 1001, EXPIRED],
    server_error: [
        'server_error',
        null,
        'The server had an error while processing your request.',
        1011,
        'server_error',
    ],
};

/** Which refusal this request deserves, or undefined. */
function refusalOf({headers, url}, {apiKey, models = MODELS}) {
    const model = new URL(url, 'ws://localhost').searchParams.get('model');
    if (!/^Bearer \S+$/.test(headers.authorization ?? '')) return 'missing_key';
    if (apiKey && headers.authorization !== `Bearer ${apiKey}`) return 'invalid_api_key';
    if (headers['openai-beta'] !== undefined) return 'beta_api_shape_disabled';
    if (!model) return 'missing_model';
    return models.includes(model) ? undefined : 'invalid_model';
}

// ---- one session ----

export class RealtimeSession extends Waiting {
    received = [];
    sent = [];
    updates = [];
    truncates = [];
    creates = [];
    deletes = [];
    responseCreates = [];
    cancels = [];
    commits = [];
    appendedBytes = 0;
    uncommittedBytes = 0;
    noiseBytes = 0;
    pongs = 0; // the number of the last ping that was answered
    items = new Map(); // id → {id, role, status, audio: [bytes], audioMs, firstAudioAt}
    order = [];
    interruptions = [];
    tokens = 0;
    errors = [];
    faults = [];
    closed = null;
    activeResponse = null;
    audioOut = false;
    ready = false;
    ended = later();
    #appended = [];
    #timers = new Set();
    #beganAt = performance.now();
    #by = 'them';

    constructor(socket, request, options) {
        super();
        Object.assign(this, {socket, request, options});
        this.model = new URL(request.url, 'ws://localhost').searchParams.get('model');
        this.config = defaultSession({id: newId('sess'), model: this.model, lifeSeconds: options.lifeSeconds});
        this.conversationId = newId('conv');
        socket.on('message', (data, binary) => this.#hear(data, binary));
        socket.on('close', (code, reason) => this.#onClose(code, reason.toString()));
        socket.on('error', (error) => this.fault(`a broken frame: ${error.message}`));
        this.conductor = options.timeline ? new Timeline(this, options) : new Live(this, options);
    }

    get id() {
        return this.config.id;
    }
    get keeps() {
        return this.options.keepRecords !== false;
    }
    get vad() {
        return this.config.audio.input.turn_detection;
    }
    get appendedMs() {
        return msOf(this.appendedBytes);
    }
    appended() {
        return Buffer.concat(this.#appended);
    }
    audioOf(itemId) {
        return Buffer.concat(this.items.get(itemId)?.audio ?? []);
    }
    /** Waits for the nth event of that type, and gives it. */
    got(type, nth = 1, ms) {
        const find = () => this.received.filter(({event}) => event.type === type)[nth - 1]?.event;
        return this.until(`${nth} ${type}`, find, ms);
    }
    sentOf(type) {
        return this.sent.map(({event}) => event).filter((event) => event.type === type);
    }

    // ---- in time: nothing is left when the socket is gone ----

    after(ms, work) {
        const timer = setTimeout(() => {
            this.#timers.delete(timer);
            work();
        }, ms);
        this.#timers.add(timer);
        return timer;
    }

    begin() {
        const {options} = this;
        this.#checkUpgrade();
        const refusal = options.refuse ?? refusalOf(this.request, options);
        if (refusal) return this.#refuse(refusal);
        this.#ping();
        if (options.dropAfterMs) this.after(options.dropAfterMs, () => this.drop());
        if (options.closeAfter) this.after(options.closeAfter.ms, () => this.#expire(options.closeAfter));
        return this.conductor.begin();
    }

    #checkUpgrade() {
        const {headers, url} = this.request;
        const names = [...new URL(url, 'ws://localhost').searchParams.keys()];
        if (headers['openai-beta'] !== undefined) this.fault('OpenAI-Beta was sent');
        if (headers['sec-websocket-extensions'] !== undefined)
            this.fault(`an extension was offered: ${headers['sec-websocket-extensions']}`);
        if (headers['sec-websocket-protocol'] !== undefined) this.fault('a subprotocol was offered');
        if (names.join() !== 'model') this.fault(`the query has ${names.join()}`);
    }

    #refuse(name) {
        const [type, code, message, closeCode, reason = `${INVALID}.${code}`] = REFUSALS[name];
        this.send({type: 'error', error: {type, code, message, param: null, event_id: null}});
        this.close(closeCode, reason);
    }

    #expire({code = 1001, reason = EXPIRED, error = false}) {
        if (error)
            this.send({
                type: 'error',
                error: {type: INVALID, code: 'session_expired', message: EXPIRED, param: null, event_id: null},
            });
        this.close(code, reason);
    }

    #ping() {
        let asked = 0;
        this.socket.on('pong', () => (this.pongs = asked));
        const ping = () => {
            const nth = ++asked;
            this.socket.ping();
            this.after(PONG_MS, () => this.pongs < nth && this.fault('a ping was not answered'));
            this.after(this.options.pingMs ?? PING_MS, ping);
        };
        this.after(this.options.pingMs ?? PING_MS, ping);
    }

    // ---- what we say ----

    send(event) {
        if (this.socket.readyState !== 1) return;
        const whole = {type: event.type, event_id: newId('event'), ...event};
        this.#note(whole);
        if (this.keeps) this.sent.push({at: performance.now() - this.#beganAt, event: whole});
        this.#write(JSON.stringify(whole));
        this.emit('sent', whole);
        this.changed();
    }

    #write(text) {
        const {fragments = 1} = this.options;
        const bytes = Buffer.from(text);
        const size = Math.ceil(bytes.length / fragments);
        for (let at = 0; at < bytes.length; at += size)
            this.socket.send(bytes.subarray(at, at + size), {binary: false, fin: at + size >= bytes.length});
    }

    /** What follows for the session from what it says. */
    #note(event) {
        if (event.type === 'session.created' || event.type === 'session.updated') {
            this.config = event.session;
            if (event.type === 'session.updated') this.#becomeReady();
        } else if (event.type === 'conversation.item.added') this.#addItem(event.item);
        else if (event.type === 'response.created') this.activeResponse = event.response.id;
        else if (event.type === 'response.output_audio.delta') this.#noteAudio(event);
        else if (event.type === 'input_audio_buffer.speech_started') this.#noteSpeech();
        else if (event.type === 'response.done') {
            this.activeResponse = null;
            this.tokens += event.response.usage?.total_tokens ?? 0;
        }
    }

    #becomeReady() {
        if (!this.ready && this.options.slowReadMs) this.pauseReading(this.options.slowReadMs);
        this.ready = true;
    }

    #addItem({id, role, status}) {
        this.items.set(id, {id, role, status, audio: [], audioBytes: 0, audioMs: 0, firstAudioAt: null});
        this.order.push(id);
    }

    #noteAudio({item_id, delta}) {
        const item = this.items.get(item_id);
        const bytes = Buffer.from(delta, 'base64');
        item.firstAudioAt ??= performance.now();
        if (this.keeps) item.audio.push(bytes);
        item.audioBytes += bytes.length;
        item.audioMs += msOf(bytes.length);
        this.audioOut = true;
    }

    /** The caller may still be hearing the last of what was said. */
    #noteSpeech() {
        const item = this.order.map((id) => this.items.get(id)).findLast(({audioMs}) => audioMs > 0);
        const elapsedMs = item && performance.now() - item.firstAudioAt;
        if (item && elapsedMs < item.audioMs)
            this.interruptions.push({itemId: item.id, sentMs: item.audioMs, elapsedMs});
    }

    // ---- how it ends ----

    close(code = 1000, reason = '') {
        this.#by = 'us';
        this.socket.close(code, reason);
    }

    drop() {
        this.#by = 'us';
        this.socket.terminate();
    }

    pauseReading(ms) {
        this.socket.pause();
        this.after(ms, () => this.socket.resume());
    }

    #onClose(code, reason) {
        this.#timers.forEach(clearTimeout);
        this.closed = {code, reason, by: this.#by};
        this.ended.resolve(this.closed);
        this.emit('closed', this.closed);
        this.changed();
    }

    // ---- what comes ----

    fault(what) {
        this.faults.push(what);
        this.emit('fault', what);
    }

    /** An `error` about an event of theirs. race: it can come of bad luck, and is no fault. */
    fail({code = null, message, param = null}, event = {}, {race = false} = {}) {
        const about = event.event_id ?? null;
        this.errors.push({code, message, param, about});
        if (!race) this.fault(`${event.type ?? 'a frame'}: ${message}`);
        this.send({type: 'error', error: {type: INVALID, code, message, param, event_id: about}});
    }

    #hear(data, binary) {
        if (binary)
            return this.fail({
                code: 'invalid_event',
                message: 'Expected a text WebSocket message; binary frames are not supported.',
            });
        let event;
        try {
            event = JSON.parse(data.toString());
        } catch {
            return this.fail({code: 'invalid_json', message: 'Invalid event: failed to parse JSON value.'});
        }
        const take = HANDLERS[event?.type];
        if (!take)
            return this.fail(
                {code: 'invalid_value', message: `Invalid value: '${event?.type}'.`, param: 'type'},
                event,
            );
        if (event.event_id !== undefined && (typeof event.event_id !== 'string' || event.event_id.length > 512))
            return this.fail({code: 'invalid_value', message: "Invalid 'event_id'.", param: 'event_id'}, event);
        if (this.keeps && event.type !== 'input_audio_buffer.append')
            this.received.push({at: performance.now() - this.#beganAt, event});
        take(this, event);
        this.emit('received', event);
        return this.changed();
    }

    append(event) {
        const {audio} = event;
        if (typeof audio !== 'string' || !BASE64.test(audio))
            return this.fail({code: 'invalid_value', message: "Invalid 'audio': not base64.", param: 'audio'}, event);
        const bytes = Buffer.from(audio, 'base64');
        if (!isTelephone(this.config)) {
            this.noiseBytes += bytes.length;
            return this.fault('audio was appended while the format is PCM: noise');
        }
        if (this.keeps) this.#appended.push(bytes);
        this.appendedBytes += bytes.length;
        this.uncommittedBytes += bytes.length;
        return this.conductor.append(bytes);
    }

    update(event) {
        const wrong = sessionFault(this.config, event.session, {...this.options, audioOut: this.audioOut});
        this.updates.push({event, refused: wrong});
        const expected = wrong?.param === 'session.audio.input.transcription.model' && this.options.refuseTranscription;
        if (wrong) return this.fail(wrong, event, {race: Boolean(expected)});
        return this.conductor.update(event);
    }

    commit(event) {
        this.commits.push(event);
        const ms = msOf(this.uncommittedBytes);
        if (ms >= LEAST_COMMIT_MS) return this.conductor.commit();
        const code = 'input_audio_buffer_commit_empty';
        const has = `Expected at least 100ms of audio, but buffer only has ${ms.toFixed(2)}ms of audio.`;
        return this.fail({code, message: `Error committing input audio buffer: buffer too small. ${has}`}, event, {
            race: true,
        });
    }

    createResponse(event) {
        this.responseCreates.push(event);
        if (!this.activeResponse && !this.conductor.busy) return this.conductor.respond(event.response ?? {});
        const code = 'conversation_already_has_active_response';
        const wait = 'Wait until the response is finished before creating a new one.';
        const message = `Conversation already has an active response in progress: ${this.activeResponse}. ${wait}`;
        return this.fail({code, message}, event, {race: true});
    }

    cancelResponse(event) {
        this.cancels.push(event);
        if (this.activeResponse) return this.conductor.cancel();
        return this.fail(
            {code: 'response_cancel_not_active', message: 'Cancellation failed: no active response found'},
            event,
        );
    }

    truncate(event) {
        const {item_id, content_index, audio_end_ms} = event;
        const item = this.items.get(item_id);
        const wrong = truncateFault(item, item_id, content_index, audio_end_ms);
        this.truncates.push({event, refused: wrong});
        if (wrong) return this.fail(wrong, event);
        item.audioMs = audio_end_ms;
        return this.conductor.truncated({item_id, content_index, audio_end_ms});
    }

    createItem(event) {
        const {item, previous_item_id} = event;
        const wrong = itemFault(this, item, previous_item_id);
        this.creates.push({event, refused: wrong});
        if (wrong) return this.fail(wrong, event);
        const previous = previous_item_id === 'root' ? null : (previous_item_id ?? this.order.at(-1) ?? null);
        const added = {id: item.id ?? newId('item'), status: 'completed', ...item};
        this.send({type: 'conversation.item.added', previous_item_id: previous, item: added});
        this.send({type: 'conversation.item.done', previous_item_id: previous, item: added});
        return undefined;
    }

    deleteItem(event) {
        this.deletes.push(event);
        const {item_id} = event;
        if (!this.items.delete(item_id)) return this.fail(noSuchItem('delete', item_id), event);
        this.order = this.order.filter((id) => id !== item_id);
        return this.send({type: 'conversation.item.deleted', item_id});
    }

    retrieveItem(event) {
        const item = this.items.get(event.item_id);
        if (!item) return this.fail(noSuchItem('retrieve', event.item_id), event);
        const {id, role, status} = item;
        return this.send({type: 'conversation.item.retrieved', item: {id, type: 'message', role, status, content: []}});
    }
}

const HANDLERS = {
    'session.update': (session, event) => session.update(event),
    'input_audio_buffer.append': (session, event) => session.append(event),
    'input_audio_buffer.commit': (session, event) => session.commit(event),
    'input_audio_buffer.clear': (session) => {
        session.uncommittedBytes = 0;
        session.send({type: 'input_audio_buffer.cleared'});
    },
    'response.create': (session, event) => session.createResponse(event),
    'response.cancel': (session, event) => session.cancelResponse(event),
    'conversation.item.truncate': (session, event) => session.truncate(event),
    'conversation.item.create': (session, event) => session.createItem(event),
    'conversation.item.delete': (session, event) => session.deleteItem(event),
    'conversation.item.retrieve': (session, event) => session.retrieveItem(event),
};

const noSuchItem = (verb, id) => ({
    code: `item_${verb}_invalid_item_id`,
    message: `Error: the item with id '${id}' does not exist.`,
    param: 'item_id',
});

function truncateFault(item, id, part, ms) {
    if (!item) return noSuchItem('truncate', id);
    if (item.role !== 'assistant' || item.audioBytes === 0)
        return {code: 'unsupported_content_type', message: 'Only model output audio messages can be truncated'};
    if (part !== 0) return {code: 'invalid_value', message: "Invalid 'content_index'.", param: 'content_index'};
    if (!Number.isInteger(ms) || ms < 1)
        return {code: 'invalid_value', message: "Invalid 'audio_end_ms'.", param: 'audio_end_ms'};
    if (ms > item.audioMs) return {message: `Audio content of ${item.audioMs}ms is already shorter than ${ms}ms`};
    return null;
}

const CONTENT = {
    user: ['input_text', 'input_audio', 'input_image'],
    assistant: ['output_text', 'output_audio'],
    system: ['input_text'],
};

function itemFault(session, item, previous) {
    const invalid = (param, why) => ({code: 'invalid_value', message: `Invalid '${param}': ${why}`, param});
    if (previous !== undefined && previous !== null && previous !== 'root' && !session.items.has(previous))
        return noSuchItem('create', previous);
    if (!item || typeof item !== 'object')
        return {code: 'missing_required_parameter', message: "Missing 'item'.", param: 'item'};
    if (item.id !== undefined && (typeof item.id !== 'string' || item.id.length > LONGEST_ITEM_ID))
        return invalid('item.id', `expected a string with maximum length ${LONGEST_ITEM_ID}.`);
    if (session.items.has(item.id)) return invalid('item.id', 'it is there already.');
    if (item.type === 'function_call_output') return null;
    if (item.type !== 'message') return invalid('item.type', `${item.type}`);
    if (!CONTENT[item.role]) return invalid('item.role', `${item.role}`);
    if (!Array.isArray(item.content) || item.content.length === 0) return invalid('item.content', 'empty');
    const wrong = item.content.findIndex(
        (c) => !CONTENT[item.role].includes(c?.type) || (/_text$/.test(c.type) && typeof c.text !== 'string'),
    );
    return wrong < 0 ? null : invalid(`item.content[${wrong}]`, `${item.content[wrong]?.type} of ${item.role}`);
}

// ---- the server ----

export class RealtimeServer extends Waiting {
    sessions = [];

    constructor(options = {}) {
        super();
        this.options = options;
    }

    async listen(port = 0, host = '127.0.0.1') {
        const {tls} = this.options;
        this.http = tls ? https.createServer(tls) : http.createServer();
        this.http.on('request', (_, response) => response.writeHead(404).end());
        this.wss = new WebSocketServer({server: this.http, path: '/v1/realtime', perMessageDeflate: false});
        this.wss.on('connection', (socket, request) => this.#accept(socket, request));
        this.http.listen(port, host);
        await once(this.http, 'listening');
        this.port = this.http.address().port;
        this.url = `${tls ? 'wss' : 'ws'}://${host}:${this.port}/v1/realtime`;
        return this;
    }

    #accept(socket, request) {
        const {perSession, ...options} = this.options;
        const session = new RealtimeSession(socket, request, {...options, ...perSession?.(this.sessions.length)});
        session.on('changed', () => this.changed());
        if (!session.keeps) session.on('closed', () => this.#forget(session));
        this.sessions.push(session);
        this.emit('session', session);
        session.begin();
        this.changed();
    }

    #forget(session) {
        this.sessions = this.sessions.filter((each) => each !== session);
    }

    /** Waits for the session of that number, counted from 0 in the order of their connections. */
    session(index = 0, ms) {
        return this.until(`session ${index}`, () => this.sessions[index], ms);
    }

    /** Of all sessions. */
    get faults() {
        return this.sessions.flatMap(({faults}) => faults);
    }
    get tokens() {
        return this.sessions.reduce((sum, {tokens}) => sum + tokens, 0);
    }

    async close() {
        for (const session of this.sessions) session.drop();
        this.wss.close();
        this.http.closeAllConnections?.();
        await new Promise((resolve) => this.http.close(resolve));
    }
}

export const startRealtime = (options = {}) => new RealtimeServer(options).listen(options.port, options.host);
