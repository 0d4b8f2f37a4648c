// 4_disk.mjs – what happens to the journal's disk: full, not to be written, torn, damaged.

import {spawnSync} from 'node:child_process';
import {chmodSync, chownSync, existsSync, readdirSync, readFileSync, statSync} from 'node:fs';
import {join} from 'node:path';
import {below} from '../../integration/lib/random.mjs';
import {until} from '../../integration/lib/wait.mjs';
import {mixedCalls, scattered} from '../lib/calls.mjs';
import {append, flip, records, segments} from '../lib/journal_files.mjs';
import {cutPower, powerEnv} from '../lib/power.mjs';

const DEADLINE_S = 0.4;
const STEP = 24;
const ROUNDS = 2; // each takes the seconds that hookline takes to find its database and its disk again
const ENOUGH_REFUSED = 40;
const AGAIN_MS = 10_000; // until a journal that had no room tries again

const cases = [];
const add = (name, about, run, more = {}) => cases.push({name, about, run, ...more});
const many = (seed, {numbers}) => mixedCalls(seed, 20, numbers);

async function start(trial, {dataDir, ...env}) {
    const instance = trial.instance({dataDir, env: {HOOKLINE_COMMIT_DEADLINE: DEADLINE_S, ...env}});
    await instance.start();
    trial.send(scattered(trial.random, trial.deliveries));
    return instance;
}

// ---- no room ----

/** PostgreSQL is down until there is no room for one more; then it is back, and the room too. */
async function fillUp(trial, instance) {
    for (let i = 0; i < ROUNDS; i++) {
        await trial.load.run(STEP);
        const before = instance.count('journaled');
        await trial.postgres.stop();
        if (!(await trial.load.runUntilRefused(ENOUGH_REFUSED))) trial.problem(`round ${i}: it was never full`);
        trial.did('times full');
        if (await instance.isReady()) trial.problem(`round ${i}: ready, with no database and no room`);
        await instance.look();
        const taken = instance.count('journaled') - before;
        if (taken < STEP) trial.problem(`round ${i}: full after ${taken}: what was drained was not given back`);
        await trial.postgres.start();
        await instance.drain();
        const works = async () => (await instance.metric('hookline_journal_up')) > 0;
        await until('the journal works again', works, AGAIN_MS);
        if (!(await trial.load.run(STEP))) trial.problem(`round ${i}: it did not go on when there was room again`);
    }
    trial.mustHurt({'times full': ROUNDS, refused: ROUNDS * ENOUGH_REFUSED, journaled: ROUNDS * STEP});
}

add(
    'journal disk full',
    'a tmpfs of 160 KiB that fills up while PostgreSQL is down: 503, and never a 2xx that is not kept',
    async (trial) => {
        const dataDir = trial.folder('tmpfs');
        if (mount('-t', 'tmpfs', '-o', 'size=160k', 'tmpfs', dataDir).status !== 0) throw new Error('mount failed');
        trial.after(() => spawnSync('umount', ['-l', dataDir]));
        await fillUp(trial, await start(trial, {dataDir}));
    },
    {calls: many, skip: cannotMount},
);

add(
    'journal at its bound',
    'HOOKLINE_JOURNAL_MAX_BYTES is reached while PostgreSQL is down',
    async (trial) => {
        const dataDir = trial.folder();
        await fillUp(trial, await start(trial, {dataDir, HOOKLINE_JOURNAL_MAX_BYTES: '160K'}));
    },
    {calls: many},
);

function mount(...args) {
    return spawnSync('mount', args, {encoding: 'utf8'});
}

function cannotMount() {
    if (process.getuid() !== 0) return 'mounting a tmpfs needs root';
    const folder = join(process.env.TMPDIR, 'mount');
    const {status, stderr} = spawnSync(
        'bash',
        ['-c', 'mkdir -p "$0" && mount -t tmpfs -o size=64k tmpfs "$0"', folder],
        {
            encoding: 'utf8',
        },
    );
    if (status === 0) spawnSync('umount', [folder]);
    return status === 0 ? null : `no tmpfs can be mounted: ${stderr.trim()}`;
}

// ---- no leave to write ----

const user = process.env.FAULT_UNPRIVILEGED_USER;

add(
    'journal not writable',
    'the data folder takes no new file while PostgreSQL is down: 503; then it does: accepted',
    async (trial) => {
        const dataDir = trial.folder();
        if (user) chownSync(dataDir, ...idsOf(user));
        const modes = (mode) => folders(dataDir).forEach((folder) => chmodSync(folder, mode));
        modes(0o500);
        const instance = await start(trial, {dataDir, FAULT_RUN_USER: user});
        for (let i = 0; i < ROUNDS; i++) {
            await trial.load.run(STEP / 2);
            await trial.postgres.stop();
            if (!(await trial.load.runUntilRefused(ENOUGH_REFUSED))) trial.problem(`round ${i}: nothing was refused`);
            if (await instance.isReady()) trial.problem(`round ${i}: ready, with neither database nor journal`);
            trial.did('times not writable');
            modes(0o700);
            if (!(await trial.load.run(STEP, 8000)))
                trial.problem(`round ${i}: writable again, but nothing is accepted`);
            await trial.postgres.start();
            if (i === ROUNDS - 1) break;
            await instance.look();
            await instance.kill(); // what it has open it may go on writing; what it has drained cannot be removed then
            modes(0o500);
            await instance.start();
        }
        trial.mustHurt({'times not writable': ROUNDS, refused: ROUNDS * ENOUGH_REFUSED, journaled: ROUNDS * STEP});
    },
    {calls: many, skip: cannotRunUnprivileged},
);

