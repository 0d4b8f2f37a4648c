#!/usr/bin/env node
// realtime_server.mjs – OpenAI's Realtime API on this machine, without OpenAI: hears by loudness, answers with tones from a
// script, and writes down what the script says. For trying hookline's bridge, and for measuring it.
//
//     node tests/simulators/realtime_server.mjs --listen 127.0.0.1:9090
//     OPENAI_API_KEY=sk-test OPENAI_REALTIME_URL=ws://127.0.0.1:9090/v1/realtime hookline serve …
//
//     --listen HOST:PORT   where (127.0.0.1:0: a free port; the address is printed)
//     --script FILE        JSON: {"greeting": {…}, "turns": [{"heard": …, "says": …, …}, …], …}, the options of realtime.mjs
//                          and realtime_live.mjs; not given: a plumber's telephone
//     --quiet              prints the address only
//
// It needs Node 18 and the WebSocket library: npm ci --prefix tests, or Debian's package node-ws.

import {readFileSync} from 'node:fs';
import {parseArgs} from 'node:util';
import {startRealtime} from './realtime.mjs';

const PLUMBER = {
    greeting: {says: 'Thanks for calling Acme Plumbing. How can I help?', audioMs: 2600},
    turns: [
        {
            heard: 'I have a leaking tap.',
            says: 'Sure. A leaking tap usually needs a new washer, and we charge ninety dollars. When should we come?',
            audioMs: 5200,
        },
        {heard: 'Can you come tomorrow?', says: 'Yes, tomorrow at nine works. May I have your name?', audioMs: 2800},
        {heard: 'My name is Ada.', says: 'Thank you, Ada. See you tomorrow at nine. Goodbye.', audioMs: 2600},
    ],
};

const WORTH_TELLING = {
    'session.updated': () => 'ready',
    'input_audio_buffer.speech_started': ({audio_start_ms: ms}) => `the caller speaks (since ${ms} ms)`,
    'input_audio_buffer.speech_stopped': ({audio_end_ms: ms}) => `… until ${ms} ms`,
    'conversation.item.input_audio_transcription.completed': ({transcript}) => `  heard: “${transcript}”`,
    'response.output_audio_transcript.done': ({transcript}) => `  said: “${transcript}”`,
    'response.done': ({response}) => `  ${response.status}, ${response.usage.total_tokens} tokens`,
    'conversation.item.truncated': ({audio_end_ms: ms}) => `  cut off after ${ms} ms`,
    error: ({error}) => `  error: ${error.message}`,
};

function tellOf(session, index) {
    const say = (text) => console.log(`${index}: ${text}`);
    say(`connected, ${session.model}`);
    session.on('sent', (event) => WORTH_TELLING[event.type] && say(WORTH_TELLING[event.type](event)));
    session.on('fault', (what) => say(`  WRONG: ${what}`));
    session.on('closed', ({code}) => say(`closed (${code}): ${session.tokens} tokens, ${session.appendedMs} ms heard`));
}

const {values} = parseArgs({
    options: {
        listen: {type: 'string', default: '127.0.0.1:0'},
        script: {type: 'string'},
        quiet: {type: 'boolean', default: false},
    },
});
const [, host, port] = /^(.+):(\d+)$/.exec(values.listen) ?? [];
if (!host) throw new Error(`--listen ${values.listen}: HOST:PORT is expected`);
const script = values.script ? JSON.parse(readFileSync(values.script, 'utf8')) : PLUMBER;
const server = await startRealtime({keepRecords: false, ...script, host, port: Number(port)});
console.log(`listening on ${server.url}`);
let sessions = 0;
if (!values.quiet) server.on('session', (session) => tellOf(session, sessions++));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close().then(() => process.exit(0)));
