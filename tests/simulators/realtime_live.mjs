// realtime_live.mjs – the live mode of realtime.mjs: hears speech, takes turns, answers from a script.
//
//     greeting: {says, audioMs, …}       what a response.create is answered with, when no turn of the caller waits
//     turns: [{heard, says, …}]          one for each turn of the caller; after the last one the script begins anew
//     vad: {onsetMs: 80, silenceMs}      how much loudness is speech; silenceMs: not the session's silence_duration_ms
//     deltaMs: 200, speed: 4             of audio in a delta; how much faster than real time it comes
//     lateDeltas: 1                      deltas that still come after the speech_started that cancels a response
//
// A turn, or the greeting:
//     heard, says       the words; audioMs: how long the answer is (not given: as long as its words)
//     tokens            total_tokens of the answer, or its whole usage (not given: counted, with the conversation so far)
//     respondAfterMs    10
//     answer: false     nothing is answered
//     fails             'insufficient_quota' or 'rate_limit_exceeded': response.done says so, and no error does
//     incomplete        'max_output_tokens' or 'content_filter': so it ends, with what was said
//     dropAfterDeltas, closeAfterDeltas    in the middle of the answer the connection breaks, or is closed by 1001
//     written           how `heard` is written down:
//                       {outcome: 'completed' | 'failed' | 'empty' | 'never' | 'twice',
//                        when: ms after the turn (60) | 'after the answer' |
//                              'with the next turn' (deltas mixed, ends swapped)}
//
// Sound is a tone that differs with each delta, so that what arrives can be compared byte for byte.

import {randomBytes} from 'node:crypto';
import {FRAME_BYTES, FRAME_MS, energy, msOf, tone} from './mulaw.mjs';
import {updatedSession} from './realtime_session.mjs';

const LOUD = 0.02;
const DELTA_MS = 200;
const WRITE_AFTER_MS = 60;
const GREETING = {says: 'Hello. How can I help?'};
const TURN = {heard: 'Hello.', says: 'I see. Tell me more.'};
const FAILURES = {
    insufficient_quota: 'You exceeded your current quota, please check your plan and billing details.',
    rate_limit_exceeded: 'Rate limit reached. Please try again later.',
};

export const newId = (prefix) =>
    `${prefix}_${randomBytes(16).toString('base64url').replace(/[-_]/g, 'x').slice(0, 21)}`;
const padding = () => randomBytes(6).toString('hex');
const wordsOf = (text) => text.match(/\s*\S+/g) ?? [];
const textTokens = (text) => Math.ceil(wordsOf(text).length * 1.4);
const textMs = (text) => Math.max(400, Math.ceil((text.length * 60) / 20) * 20);

// ---- tokens: every response repeats the conversation, which is how it is billed ----

function usageOf({tokens}, {context, output, audioMs, cached}) {
    if (tokens && typeof tokens === 'object') return tokens;
    const audio = Math.ceil(audioMs / 50);
    const out = audio + textTokens(output);
    const input = tokens ? Math.max(0, tokens - out) : context.text + context.audio;
    const inAudio = Math.min(context.audio, input);
    const total = tokens ?? input + out;
    return {
        total_tokens: total,
        input_tokens: input,
        output_tokens: total - input,
        input_token_details: {
            text_tokens: input - inAudio,
            audio_tokens: inAudio,
            image_tokens: 0,
            cached_tokens: Math.min(cached, input),
            cached_tokens_details: {text_tokens: Math.min(cached, input), audio_tokens: 0, image_tokens: 0},
        },
        output_token_details: {
            text_tokens: total - input - Math.min(audio, total - input),
            audio_tokens: Math.min(audio, total - input),
        },
    };
}

const NO_USAGE = {
    total_tokens: 0,
    input_tokens: 0,
    output_tokens: 0,
    input_token_details: {
        text_tokens: 0,
        audio_tokens: 0,
        image_tokens: 0,
        cached_tokens: 0,
        cached_tokens_details: {text_tokens: 0, audio_tokens: 0, image_tokens: 0},
    },
    output_token_details: {text_tokens: 0, audio_tokens: 0},
};

// ---- one answer ----

class Answer {
    id = newId('resp');
    itemId = newId('item');
    created = false;
    over = false;
    said = ''; // so far
    #deltas = 0;
    #words;
    #beganAt;

    constructor(live, turn) {
        this.live = live;
        this.session = live.session;
        this.turn = turn;
        this.#words = wordsOf(turn.says ?? '');
        this.audioMs = turn.audioMs ?? textMs(turn.says ?? '');
        this.count = Math.ceil(this.audioMs / live.deltaMs);
    }

