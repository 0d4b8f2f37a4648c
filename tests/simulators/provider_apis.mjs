// provider_apis.mjs – all simulated APIs in one process, with a small world of calls that took place today; for whoever has
// no keys yet, and wants to see what reconcile does:
//
//     node tests/simulators/provider_apis.mjs [CALLS]
//
// prints what hookline is to be given, a NAME=value a line, and an empty line when all of them listen; then it serves until
// it is stopped. The keys open nothing but this.

import {BEY_KEY, serveBeyondPresence} from './beyond_presence_api.mjs';
import {LIVEKIT_KEY, LIVEKIT_SECRET, serveLivekit} from './livekit_api.mjs';
import {ORGANIZATION, TELI_KEY, serveTeli} from './teli_api.mjs';
import {ACCOUNT, TOKEN, serveTwilio} from './twilio_api.mjs';
import {VAPI_KEY, serveVapi} from './vapi_api.mjs';
import {createWorld} from './world.mjs';

const CALLS = 12; // of each provider
const EVERY_MS = 7 * 60_000;

const BY = [['twilio'], ['twilio', 'vapi'], ['twilio', 'livekit'], ['beyond_presence'], ['twilio', 'teli']];

/** One in five is not answered; the last rooms are still open. */
function fill(world, count) {
    const nowMs = Math.floor(Date.now() / 1000) * 1000;
    for (let i = 0; i < count; i++)
        for (const [j, by] of BY.entries()) {
            const isLive = by.includes('livekit') && i < 2;
            world.call({
                by,
                startMs: nowMs - (i + 1) * EVERY_MS - j * 60_000,
                talkMs: isLive ? 86_400_000 : 30_000 + i * 1000,
                direction: i % 2 === 0 ? 'inbound' : 'outbound',
                outcome: i % 5 === 4 ? 'no-answer' : 'completed',
            });
        }
}

const world = createWorld({seed: 'demo'});
fill(world, Number(process.argv[2] ?? CALLS));
const [twilio, vapi, livekit, bey, teli] = await Promise.all([
    serveTwilio(world),
    serveVapi(world),
    serveLivekit(world),
    serveBeyondPresence(world),
    serveTeli(world),
]);
const settings = {
    TWILIO_API_URL: twilio.url,
    TWILIO_ACCOUNT_SID: ACCOUNT,
    TWILIO_AUTH_TOKEN: TOKEN,
    VAPI_API_URL: vapi.url,
    VAPI_API_KEY: VAPI_KEY,
    LIVEKIT_URL: livekit.url,
    LIVEKIT_API_KEY: LIVEKIT_KEY,
    LIVEKIT_API_SECRET: LIVEKIT_SECRET,
    BEY_API_URL: bey.url,
    BEY_API_KEY: BEY_KEY,
    TELI_API_URL: teli.url,
    TELI_API_KEY: TELI_KEY,
    TELI_ORGANIZATION_ID: ORGANIZATION,
};
process.stdout.write(`${Object.entries(settings).map(([name, value]) => `${name}=${value}\n`).join('')}\n`);
