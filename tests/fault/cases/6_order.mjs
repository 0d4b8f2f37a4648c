// 6_order.mjs – every order of a call's deliveries, some of them twice, while PostgreSQL goes and comes back: the rows are
// those of the call told in order.

import {below, permutations, shuffled} from '../../integration/lib/random.mjs';
import {ALL_CALLS, makeCall} from '../lib/calls.mjs';

const ALL_UP_TO = 5; // deliveries; of longer calls a sample of their orders
const SAMPLE = 24;
const RESTARTS = 3;
const CALLS_BETWEEN = 60;

/** A call for each order, which it keeps in `order`. */
function calls(seed, {numbers, random}) {
    return Object.keys(ALL_CALLS).flatMap((provider) => {
        const {events} = makeCall(provider, seed, numbers);
        const orders = [...permutations(events.map((_, i) => i))];
        const chosen = events.length <= ALL_UP_TO ? orders : shuffled(random, orders).slice(0, SAMPLE);
        return chosen.map((order, i) => ({
            ...makeCall(provider, `${seed}-${i}`, numbers),
            order,
            hasLead: i % 2 === 0,
        }));
    });
}

/** Its deliveries in that order, and now and then one of them again. */
function chain({order, deliveries}, random) {
    const told = order.map((i) => deliveries[i]);
    if (random() < 0.3) told.splice(below(random, told.length + 1), 0, deliveries[below(random, deliveries.length)]);
    return told;
}

async function run(trial) {
    const instance = trial.instance({env: {HOOKLINE_COMMIT_DEADLINE: 0.4}});
    await instance.start();
    trial.send(shuffled(trial.random, trial.calls).map((call) => chain(call, trial.random)));
    for (let i = 0; i < RESTARTS; i++) {
        await trial.load.run(CALLS_BETWEEN / 2);
        await trial.postgres.stop();
        await trial.load.run(CALLS_BETWEEN / 2, 3000);
        await trial.postgres.start();
        trial.did('restarts of PostgreSQL');
    }
    trial.mustHurt({'restarts of PostgreSQL': RESTARTS, journaled: RESTARTS * 20});
}

export const cases = [
    {
        name: 'every order',
        about: `all orders of calls of up to ${ALL_UP_TO} deliveries, ${SAMPLE} of longer ones, and some twice`,
        calls,
        run,
    },
];
