// fault.mjs – runs the cases (tests/fault/run prepares for it), prints a line for each as it ends, and a table.

import {readdirSync} from 'node:fs';
import {join} from 'node:path';
import {parseArgs} from 'node:util';
import {randomInt} from 'node:crypto';
import {Numbers, mixedCalls} from './lib/calls.mjs';
import {Databases} from './lib/databases.mjs';
import {generator} from '../integration/lib/random.mjs';
import {Postgres} from './lib/postgres.mjs';
import {tellReference} from './lib/reference.mjs';
import {Table} from './lib/table.mjs';
import {Trial} from './lib/trial.mjs';

const SEED = 20261121;
const CASE_MS = 90_000; // of one case, until it is given up
const SETS = 12; // calls of each provider, where a case does not say

async function main() {
    const {values} = parseArgs({
        options: {
            long: {type: 'string'},
            only: {type: 'string'},
            seed: {type: 'string'},
            list: {type: 'boolean'},
        },
    });
    const cases = (await allCases()).filter(({name}) => !values.only || new RegExp(values.only).test(name));
    if (cases.length === 0) throw new Error(`no case matches ${values.only}; see --list`);
    if (values.list) {
        for (const {name, about} of cases) console.log(`${name.padEnd(40)} ${about}`);
        return 0;
    }

    const until = values.long ? performance.now() + milliseconds(values.long) : 0;
    let seed = Number(values.seed ?? (values.long ? randomInt(2 ** 31) : SEED));
    const postgres = new Postgres();
    const databases = new Databases(postgres);
    const table = new Table();
    await postgres.start();
    await databases.makeTemplate();
    try {
        do {
            if (values.long) console.log(`# seed ${seed}`);
            await runAll(cases, seed++, {postgres, databases, table});
        } while (performance.now() < until);
    } catch (error) {
        console.log(`PostgreSQL's log, at its end:\n${postgres.lastOfLog()}`);
        throw error;
    } finally {
        await postgres.heal();
        await postgres.stop();
    }
    return table.print() ? 0 : 1;
}

/** What the files in cases/ have, in the order of their names; each exports a list, or a function that makes one. */
async function allCases() {
    const folder = new URL('cases/', import.meta.url);
    const lists = [];
    for (const file of readdirSync(folder).sort()) {
        const {cases} = await import(new URL(file, folder));
        lists.push(cases);
    }
    return lists.flat();
}

function milliseconds(text) {
    const [, number, unit] = /^(\d+)([smh])$/.exec(text) ?? [];
    if (!number) throw new Error(`--long ${text}? expected such as 90s, 10m or 2h`);
    return Number(number) * {s: 1000, m: 60_000, h: 3_600_000}[unit];
}

/** All cases once. What each will send is told to an undisturbed hookline first, for all of them at once. */
async function runAll(cases, seed, {postgres, databases, table}) {
    const numbers = new Numbers();
    const plans = [];
    for (const fault of cases) {
        const reason = await fault.skip?.();
        if (reason) table.skipped(fault.name, reason);
        else {
            const random = generator(seed ^ hash(fault.name));
            const calls = (fault.calls ?? usualCalls)(`${fault.name}-${seed}`, {numbers, random});
            plans.push({fault, random, calls});
        }
    }
    const wanted = await tellReference(
        databases,
        plans.flatMap(({calls}) => calls),
    );
    for (const plan of plans) await runOne(plan, wanted, {postgres, databases, table, seed});
}

function usualCalls(seed, {numbers}) {
    return mixedCalls(seed, SETS, numbers);
}

async function runOne({fault, random, calls}, wanted, {postgres, databases, table, seed}) {
    const trial = new Trial({name: fault.name, calls, random, postgres});
    const began = performance.now();
    let result = {};
    const work = async () => {
        await trial.prepare(databases);
        await fault.run(trial);
        result = await trial.conclude(wanted, fault.allowed);
    };
    try {
        await Promise.race([work(), tooLate(trial)]);
    } catch (error) {
        trial.problem(error.stack);
    }
    result = {...trial.counts(), ...result, hurt: trial.hurt(), times: trial.times(), ms: performance.now() - began};
    const problems = trial.problems();
    if (problems.length > 0) problems.push(`hookline's log, at its end:\n${trial.logTail()}`, `seed ${seed}`);
    await trial.end();
    await postgres.heal();
    await trial.database?.drop();
    table.ran(fault.name, result, problems);
}

function tooLate(trial) {
    return new Promise((resolve, reject) => {
        const late = setTimeout(() => reject(new Error(`not done within ${CASE_MS} ms`)), CASE_MS);
        trial.after(() => clearTimeout(late));
    });
}

/** FNV-1a: each case has choices of its own. */
function hash(text) {
    let h = 0x811c9dc5;
    for (const byte of Buffer.from(text)) h = Math.imul(h ^ byte, 0x01000193) >>> 0;
    return h;
}

main().then(
    (code) => process.exit(code),
    (error) => {
        console.error(error.stack);
        process.exit(1);
    },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
