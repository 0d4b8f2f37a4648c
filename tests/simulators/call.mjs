#!/usr/bin/env node
// call.mjs – calls hookline without a telephone: what Twilio would do for a caller, on this machine.
//
//     node tests/simulators/call.mjs --url http://127.0.0.1:8080 --auth-token TOKEN \
//         --to +12025550100 --say 'I have a leaking tap.' --say 'Thank you, goodbye.'
//
//     --url URL            where hookline listens (HOOKLINE_LISTEN)
//     --public-url URL     what it calls itself, HOOKLINE_PUBLIC_URL there: signatures are made with it (--url)
//     --path PATH          of the voice URL (/webhooks/twilio/voice); --status-path of the status callback (/webhooks/twilio)
//     --auth-token TOKEN   TWILIO_AUTH_TOKEN; --account-sid AC… TWILIO_ACCOUNT_SID
//     --call-sid CA…       the call's SID, where somebody else wants to know it (a new one)
//     --to, --from         numbers: which of yours is called, and who calls
//     --say TEXT           what the caller says, when the agent has finished; several are said one after the other
//     --wav FILE           the same from a file: 16 bits, 8000 Hz or more
//     --impatient          the caller does not let the agent finish
//     --hang-up-after S    at the latest; without it the caller hangs up when the last answer was heard
//
// Words are spoken by espeak-ng where it is installed; without it there is a hum as long as the words. It needs Node 18 and
// the WebSocket library: npm ci --prefix tests, or Debian's package node-ws. The exit code is 0 when the call went well,
// 1 when something was wrong with it, 2 when it was not asked for in the right way.

import {readFileSync} from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {fromWav, msOf, speak} from './mulaw.mjs';
import {TwilioCall} from './twilio_call.mjs';

const FOR_EVER_MS = 3_600_000;
const PATIENCE_MS = 15_000; // with an agent that says nothing
const PAUSE_MS = 700; // of the agent, that ends its turn
const INTERRUPT_MS = 1000; // of its words, before an impatient caller speaks

const OPTIONS = {
    url: {type: 'string'},
    'public-url': {type: 'string'},
    path: {type: 'string', default: '/webhooks/twilio/voice'},
    'status-path': {type: 'string', default: '/webhooks/twilio'},
    'auth-token': {type: 'string'},
    'account-sid': {type: 'string'},
    'call-sid': {type: 'string'},
    to: {type: 'string', default: '+12025550100'},
    from: {type: 'string', default: '+12025550143'},
    say: {type: 'string', multiple: true, default: []},
    wav: {type: 'string', multiple: true, default: []},
    impatient: {type: 'boolean', default: false},
    'hang-up-after': {type: 'string'},
    help: {type: 'boolean', default: false},
};

const began = performance.now();
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
const say = (text) => console.log(`${seconds(performance.now() - began).padStart(7)}  ${text}`);

function usage(why) {
    if (why) console.error(`call.mjs: ${why}\n`);
    const head = readFileSync(fileURLToPath(import.meta.url), 'utf8').split('\n');
    const end = head.findIndex((line, i) => i > 0 && !line.startsWith('//'));
    (why ? console.error : console.log)(
        head
            .slice(1, end)
            .join('\n')
            .replace(/^\/\/ ?/gm, ''),
    );
    process.exit(why ? 2 : 0);
}

/** Of HOOKLINE_LISTEN: the first address, as one can connect to it. */
function addressOf(listen) {
    if (!listen) return undefined;
    const [first] = listen.split(/[\s,]+/);
    const [, host, port] = /^(.*?):?(\d+)$/.exec(first) ?? [];
    return port && `http://${['', '*', '0.0.0.0', '[::]'].includes(host) ? '127.0.0.1' : host}:${port}`;
}

function settings() {
    let values;
    try {
        ({values} = parseArgs({options: OPTIONS}));
    } catch (error) {
        return usage(error.message);
    }
    if (values.help) return usage();
    const {env} = process;
    const url = values.url ?? addressOf(env.HOOKLINE_LISTEN);
    const authToken = (values['auth-token'] ?? env.TWILIO_AUTH_TOKEN)?.split(',')[0];
    if (!url) return usage('--url is missing');
    if (!authToken) return usage('--auth-token is missing');
    return {
        ...values,
        url: url.replace(/\/$/, ''),
        publicUrl: (values['public-url'] ?? env.HOOKLINE_PUBLIC_URL ?? url).replace(/\/$/, ''),
        authToken,
        accountSid: values['account-sid'] ?? env.TWILIO_ACCOUNT_SID ?? `AC${'0'.repeat(32)}`,
        hangUpMs: values['hang-up-after'] && 1000 * Number(values['hang-up-after']),
    };
}

