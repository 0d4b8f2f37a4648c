// bench.mjs – measures every subject under every load, several times in turn, and prints one table. tests/bench/run
// starts it, with a PostgreSQL of its own; see there for the options.

import {mkdirSync, writeFileSync} from 'node:fs';
import {cpus, totalmem} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {create, drop, makeTemplates, query, urlOf} from './lib/database.mjs';
import {generate} from './lib/generate.mjs';
import {cpuUs, machineUs, peakMb, run} from './lib/processes.mjs';
import {differences, readRows} from './lib/rows.mjs';
import {BENCH, BUILD, ENV, POSTMASTER} from './lib/settings.mjs';
import {SUBJECTS} from './lib/subjects.mjs';
import {render, summarise} from './lib/table.mjs';

const QUICK = process.env.BENCH_QUICK === 'yes';
const ONLY = process.env.BENCH_ONLY ? new RegExp(process.env.BENCH_ONLY) : null;
const REPEAT = Number(process.env.BENCH_REPEAT || (QUICK ? 1 : 3));
const SECONDS = Number(process.env.BENCH_SECONDS || (QUICK ? 3 : 5));
const WARMUP_S = QUICK ? 2 : 3; // Node compiles what is hot meanwhile
const HISTORY = 50_000;
const MOST_A_SECOND = 20_000; // requests are prepared for so many
const BATCH = 64; // of the limit: what gathers at 64 connections, at most
const QUIET_PERCENT = 8; // of the machine, used by others: a run with more is repeated
const TRIES = 3;
const DATABASE = 'bench_run';

const LOADS = [
    {load: '16 connections', connections: 16, rate: 0},
    {load: '64 connections', connections: 64, rate: 0, quick: true},
    {load: '64 connections, full mix', connections: 64, rate: 0, quick: true, mix: 'full'},
    {load: '256 connections', connections: 256, rate: 0},
    {load: 'open, 1,000/s', connections: 256, rate: 1000},
    {load: 'open, 5,000/s', connections: 256, rate: 5000},
    {load: 'open, 10,000/s', connections: 256, rate: 10_000},
].filter(({quick}) => quick || !QUICK);

let seed = 1000;

// ---- the rows first: who writes others is not compared ----

async function checkRows() {
    const mains = SUBJECTS.filter(({main}) => main);
    const start = String((Date.now() - 60_000) * 1000);
    const rows = [];
    for (const subject of mains) {
        await create(DATABASE, 'bench_empty');
        const server = await subject.start(urlOf(DATABASE));
        try {
            for (let twice = 0; twice < 2; twice++)
                // the second time, all of it is known
                await generate(server.url, [
                    '--count',
                    '300',
                    '--window',
                    '25',
                    '--connections',
                    '8',
                    '--seed',
                    '7',
                    '--start',
                    start,
                    '--seconds',
                    '60',
                ]);
        } catch (error) {
            throw new Error(`${subject.name}: ${error.message}\n${server.output()}`);
        } finally {
            await server.stop();
        }
        rows.push(await readRows(DATABASE));
    }
    const wrong = mains.flatMap(({name}, i) => differences(rows[0], rows[i], name));
    if (wrong.length) throw new Error(`the rows of the same 300 deliveries differ\n${wrong.join('\n')}`);
    const counts = Object.entries(rows[0]).map(([table, list]) => `${list.length} ${table}`);
    say(
        `${mains.map(({name}) => name).join(', ')} write the same rows of 300 deliveries, sent twice: ${counts.join(', ')}`,
    );
}

// ---- one run ----

function readClocks(pids) {
    return {
        at: performance.now(),
        machine: machineUs(),
        postgres: cpuUs(POSTMASTER),
        subject: pids.reduce((sum, pid) => sum + cpuUs(pid), 0),
    };
}