    #part(more) {
        return {response_id: this.id, item_id: this.itemId, output_index: 0, content_index: 0, ...more};
    }

    #item(status) {
        const content = status === 'in_progress' ? [] : [{type: 'output_audio', transcript: this.said}];
        return {id: this.itemId, type: 'message', status, role: 'assistant', content};
    }

    #response(status, details, output, usage) {
        return {
            object: 'realtime.response',
            id: this.id,
            status,
            status_details: details,
            output,
            conversation_id: this.session.conversationId,
            output_modalities: ['audio'],
            max_output_tokens: 'inf',
            audio: {output: this.session.config.audio.output},
            usage,
            metadata: null,
        };
    }

    begin() {
        this.session.after(this.turn.respondAfterMs ?? 10, () => {
            if (this.over) return;
            this.created = true;
            this.session.send({type: 'response.created', response: this.#response('in_progress', null, [], null)});
            if (this.turn.fails) this.#fail();
            else this.session.after(10, () => this.over || this.#open());
        });
    }

    #open() {
        const {session} = this;
        this.previous = session.order.at(-1) ?? null;
        const item = this.#item('in_progress');
        session.send({type: 'response.output_item.added', response_id: this.id, output_index: 0, item});
        session.send({type: 'conversation.item.added', previous_item_id: this.previous, item});
        session.send({type: 'response.content_part.added', ...this.#part({part: {type: 'audio', transcript: ''}})});
        this.opened = true;
        this.#beganAt = performance.now();
        this.#pump();
    }

    #pump() {
        const {deltaMs, speed} = this.live;
        while (!this.over && this.#deltas < this.count) {
            const due = this.#beganAt + (this.#deltas * deltaMs) / speed;
            const wait = due - performance.now();
            if (wait > 0) return void this.session.after(wait, () => this.#pump());
            this.#delta();
        }
        if (!this.over) this.#end();
    }

    #delta() {
        const {turn, session} = this;
        const upTo = Math.ceil(((this.#deltas + 1) / this.count) * wordsOf(turn.says).length);
        const words = this.#words.splice(0, upTo - (wordsOf(turn.says).length - this.#words.length));
        for (const word of words) {
            this.said += word;
            session.send({
                type: 'response.output_audio_transcript.delta',
                ...this.#part({delta: word, obfuscation: padding()}),
            });
        }
        this.#sound();
        if (this.#deltas === turn.dropAfterDeltas) session.drop();
        if (this.#deltas === turn.closeAfterDeltas)
            session.close(1001, 'Your session hit the maximum duration of 60 minutes.');
        this.over ||= Boolean(session.closed) || [turn.dropAfterDeltas, turn.closeAfterDeltas].includes(this.#deltas);
    }

    #sound() {
        const {deltaMs} = this.live;
        const ms = Math.min(deltaMs, this.audioMs - this.#deltas * deltaMs);
        const delta = tone(ms, {hz: 300 + 20 * this.#deltas++}).toString('base64');
        this.session.send({type: 'response.output_audio.delta', ...this.#part({delta})});
    }

    #end() {
        if (this.turn.incomplete) return this.#finish('incomplete', {type: 'incomplete', reason: this.turn.incomplete});
        return this.#finish('completed', null);
    }

    #fail() {
        const {fails} = this.turn;
        const error = {type: fails, code: fails, message: FAILURES[fails] ?? fails};
        this.#done(this.#response('failed', {type: 'failed', error}, [], NO_USAGE));
    }

    /** reason: 'turn_detected' or 'client_cancelled'. */
    cancel(reason) {
        if (this.over) return;
        const details = {type: 'cancelled', reason};
        for (let i = 0; this.opened && i < this.live.lateDeltas && this.#deltas < this.count; i++) this.#sound();
        if (this.opened) return this.#finish('cancelled', details);
        if (!this.created && !this.session.options.doneWithoutCreated) return this.#forget();
        return this.#done(this.#response('cancelled', details, [], this.#usage()));
    }

    #usage() {
        const audioMs = Math.min(this.audioMs, this.#deltas * this.live.deltaMs);
        return usageOf(this.turn, {context: this.live.context, output: this.said, audioMs, cached: this.live.cached});
    }

    #finish(status, details) {
        const {session} = this;
        const usage = this.#usage();
        const itemStatus = status === 'completed' ? 'completed' : 'incomplete';
        const item = this.#item(itemStatus);
        const transcript = this.said;
        session.send({type: 'response.output_audio.done', ...this.#part()});
        session.send({type: 'response.output_audio_transcript.done', ...this.#part({transcript})});
        session.send({type: 'response.content_part.done', ...this.#part({part: {type: 'audio', transcript}})});
        session.send({type: 'conversation.item.done', previous_item_id: this.previous, item});
        session.send({type: 'response.output_item.done', response_id: this.id, output_index: 0, item});
        this.#done(this.#response(status, details, [item], usage));
    }

    #done(response) {
        const {live, session} = this;
        live.remember(response.usage);
        session.send({type: 'response.done', response});
        const rate = {name: 'tokens', limit: 40000, remaining: 40000 - response.usage.total_tokens, reset_seconds: 0.4};
        session.after(5, () => session.send({type: 'rate_limits.updated', rate_limits: [rate]}));
        this.#forget();
    }

    #forget() {
        this.over = true;
        this.live.answered(this);
    }
}

// ---- one transcription ----

class Transcription {
    constructor(session, itemId, turn, ms) {
        Object.assign(this, {session, itemId, turn, ms});
        const {outcome = 'completed'} = turn.written ?? {};
        this.outcome = outcome;
        this.text = outcome === 'empty' ? '' : (turn.heard ?? '');
        this.parts = this.#writesAtOnce() ? [this.text] : wordsOf(this.text);
    }

    #model() {
        return this.session.config.audio.input.transcription?.model ?? '';
    }
    #writesAtOnce() {
        return this.#model() === 'whisper-1';
    }
    #say(kind, more) {
        const type = `conversation.item.input_audio_transcription.${kind}`;
        this.session.send({type, item_id: this.itemId, content_index: 0, ...more});
    }

    delta() {
        if (this.parts.length > 0 && this.outcome !== 'failed')
            this.#say('delta', {delta: this.parts.shift(), obfuscation: padding()});
    }

    end() {
        if (this.outcome === 'failed') return this.#say('failed', {error: this.#error()});
        const whole = {transcript: this.text, usage: this.#usage()};
        for (let i = 0; i < (this.outcome === 'twice' ? 2 : 1); i++) this.#say('completed', whole);
        return undefined;
    }

    #error() {
        return {
            type: 'server_error',
            code: null,
            message: `Input transcription failed for item '${this.itemId}'.`,
            param: null,
        };
    }

    #usage() {
        if (this.#writesAtOnce()) return {type: 'duration', seconds: Math.ceil(this.ms / 1000)};
        const audio = Math.ceil(this.ms / 100);
        const output = textTokens(this.text);
        return {
            type: 'tokens',
            total_tokens: audio + output,
            input_tokens: audio,
            input_token_details: {text_tokens: 0, audio_tokens: audio},
            output_tokens: output,
        };
    }
}

/** All of them: their deltas in turn, their ends in the opposite order. */
function write(transcriptions) {
    const longest = Math.max(...transcriptions.map(({parts}) => parts.length));
    for (let i = 0; i < longest; i++) transcriptions.forEach((each) => each.delta());
    [...transcriptions].reverse().forEach((each) => each.end());
}

// ---- the conversation ----

export class Live {
    context = {text: 119, audio: 0};
    cached = 0;
    #vad = {positionMs: 0, loudMs: 0, quietMs: 0, itemId: null};
    #rest = Buffer.alloc(0);
    #answer = null;
    #waiting = []; // turns that are to be answered when the answer of now is over
    #turn = 0;
    #held = []; // transcriptions that wait for the next turn's
    #afterAnswer = [];

    constructor(session, options) {
        const {greeting = GREETING, turns = [TURN], vad = {}, deltaMs = DELTA_MS, speed = 4, lateDeltas = 1} = options;
        Object.assign(this, {session, options, greeting, turns, vad, deltaMs, speed, lateDeltas});
    }

    get busy() {
        return this.#answer !== null;
    }

    begin() {
        if (this.options.created === false) return;
        this.session.send({type: 'session.created', session: this.session.config});
    }

    update({session: wanted}) {
        const {session, options} = this;
        if (options.updated === false) return;
        const changed = options.updatedAs === 'pcm' ? session.config : updatedSession(session.config, wanted);
        session.after(options.latencyMs ?? 1, () => {
            session.send({type: 'session.updated', session: changed});
            if (options.bigEventBytes)
                session.send({type: 'session.future_thing', padding: 'x'.repeat(options.bigEventBytes)});
        });
    }

    truncated(what) {
        this.session.after(this.options.latencyMs ?? 1, () =>
            this.session.send({type: 'conversation.item.truncated', ...what}),
        );
    }

    // ---- hearing ----

    append(bytes) {
        this.#rest = Buffer.concat([this.#rest, bytes]);
        for (; this.#rest.length >= FRAME_BYTES; this.#rest = this.#rest.subarray(FRAME_BYTES))
            this.#hear(energy(this.#rest.subarray(0, FRAME_BYTES)) >= LOUD);
    }

    #hear(loud) {
        const vad = this.#vad;
        const settings = this.session.vad;
        vad.positionMs += FRAME_MS;
        if (!settings) return;
        if (vad.itemId === null) {
            vad.loudMs = loud ? vad.loudMs + FRAME_MS : 0;
            if (vad.loudMs >= (this.vad.onsetMs ?? 80)) this.#speechBegan(settings);
            return;
        }
        vad.quietMs = loud ? 0 : vad.quietMs + FRAME_MS;
        if (vad.quietMs >= (this.vad.silenceMs ?? settings.silence_duration_ms ?? 500)) this.#speechEnded();
    }

    #speechBegan({prefix_padding_ms: prefix = 300, interrupt_response: interrupt = true}) {
        const vad = this.#vad;
        Object.assign(vad, {
            itemId: newId('item'),
            quietMs: 0,
            startMs: Math.max(0, vad.positionMs - vad.loudMs - prefix),
        });
        this.session.send({
            type: 'input_audio_buffer.speech_started',
            audio_start_ms: vad.startMs,
            item_id: vad.itemId,
        });
        this.#waiting = [];
        if (interrupt) this.#answer?.cancel('turn_detected');
    }

    #speechEnded() {
        const {itemId, positionMs} = this.#vad;
        this.session.send({type: 'input_audio_buffer.speech_stopped', audio_end_ms: positionMs, item_id: itemId});
        this.#take(itemId, this.session.vad.create_response !== false);
    }

    /** By the client's hand: nothing is answered. */
    commit() {
        this.#take(this.#vad.itemId ?? newId('item'), false);
    }

    #take(itemId, answer) {
        const {session} = this;
        const vad = this.#vad;
        const ms = vad.positionMs - (vad.startMs ?? Math.max(0, vad.positionMs - msOf(session.uncommittedBytes)));
        const previous = session.order.at(-1) ?? null;
        const content = [{type: 'input_audio', transcript: null}];
        const item = {id: itemId, type: 'message', status: 'completed', role: 'user', content};
        Object.assign(vad, {itemId: null, startMs: undefined, loudMs: 0, quietMs: 0});
        session.uncommittedBytes = 0;
        session.send({type: 'input_audio_buffer.committed', previous_item_id: previous, item_id: itemId});
        session.send({type: 'conversation.item.added', previous_item_id: previous, item});
        session.send({type: 'conversation.item.done', previous_item_id: previous, item});
        this.context.audio += Math.ceil(ms / 100);
        const turn = this.turns[this.#turn++ % this.turns.length];
        this.#transcribe(itemId, turn, ms);
        if (answer && turn.answer !== false) this.#respond(turn);
    }

    // ---- writing down ----

    #transcribe(itemId, turn, ms) {
        const {session} = this;
        const {outcome, when = WRITE_AFTER_MS} = turn.written ?? {};
        if (!session.config.audio.input.transcription || outcome === 'never') return;
        const transcription = new Transcription(session, itemId, turn, ms);
        if (when === 'with the next turn') return void this.#held.push(transcription);
        const all = [...this.#held.splice(0), transcription];
        if (when === 'after the answer') this.#afterAnswer.push(...all);
        else session.after(when, () => write(all));
    }

    // ---- answering ----

    respond({instructions = ''}) {
        this.context.text += textTokens(instructions);
        this.#respond(this.greeting);
    }

    cancel() {
        this.#answer?.cancel('client_cancelled');
    }

    #respond(turn) {
        if (this.#answer) return void this.#waiting.push(turn);
        if (this.options.unknownEvents) this.session.send({type: 'response.future_thing', x: 1});
        this.#answer = new Answer(this, turn);
        this.#answer.begin();
    }

    remember(usage) {
        this.cached = Math.floor(usage.input_tokens / 64) * 64;
        this.context.text += usage.output_token_details.text_tokens;
        this.context.audio += usage.output_token_details.audio_tokens;
    }

    answered() {
        this.#answer = null;
        const late = this.#afterAnswer.splice(0);
        if (late.length > 0) this.session.after(10, () => write(late));
        const next = this.#waiting.shift();
        if (next) this.#respond(next);
    }
}
