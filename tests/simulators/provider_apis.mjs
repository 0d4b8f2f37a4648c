// provider_apis.mjs – all simulated APIs in one process, with a small world of calls that took place today; for whoever has
// no keys yet, and wants to see what reconcile does:
//
//     node tests/simulators/provider_apis.mjs [CALLS]
//
//     CALLS           of each provider (12)
//     --host HOST     where they listen (127.0.0.1)
//     --ports A,…     of twilio, vapi, livekit, beyond_presence and teli (free ones)
//     --before TIME   in epoch seconds: the newest call is of that time. The same time and CALLS make the same calls
//
// prints what hookline is to be given, a NAME=value a line, and an empty line when all of them listen; then it serves until
// it is stopped. The keys open nothing but this: they are "simulated", but for what hookline has for its webhooks anyway:
// TWILIO_ACCOUNT_SID, LIVEKIT_API_KEY and LIVEKIT_API_SECRET, which may be given in the environment and are not printed then.

import {parseArgs} from 'node:util';
import {serveBeyondPresence} from './beyond_presence_api.mjs';
import {LIVEKIT_KEY, LIVEKIT_SECRET, serveLivekit} from './livekit_api.mjs';
import {serveTeli} from './teli_api.mjs';
import {ACCOUNT, serveTwilio} from './twilio_api.mjs';
import {serveVapi} from './vapi_api.mjs';
import {createWorld} from './world.mjs';

const CALLS = 12;
const EVERY_MS = 7 * 60_000;
const KEY = 'simulated';

const BY = [['twilio'], ['twilio', 'vapi'], ['twilio', 'livekit'], ['beyond_presence'], ['twilio', 'teli']];

/** One in five is not answered. Two rooms are still open a day later; nobody called them by telephone. */
function fill(world, count, beforeMs) {
    for (let i = 0; i < count; i++)
        for (const [j, by] of BY.entries()) {
            const isLive = by.includes('livekit') && i < 2;
            world.call({
                by: isLive ? ['livekit'] : by,
                startMs: beforeMs - (i + 1) * EVERY_MS - j * 60_000,
                talkMs: isLive ? 86_400_000 : 30_000 + i * 1000,
                direction: i % 2 === 0 ? 'inbound' : 'outbound',
                outcome: !isLive && i % 5 === 4 ? 'no-answer' : 'completed',
            });
        }
}

const {values, positionals} = parseArgs({
    allowPositionals: true,
    options: {
        host: {type: 'string', default: '127.0.0.1'},
        ports: {type: 'string', default: '0,0,0,0,0'},
        before: {type: 'string', default: String(Math.floor(Date.now() / 1000))},
    },
});
const {TWILIO_ACCOUNT_SID, LIVEKIT_API_KEY, LIVEKIT_API_SECRET} = process.env;
const given = {TWILIO_ACCOUNT_SID, LIVEKIT_API_KEY, LIVEKIT_API_SECRET};
const account = TWILIO_ACCOUNT_SID || ACCOUNT;
const livekitKey = LIVEKIT_API_KEY || LIVEKIT_KEY;
const livekitSecret = LIVEKIT_API_SECRET || LIVEKIT_SECRET;

const world = createWorld({seed: 'demo', account});
fill(world, Number(positionals[0] ?? CALLS), Number(values.before) * 1000);
const [twilio, vapi, livekit, bey, teli] = await Promise.all(
    [
        [serveTwilio, {key: KEY, token: KEY}],
        [serveVapi, {key: KEY}],
        [serveLivekit, {key: livekitKey, secret: livekitSecret}],
        [serveBeyondPresence, {key: KEY}],
        [serveTeli, {key: KEY}],
    ].map(([serve, keys], i) => serve(world, {...keys, host: values.host, port: Number(values.ports.split(',')[i])})),
);
const settings = {
    TWILIO_API_URL: twilio.url,
    TWILIO_ACCOUNT_SID: account,
    TWILIO_API_KEY: KEY,
    TWILIO_API_SECRET: KEY,
    VAPI_API_URL: vapi.url,
    VAPI_API_KEY: KEY,
    LIVEKIT_URL: livekit.url,
    LIVEKIT_API_KEY: livekitKey,
    LIVEKIT_API_SECRET: livekitSecret,
    BEY_API_URL: bey.url,
    BEY_API_KEY: KEY,
    TELI_API_URL: teli.url,
    TELI_API_KEY: KEY,
    TELI_ORGANIZATION_ID: KEY,
};
const told = Object.entries(settings).filter(([name]) => !given[name]);
process.stdout.write(`${told.map(([name, value]) => `${name}=${value}\n`).join('')}\n`);