async function measure(subject, load) {
    await create(DATABASE, 'bench_lived');
    const before = await countKeys();
    const server = await subject.start(urlOf(DATABASE));
    const pids = [server.pid, ...server.others];
    const clocks = {};
    let result, rss_mb;
    try {
        const most = load.rate || MOST_A_SECOND;
        result = await generate(
            server.url,
            [
                '--connections',
                load.connections,
                '--rate',
                load.rate,
                '--mix',
                load.mix ?? 'core',
                '--warmup',
                WARMUP_S,
                '--seconds',
                SECONDS,
                '--count',
                Math.ceil(most * (SECONDS + WARMUP_S)),
                '--seed',
                ++seed,
            ].map(String),
            (line) => {
                if (line === 'begin' || line === 'end') clocks[line] = readClocks(pids);
            },
        );
        rss_mb = peakMb(server.pid);
    } catch (error) {
        throw new Error(`${subject.name}, ${load.load}: ${error.message}\n${server.output()}`);
    } finally {
        await server.stop();
    }
    const stored = (await countKeys()) - before;
    if (stored !== result.acknowledged)
        throw new Error(`${subject.name}: ${result.acknowledged} deliveries were acknowledged, ${stored} are stored`);
    await drop(DATABASE);
    return {subject: subject.name, rival: subject.rival, ...load, ...result, ...shares(clocks, result), rss_mb};
}

async function countKeys() {
    return Number((await query(DATABASE, 'SELECT count(*) FROM public.event_keys'))[0].count);
}

/** CPU time a delivery of each, and how much of the machine was used by none of them. */
function shares({begin, end}, {answered, generator_cpu_us}) {
    const each = (name) => (end[name] - begin[name]) / answered;
    const ours = end.postgres - begin.postgres + end.subject - begin.subject + generator_cpu_us * answered;
    const whole = (end.at - begin.at) * 1000 * cpus().length;
    const foreign_percent = Math.max(0, (100 * (end.machine - begin.machine - ours)) / whole);
    return {
        subject_cpu_us: each('subject'),
        postgres_cpu_us: each('postgres'),
        foreign_percent,
        disturbed: foreign_percent > QUIET_PERCENT,
    };
}

// ---- the limit ----

/** PostgreSQL and the statements, without a server: batches of 64 prepared deliveries. */
async function measureLimit() {
    await create(DATABASE, 'bench_lived');
    const env = {...ENV, DATABASE_URL: urlOf(DATABASE)};
    const count = MOST_A_SECOND * SECONDS;
    const before = cpuUs(POSTMASTER);
    const out = JSON.parse(
        await run(
            `${BUILD}/tests/limit`,
            ['commit', '--batch', String(BATCH), '--count', String(count), '--seed', String(++seed)],
            env,
        ),
    );
    const postgres_cpu_us = (cpuUs(POSTMASTER) - before) / out.deliveries;
    await drop(DATABASE);
    return {
        subject: 'limit: one connection, no server',
        load: `batches of ${BATCH}`,
        per_second: out.per_second,
        subject_cpu_us: out.own_cpu_us,
        postgres_cpu_us,
    };
}

async function measurePgbench(clients) {
    await create(DATABASE, 'bench_lived');
    const env = {...ENV, DATABASE_URL: urlOf(DATABASE)};
    const each = Math.floor((MOST_A_SECOND * SECONDS) / BATCH / clients);
    await run(
        `${BUILD}/tests/limit`,
        ['stage', '--batch', String(BATCH), '--count', String(each * clients * BATCH), '--seed', String(++seed)],
        env,
    );
    const script = join(ENV.BENCH_TEXTS, '..', 'commit.sql');
    writeFileSync(script, "SELECT bench.commit_batch(nextval('bench.next'));\n");
    const url = new URL(urlOf(DATABASE));
    const before = cpuUs(POSTMASTER);
    const output = await run(
        process.env.BENCH_PGBENCH,
        [
            '-n',
            '-M',
            'prepared',
            '-c',
            String(clients),
            '-j',
            String(clients),
            '-t',
            String(each),
            '-f',
            script,
            '-h',
            url.hostname,
            '-p',
            url.port,
            '-U',
            url.username,
            DATABASE,
        ],
        {...ENV, PGPASSWORD: url.password, PGOPTIONS: '-c plan_cache_mode=force_generic_plan -c jit=off'},
    );
    const postgres_cpu_us = (cpuUs(POSTMASTER) - before) / (each * clients * BATCH);
    await drop(DATABASE);
    return {
        subject: `limit: pgbench, ${clients} ${clients === 1 ? 'client' : 'clients'}`,
        load: `batches of ${BATCH}`,
        per_second: BATCH * Number(/tps = ([0-9.]+)/.exec(output)[1]),
        postgres_cpu_us,
    };
}

