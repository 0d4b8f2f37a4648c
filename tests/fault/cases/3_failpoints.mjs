// 3_failpoints.mjs – hookline ends itself with SIGKILL at a step that its source names by FAILPOINT("…"), in a build that
// heeds them (preset fault). Every name in src/ is a case by itself.

import {existsSync, readFileSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {ROOT} from '../../integration/lib/hookline.mjs';
import {mixedCalls, scattered} from '../lib/calls.mjs';

const PASSES = [1, 2, 3]; // at which passing it dies, in turn
const MUST_DIE = 2; // of these; a step that comes once in a process's life has no second passing
const CYCLES = 3; // of PostgreSQL up, down and up again, until the step counts as not reached
const STEP = 8;

function namesIn(folder) {
    return readdirSync(folder, {withFileTypes: true}).flatMap((entry) => {
        const path = join(folder, entry.name);
        if (entry.isDirectory()) return namesIn(path);
        if (!/\.(c|h|cc)$/.test(entry.name)) return [];
        return [...readFileSync(path, 'utf8').matchAll(/\bFAILPOINT\("([^"]+)"\)/g)].map(([, name]) => name);
    });
}

function skip() {
    const bin = process.env.FAULT_BIN_FAILPOINTS;
    return bin && existsSync(bin) ? null : 'there is no build with failpoints (preset fault)';
}

async function run(trial, name) {
    const dataDir = trial.folder();
    const env = {HOOKLINE_COMMIT_DEADLINE: 0.4, FAULT_RUN_BIN: process.env.FAULT_BIN_FAILPOINTS};
    const instance = trial.instance({dataDir, env});
    // Never dies by a failpoint: it is killed while PostgreSQL is down, and leaves a journal to be adopted.
    const other = trial.instance({dataDir, env});
    trial.send(scattered(trial.random, trial.deliveries));

    // Only these steps are come by while a journal drains: a segment is made when the one before is to be drained.
    const drainMs = /^(backlog|journal\.segment)\./.test(name) ? 6000 : 500;
    let reached = 0;
    for (const pass of PASSES) {
        let runs = await instance.startAtRisk(`${name}:${pass}`);
        for (let i = 0; i < CYCLES && runs; i++) runs = await cycle(trial, instance, other, drainMs);
        if (!runs) reached++;
        else await instance.kill();
        await trial.postgres.start();
    }
    await instance.kill(); // started once more, it finds what the other one left, who is never seen again
    await other.retire();
    trial.did('deaths by failpoint', reached);
    trial.mustHurt({'deaths by failpoint': MUST_DIE});
}

/** PostgreSQL goes and comes back. False: the instance has died on the way. */
async function cycle(trial, instance, other, drainMs) {
    const goesOn = async (...args) => {
        await trial.load.run(...args);
        return instance.isRunning();
    };
    if (!(await goesOn(STEP, 1000))) return false;
    await other.start();
    await trial.postgres.stop();
    const lives = await goesOn(2 * STEP, 1000);
    await other.kill();
    await trial.postgres.start();
    if (!lives || !(await goesOn(STEP, 1000))) return false;
    await instance.drain({timeoutMs: drainMs});
    return instance.isRunning();
}

export const cases = [...new Set(namesIn(join(ROOT, 'src')))].sort().map((name) => ({
    name: `failpoint ${name}`,
    about: 'killed at that step, several times',
    skip,
    calls: (seed, {numbers}) => mixedCalls(seed, 10, numbers),
    run: (trial) => run(trial, name),
}));
