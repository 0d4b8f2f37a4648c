// 5_clock.mjs – hookline's clock is set back and forward while deliveries come, as by an operator or a bad time server.
//
// By libfaketime, which reads from a file how far the clock is off. The monotonic clock stays true, as the kernel's does.
// Steps stay within what signatures with a time tolerate: LiveKit's tokens a minute back, agents' five minutes.

import {existsSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {scattered} from '../lib/calls.mjs';

const STEPS_S = [0, 240, -45, 120, -50, 230, 0];
const STEP = 20;

const LIBRARY = readdirSync('/usr/lib', {withFileTypes: true})
    .filter((entry) => entry.isDirectory())
    .map((entry) => join('/usr/lib', entry.name, 'faketime/libfaketimeMT.so.1'))
    .find((path) => existsSync(path));

async function run(trial) {
    const clock = join(trial.folder('clock'), 'offset');
    const set = (seconds) => writeFileSync(clock, `${seconds < 0 ? '' : '+'}${seconds}s\n`);
    set(STEPS_S[0]);
    const instance = trial.instance({
        env: {
            HOOKLINE_COMMIT_DEADLINE: 0.4,
            FAULT_RUN_PRELOAD: LIBRARY,
            FAKETIME_TIMESTAMP_FILE: clock,
            FAKETIME_NO_CACHE: 1,
            FAKETIME_DONT_FAKE_MONOTONIC: 1,
            DONT_FAKE_MONOTONIC: 1,
        },
    });
    await instance.start();
    trial.send(scattered(trial.random, trial.deliveries));
    for (const [i, seconds] of STEPS_S.entries()) {
        set(seconds);
        trial.did('clock set');
        await trial.load.run(STEP);
        if (i % 2 === 0) continue;
        // What is journaled before a step drains after it.
        await trial.postgres.stop();
        await trial.load.run(STEP / 2, 2000);
        set(STEPS_S[i + 1]);
        await trial.load.run(STEP / 2, 2000);
        await trial.postgres.start();
    }
    await instance.drain();
    const spread = 'SELECT extract(epoch FROM max(received_at) - min(received_at))::integer FROM call_events';
    trial.did('seconds between its clocks', await trial.database.value(spread));
    trial.mustHurt({'seconds between its clocks': 200, journaled: 2 * STEP});
}

export const cases = [
    {
        name: 'clock set',
        about: 'back and forward by minutes, PostgreSQL being up and down (libfaketime)',
        skip: () => (LIBRARY ? null : 'libfaketime is not installed'),
        allowed: {clockIsTrue: false},
        run,
    },
];
