// simulator.mjs – a provider's API over many calls that took place, in a process of its own, for bench/reconcile.mjs:
//
//     node tests/bench/simulator.mjs '{"provider": "vapi", "calls": 10000, "latencyMs": 20, "lines": 4, "hours": 20}'
//
// prints {url, calls, messages} in one line when it listens. Every answer is so much later than it would be by itself.

import {serveBeyondPresence} from '../simulators/beyond_presence_api.mjs';
import {serveTeli} from '../simulators/teli_api.mjs';
import {serveTwilio} from '../simulators/twilio_api.mjs';
import {serveVapi} from '../simulators/vapi_api.mjs';
import {createWorld} from '../simulators/world.mjs';

const SERVE = {twilio: serveTwilio, vapi: serveVapi, beyond_presence: serveBeyondPresence, teli: serveTeli};

const {provider, calls, latencyMs, lines, hours} = JSON.parse(process.argv[2]);
const MARGIN_MS = 600_000; // at the newer end; at the older one an hour: the time goes on while they are fetched
const spanMs = (hours - 1) * 3600_000 - MARGIN_MS;
const nowMs = Math.floor(Date.now() / 1000) * 1000;
const world = createWorld({seed: 'bench'});

for (let i = 0; i < calls; i++) {
    const startMs = nowMs - MARGIN_MS - Math.floor((i / calls) * spanMs / 1000) * 1000;
    const call = world.call({by: [provider], startMs, talkMs: 30_000 + (i % 60) * 1000, lines});
    call.webhooks = call.told[provider].webhooks = null; // nobody sends them: of many calls they are most of the memory
}

/** Of what is called a message: Twilio has none. */
const messages = provider === 'twilio' ? 0 : world.calls.reduce((sum, {story}) => sum + story.lines.length, 0);
const {url} = await SERVE[provider](world, {latencyMs});
process.stdout.write(`${JSON.stringify({url, calls, messages})}\n`);
