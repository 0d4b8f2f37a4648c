// 2_process.mjs – what happens to hookline itself while deliveries come: it is killed, ended, doubled.

import {shuffled} from '../../integration/lib/random.mjs';
import {mixedCalls, scattered} from '../lib/calls.mjs';
import {recordsLeftBehind} from '../lib/journal_files.mjs';

const DEADLINE_S = 0.4;
const STEP = 24;
const END_MS = 20_000; // of a SIGTERM, at most

const cases = [];
const add = (name, about, run, more = {}) => cases.push({name, about, run, ...more});

async function start(trial, env = {}) {
    const instance = trial.instance({env: {HOOKLINE_COMMIT_DEADLINE: DEADLINE_S, ...env}});
    await instance.start();
    trial.send(scattered(trial.random, trial.deliveries));
    return instance;
}

add('hookline killed', 'SIGKILL at random moments, PostgreSQL being up, down, or about to go', async (trial) => {
    const rounds = 6;
    const instance = await start(trial);
    for (let i = 0; i < rounds; i++) {
        await trial.load.run(trial.between(5, STEP));
        if (i % 2 === 1) {
            await trial.postgres.stop();
            await trial.load.run(trial.between(5, STEP), 2000);
        }
        await instance.look();
        await instance.kill();
        if (i % 4 === 3) await trial.postgres.start();
        await instance.start();
        await trial.load.run(trial.between(5, STEP / 2), 2000);
        await trial.postgres.start();
    }
    trial.mustHurt({deaths: rounds, journaled: 10});
});

add('both killed', 'PostgreSQL and hookline at the same moment; hookline is back first', async (trial) => {
    const rounds = 4;
    await trial.database.commitLater();
    const instance = await start(trial);
    for (let i = 0; i < rounds; i++) {
        await trial.load.run(trial.between(STEP / 2, STEP));
        await Promise.all([trial.postgres.kill(), instance.kill()]);
        trial.did('kills of PostgreSQL');
        await instance.start();
        await trial.load.run(trial.between(STEP / 2, STEP), 2000);
        await trial.postgres.start();
    }
    trial.mustHurt({deaths: rounds, 'kills of PostgreSQL': rounds, journaled: rounds});
});

add('hookline ended', 'SIGTERM under load, PostgreSQL being up or down; the exit code is 0', async (trial) => {
    const rounds = 4;
    const instance = await start(trial, {HOOKLINE_DRAIN_DEADLINE: 5});
    for (let i = 0; i < rounds; i++) {
        await trial.load.run(trial.between(STEP / 2, STEP));
        if (i % 2 === 1) {
            await trial.postgres.stop();
            await trial.load.run(trial.between(1, STEP), 2000);
        }
        const began = performance.now();
        await instance.look();
        const {code, signal} = await instance.terminate();
        const took = Math.round(performance.now() - began);
        if (code !== 0) trial.problem(`SIGTERM, round ${i}: ${signal ?? `exit code ${code}`} after ${took} ms`);
        if (took > END_MS) trial.problem(`SIGTERM, round ${i}: it took ${took} ms`);
        trial.did('ends');
        await instance.start();
        if (i % 2 === 1) await trial.load.run(trial.between(1, STEP), 2000);
        await trial.postgres.start();
    }
    trial.mustHurt({ends: rounds, journaled: 2});
});

add(
    'two instances',
    'most deliveries to both at once, on one data folder; one is killed, then the other; one for good',
    async (trial) => {
        const rounds = 4;
        const dataDir = trial.folder();
        const env = {HOOKLINE_COMMIT_DEADLINE: DEADLINE_S};
        const both = [trial.instance({dataDir, env}), trial.instance({dataDir, env})];
        await Promise.all(both.map((instance) => instance.start()));
        // Some go to one of them alone: there the other one cannot hide a loss.
        const chains = shuffled(trial.random, trial.deliveries).flatMap((delivery) =>
            trial.random() < 0.3
                ? [toOne(delivery, trial.between(0, 1))]
                : [toOne({...delivery, copyOf: delivery}, 0), toOne({...delivery, copyOf: delivery}, 1)],
        );
        trial.send(chains);
        for (let i = 0; i < rounds; i++) {
            await trial.load.run(2 * STEP);
            if (i >= 2) {
                await trial.postgres.stop();
                await trial.load.run(2 * STEP, 2000);
            }
            await both[i % 2].look();
            await both[i % 2].kill();
            await trial.postgres.start();
            await trial.load.run(STEP, 2000);
            await both[i % 2].start();
        }
        // The last one never comes back: the other one finds its journal.
        await trial.postgres.stop();
        await trial.load.run(3 * STEP, 2000);
        await both[0].look();
        await both[0].retire();
        trial.did('left behind', recordsLeftBehind(dataDir));
        await trial.postgres.start();
        trial.mustHurt({deaths: rounds + 1, journaled: 10, 'left behind': 1});
    },
    {calls: (seed, {numbers}) => mixedCalls(seed, 16, numbers)},
);

function toOne(delivery, to) {
    return Object.assign([delivery], {to});
}

export {cases};