/** [{words, bytes}]: what the caller will say. */
async function utterances({say: texts, wav}) {
    const spoken = await Promise.all(texts.map(async (text) => ({words: `“${text}”`, bytes: await speak(text)})));
    return [...spoken, ...wav.map((file) => ({words: file, bytes: fromWav(readFileSync(file))}))];
}

// ---- what is printed ----

function tellOfStream(stream) {
    let said = 0; // ms until the end of what was told
    say('the stream is open');
    stream.on('clear', ({clearedMs}) => say(`  the agent falls silent: ${seconds(clearedMs)} were not heard`));
    stream.on('changed', () => {
        if (stream.bufferedBytes > 0 || stream.playedMs === said) return;
        say(`  the agent spoke ${seconds(stream.playedMs - said)}`);
        said = stream.playedMs;
    });
}

function tellOf(call) {
    call.on('answered', (twiml) => twiml && say(`answered: TwiML, ${Buffer.byteLength(twiml)} bytes`));
    call.on('say', (text) => say(`  greeting: “${text}”`));
    call.on('stream', tellOfStream);
    call.on('fault', ({code, what}) => say(`  WRONG (${code}): ${what}`));
}

// ---- the caller ----

/** The agent said something, and then nothing for a while; false when nothing comes. */
async function agentFinished(call, heardBefore) {
    const {stream} = call;
    const quiet = () => stream.playedMs > heardBefore && stream.bufferedBytes === 0;
    try {
        for (;;) {
            await call.until('the agent', () => stream.closed || quiet(), PATIENCE_MS);
            const heard = stream.playedMs;
            await sleep(PAUSE_MS);
            if (stream.closed || (quiet() && stream.playedMs === heard)) return stream.playedMs > heardBefore;
        }
    } catch {
        return false;
    }
}

async function agentSpeaks(call, heardBefore) {
    const {stream} = call;
    const enough = () => stream.closed || stream.playedMs >= heardBefore + INTERRUPT_MS;
    await call.until('the agent', enough, PATIENCE_MS).catch(() => {});
}

async function converse(call, said, {impatient, hangUpMs}) {
    const {stream} = call;
    const wait = impatient ? agentSpeaks : agentFinished;
    let heard = 0;
    let answered = await (said.length > 0 ? wait : agentFinished)(call, heard);
    for (const [i, {words, bytes}] of said.entries()) {
        if (stream.closed) return;
        say(`  caller: ${words}${stream.bufferedBytes > 0 ? ' (barges in)' : ''}`);
        await stream.speak(bytes);
        heard = stream.playedMs;
        answered = await (i === said.length - 1 ? agentFinished : wait)(call, heard);
    }
    if (stream.closed) return;
    if (answered === false && said.length > 0) call.fault(0, 'the caller spoke, and nobody answered');
    if (!hangUpMs) {
        say('the caller hangs up');
        call.hangUp();
    }
}

async function run() {
    const wanted = settings();
    const said = await utterances(wanted);
    const {url, publicUrl, authToken, accountSid, from, to} = wanted;
    say(`${from} calls ${to}: ${publicUrl}${wanted.path}`);
    const statusCallback = wanted['status-path'] && publicUrl + wanted['status-path'];
    const voiceUrl = publicUrl + wanted.path;
    const call = new TwilioCall({
        voiceUrl,
        via: url,
        authToken,
        accountSid,
        callSid: wanted['call-sid'],
        from,
        to,
        statusCallback,
        sayMsPerCharacter: 55,
    });
    tellOf(call);
    await call.ring();
    const late = wanted.hangUpMs && setTimeout(() => (say('the caller hangs up'), call.hangUp()), wanted.hangUpMs);
    await Promise.race([call.streamOpen(FOR_EVER_MS).catch(() => {}), call.ended]);
    const talk = call.stream && converse(call, said, wanted);
    const {how, status} = await call.ended;
    clearTimeout(late);
    await talk;
    report(call, how, status);
}

function report({allFaults, stream, callSid}, how, status) {
    const carried = stream ? `, ${seconds(msOf(stream.playedBytes))} of the agent heard` : '';
    say(`ended: ${how} (${status})${carried}; ${callSid}`);
    if (stream?.closed.by === 'them')
        say(`  the stream was closed by the other side: ${stream.closed.code} ${stream.closed.reason}`);
    if (stream?.closed.error === 31903) allFaults.push({code: 31903, what: 'the other side of the stream vanished'});
    allFaults.forEach(({code, what}) => say(`  wrong: ${what}${code ? ` (Twilio's error ${code})` : ''}`));
    process.exitCode = allFaults.length > 0 ? 1 : 0;
}

await run();