function idsOf(name) {
    return ['-u', '-g'].map((option) => Number(spawnSync('id', [option, name], {encoding: 'utf8'}).stdout));
}

function folders(folder) {
    if (!existsSync(folder)) return [];
    const below = readdirSync(folder, {withFileTypes: true}).filter((entry) => entry.isDirectory());
    return [folder, ...below.flatMap((entry) => folders(join(folder, entry.name)))];
}

function cannotRunUnprivileged() {
    if (process.getuid() !== 0) return null; // we are unprivileged ourselves
    const bin = process.env.FAULT_BIN;
    const {status} = spawnSync('setpriv', [`--reuid=${user}`, '--clear-groups', '--', 'test', '-x', bin]);
    return status === 0 ? null : `user ${user} cannot reach ${bin}`;
}

// ---- what was not synced ----

add(
    'power cut',
    'hookline killed, and with it all that it had written and not synced',
    async (trial) => {
        const rounds = 6;
        const dataDir = trial.folder();
        const log = join(trial.folder('power'), 'log');
        const instance = await start(trial, {dataDir, ...powerEnv(log, 15)});
        for (let i = 0; i < rounds; i++) {
            await trial.load.run(trial.between(1, STEP / 2));
            await trial.postgres.stop();
            await trial.load.run(trial.between(STEP / 2, 2 * STEP), 3000);
            await instance.look();
            await instance.kill();
            const gone = cutPower(dataDir, log);
            if (gone.bytes > 0) trial.did('cuts that took bytes');
            trial.did('names cut', gone.names);
            await instance.start();
            await trial.load.run(trial.between(1, STEP / 2), 3000);
            await trial.postgres.start();
            if (i % 2 === 0) await trial.connected();
        }
        trial.mustHurt({deaths: rounds, 'cuts that took bytes': 2, journaled: rounds * STEP});
    },
    {calls: many},
);

// ---- bytes that are not right ----

/** What a cut-off write may leave, given the segment's own bytes. */
const TAILS = [
    () => Buffer.alloc(64), // the file is longer already, the data never came
    (path, random) => Buffer.from(Array.from({length: 333}, () => below(random, 256))),
    (path) => partOfRecord(path, 12), // half a header
    (path) => partOfRecord(path, 24 + 40), // a header, and some of its body
];

/** The first bytes of a record of its own, as if one more had begun. */
function partOfRecord(path, length) {
    const [{at}] = records(path);
    return readFileSync(path).subarray(at, at + length);
}

add(
    'torn tail',
    'hookline killed, bytes of a cut-off write behind its last record',
    async (trial) => {
        const dataDir = trial.folder();
        const instance = await start(trial, {dataDir});
        for (const tail of TAILS) {
            await trial.load.run(trial.between(1, STEP));
            await trial.postgres.stop();
            await trial.load.run(STEP, 3000);
            await instance.look();
            await instance.kill();
            const newest = segments(dataDir)
                .filter((path) => records(path).length > 0)
                .pop();
            if (newest) {
                append(newest, tail(newest, trial.random));
                trial.did('torn tails');
            } else trial.problem(`nothing was journaled before ${tail}`);
            await instance.start();
            await trial.load.run(STEP / 2, 3000);
            await trial.postgres.start();
            await instance.drain();
        }
        const aside = segments(dataDir, {aside: true});
        if (aside.length > 1) trial.problem(`${aside.length} files were set aside: but for the noise, none is damaged`);
        trial.mustHurt({'torn tails': TAILS.length, deaths: TAILS.length, journaled: TAILS.length * STEP});
    },
    {calls: many},
);

add(
    'flipped byte',
    'one byte inside one record: that delivery alone may be missing, the log says so, the file is kept aside',
    async (trial) => {
        const dataDir = trial.folder();
        const instance = await start(trial, {dataDir});
        for (let i = 0; i < ROUNDS; i++) {
            await trial.load.run(trial.between(1, STEP));
            await trial.postgres.stop();
            await trial.load.run(2 * STEP, 3000);
            await instance.look();
            await instance.kill();
            if (flipSomewhere(dataDir, trial.random)) trial.did('flipped bytes');
            await instance.start();
            await trial.postgres.start();
            await instance.drain();
        }
        const aside = segments(dataDir, {aside: true}).filter((path) => statSync(path).size > 0);
        if (aside.length < ROUNDS) trial.problem(`${aside.length} files were set aside, ${ROUNDS} were damaged`);
        const said = [...instance.entries, ...instance.process().logs()].filter(
            (entry) =>
                ['warn', 'error'].includes(entry.level) && /journal|segment|damage|aside/.test(JSON.stringify(entry)),
        );
        if (said.length < ROUNDS)
            trial.problem(`the log speaks of damage ${said.length} times, it was done ${ROUNDS} times`);
        trial.mustHurt({'flipped bytes': ROUNDS, journaled: ROUNDS * STEP});
    },
    {allowed: {mayLose: ROUNDS}, calls: many},
);

/** In a record that is neither the first nor the last of the segment with the most. */
function flipSomewhere(dataDir, random) {
    const [longest] = segments(dataDir)
        .map((path) => ({path, all: records(path)}))
        .sort((a, b) => b.all.length - a.all.length);
    if (!longest || longest.all.length < 3) return false;
    const {at, length} = longest.all[1 + below(random, longest.all.length - 2)];
    flip(longest.path, at + below(random, length - 8), below(random, 8)); // not in the padding
    return true;
}

export {cases};
