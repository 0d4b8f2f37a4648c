// world.mjs – calls that took place, as everybody who had a part in them would tell it: what a provider's webhooks say of
// a call, and what its API says of the same one, come of one story.
//
//     const world = createWorld({seed: 'demo'});
//     const call = world.call({by: ['twilio', 'vapi'], startMs, talkMs: 30_000, lines: 4});
//     call.webhooks            [{provider, name, atMs, …}], in the order in which they are sent; not signed
//     call.told.vapi.object    what Vapi's API has
//     await serveVapi(world)   the API itself (vapi_api.mjs)
//     world.lagMs = 0          from now on it knows everything at once
//
// A story: {n, startMs, answeredMs, endMs, direction, outcome, customer, ours, callSid, name, lines, recorded, summary}.
// Times are epoch ms in whole seconds, but for lines. outcome: completed, no-answer, busy. What is not over at world.now()
// goes on still; with lagMs an API knows what happened only so much later (they are all eventually consistent).

import {createHash} from 'node:crypto';
import {tellBeyondPresence} from './beyond_presence_api.mjs';
import {tellLivekit} from './livekit_api.mjs';
import {tellTeli} from './teli_api.mjs';
import {ACCOUNT, tellTwilio} from './twilio_api.mjs';
import {tellVapi} from './vapi_api.mjs';

const TELLERS = {
    twilio: tellTwilio,
    vapi: tellVapi,
    livekit: tellLivekit,
    beyond_presence: tellBeyondPresence,
    teli: tellTeli,
};

const SAID = {
    agent: ['Thanks for calling, how can I help?', 'Sure, which day suits you?', 'Friday at nine is free.', 'You are welcome – goodbye!'],
    person: ['Hi, I would like to move my cleaning.', 'Could it be Friday?', 'Perfect, thank you. Grüße an alle!', 'No, that was all.'],
};

/** Telephone numbers that are kept for fiction: 555-0100 to 555-0199 of one area code after the other, but for 202. */
const phoneNumber = (n) => `+1${203 + (Math.floor(n / 100) % 780)}55501${String(n % 100).padStart(2, '0')}`;
export const OUR_NUMBER = '+12025550100';

/** account: of Twilio's calls. */
export function createWorld({seed = 'world', now = Date.now, lagMs = 0, account = ACCOUNT} = {}) {
    const calls = [];
    const byId = new Map(); // provider, its id of the call → what is told of it
    const hex = (name, digits) => createHash('sha256').update(`${seed}/${name}`).digest('hex').slice(0, digits);
    const uuid = (name) => {
        const h = hex(name, 32);
        return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-a${h.slice(17, 20)}-${h.slice(20)}`;
    };
    const tools = {seed, hex, uuid, account};

    const call = ({by, ...given}) => {
        const story = tellStory(calls.length, given, tools);
        const told = Object.fromEntries(by.map((provider) => [provider, TELLERS[provider](story, tools)]));
        const webhooks = by
            .flatMap((provider) => told[provider].webhooks.map((webhook) => ({provider, ...webhook})))
            .sort((a, b) => a.atMs - b.atMs);
        const made = {story, told, webhooks};
        calls.push(made);
        for (const provider of by) byId.set(`${provider} ${told[provider].providerCallId}`, told[provider]);
        return made;
    };
    const whole = new Map(); // provider → {count, lagMs, list}: what was known when nothing was unknown
    const world = {
        call,
        calls,
        account,
        now,
        lagMs,
        /** What the API of a provider knows by now, in the order in which the calls were made; not to be changed. */
        known: (provider) => {
            const before = whole.get(provider);
            if (before?.count === calls.length && before.lagMs === world.lagMs) return before.list;
            const all = calls.map(({told}) => told[provider]).filter(Boolean);
            const list = all.filter(({knownFromMs}) => knownFromMs + world.lagMs <= now());
            if (list.length === all.length) whole.set(provider, {count: calls.length, lagMs: world.lagMs, list});
            return list;
        },
        /** One of them; undefined: it is not known. */
        find: (provider, id) => {
            const told = byId.get(`${provider} ${id}`);
            return told && told.knownFromMs + world.lagMs <= now() ? told : undefined;
        },
    };
    return world;
}

function tellStory(n, given, tools) {
    const startMs = given.startMs ?? Date.now() - 3600_000;
    const outcome = given.outcome ?? 'completed';
    const answeredMs = outcome === 'completed' ? startMs + 4000 : null;
    const talkMs = given.talkMs ?? 30_000;
    return {
        n,
        startMs,
        outcome,
        answeredMs,
        endMs: outcome === 'completed' ? answeredMs + talkMs : startMs + 20_000,
        direction: given.direction ?? 'inbound',
        customer: given.customer ?? phoneNumber(n),
        ours: OUR_NUMBER,
        callSid: given.callSid ?? `CA${tools.hex(`call ${n}`, 32)}`,
        name: given.name ?? `Zoë Nº ${n}`,
        agent: given.agent,
        extracted: given.extracted,
        recorded: given.recorded ?? true,
        lines: answeredMs === null ? [] : linesOf(given.lines ?? 4, answeredMs, talkMs),
        summary: `Call ${n}: an appointment was moved to Friday.`,
    };
}

/** They speak in turn, and are done before the call ends. */
function linesOf(count, answeredMs, talkMs) {
    const turnMs = Math.floor(talkMs / (count + 1));
    return Array.from({length: count}, (_, i) => {
        const who = i % 2 === 0 ? 'agent' : 'person';
        const atMs = answeredMs + 137 + i * turnMs;
        return {who, text: SAID[who][Math.floor(i / 2) % SAID[who].length], atMs, untilMs: atMs + Math.floor(turnMs * 0.8)};
    });
}