// ---- all of it ----

function say(text) {
    process.stdout.write(`${text}\n`);
}

/** Waits until others leave the machine alone, for a minute at most. */
async function waitForQuiet() {
    for (let i = 0; i < 60; i++) {
        const before = machineUs();
        await sleep(1000);
        if ((machineUs() - before) / (cpus().length * 10_000) < QUIET_PERCENT) return;
    }
}

async function inTurn(name, once) {
    if (ONLY && !ONLY.test(name)) return null;
    let result;
    for (let i = 0; i < TRIES; i++) {
        await waitForQuiet();
        result = await once();
        if (!result.disturbed) break;
    }
    const others = result.foreign_percent === undefined ? '' : `, others ${result.foreign_percent.toFixed(1)} %`;
    say(`  ${name}: ${Math.round(result.per_second)}/s${others}${result.disturbed ? ' (disturbed)' : ''}`);
    return result;
}

function describeMix(runs) {
    const {mix = {}, mean_body, mean_request} = runs.find((one) => one.mix) ?? {};
    if (!mean_body) return 'The limit alone: the same deliveries as the others get.';
    const total = Object.values(mix).reduce((sum, {deliveries}) => sum + deliveries, 0);
    const parts = Object.entries(mix).map(
        ([name, share]) => `${name} ${Math.round((100 * share.deliveries) / total)} % (${share.mean_body} bytes)`,
    );
    return `Deliveries: ${parts.join(', ')}; mean body ${mean_body}, request ${mean_request} bytes; 1,000 calls alive at once; a lead for one number in four.`;
}

/** The rivals know no more than the core of the mix. */
function takes({main, rival}, {mix}) {
    return (main || !QUICK) && !(mix === 'full' && rival);
}

async function main() {
    say(`Making databases (leads, and ${HISTORY} deliveries of history) …`);
    await makeTemplates(HISTORY);
    writeFileSync(ENV.BENCH_TEXTS, await run(`${BUILD}/tests/limit`, ['texts'], ENV));
    await checkRows();

    const runs = [];
    for (let turn = 1; turn <= REPEAT; turn++) {
        say(`Turn ${turn} of ${REPEAT}`);
        for (const load of LOADS)
            for (const subject of SUBJECTS.filter((one) => takes(one, load)))
                runs.push(await inTurn(`${subject.name}, ${load.load}`, () => measure(subject, load)));
        runs.push(await inTurn('limit', measureLimit));
        for (const clients of QUICK ? [1] : [1, 2, 4])
            runs.push(await inTurn(`limit, pgbench ${clients}`, () => measurePgbench(clients)));
    }
    report(runs.filter(Boolean));
}

function report(runs) {
    const groups = Map.groupBy ? Map.groupBy(runs, keyOf) : groupBy(runs);
    const rows = [...groups.values()].map(summarise);
    const order = [...LOADS.map(({load}) => load), `batches of ${BATCH}`];
    rows.sort((a, b) => order.indexOf(a.load) - order.indexOf(b.load));
    const notes = [
        describeMix(runs),
        `Medians of ${REPEAT} runs of ${SECONDS} s (${WARMUP_S} s before are not counted) on ${cpus().length} cores (${cpus()[0].model.trim()}), ` +
            `generator and PostgreSQL on them too, default durability. Own, PostgreSQL, generator: CPU microseconds a delivery.`,
        '(a) one transaction a delivery, (b) group commit: the better of one process and two. * could not keep up: deliveries were due and not sent.',
    ];
    const text = `${render(rows)}\n\n${notes.join('\n')}\n`;
    say(`\n${text}`);
    const folder = join(BENCH, 'results');
    const stamp = new Date().toISOString().slice(0, 19).replace(/[:]/g, '');
    mkdirSync(folder, {recursive: true});
    writeFileSync(
        join(folder, `${stamp}.json`),
        JSON.stringify({rows, runs, memory_mb: Math.round(totalmem() / 2 ** 20)}, null, 2),
    );
    writeFileSync(join(folder, `${stamp}.txt`), text);
    say(`Kept in tests/bench/results/${stamp}.json and .txt`);
}

const keyOf = ({subject, load}) => `${subject}\n${load}`;

function groupBy(runs) {
    const groups = new Map();
    for (const one of runs) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
    return groups;
}

await main();
