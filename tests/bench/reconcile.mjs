// reconcile.mjs – calls reconciled a second: `hookline reconcile` and a straight Node script in turn, over a provider's API
// that is simulated beside them and answers LATENCY_MS late. Or, with --memory, what memory a pass over very many calls
// takes. tests/bench/run --reconcile starts it.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdirSync, mkdtempSync, readFileSync, writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {create, drop, query, urlOf} from './lib/database.mjs';
import {cpuUs, machineUs, run, start} from './lib/processes.mjs';
import {BENCH, BUILD, ENV, POSTMASTER, WORK} from './lib/settings.mjs';
import {renderColumns} from './lib/table.mjs';
import {BEY_KEY} from '../simulators/beyond_presence_api.mjs';
import {ORGANIZATION, TELI_KEY} from '../simulators/teli_api.mjs';
import {VAPI_KEY} from '../simulators/vapi_api.mjs';

const QUICK = process.env.BENCH_QUICK === 'yes';
const MEMORY = process.env.BENCH_MEMORY === 'yes';
const ONLY = process.env.BENCH_ONLY ? new RegExp(process.env.BENCH_ONLY) : null;
const PAIRS = Number(process.env.BENCH_REPEAT || (QUICK ? 1 : 3));
const LATENCY_MS = 20;
const HOURS = 20; // in which the calls took place
const LINES = 4; // in each
const MANY = QUICK ? 20_000 : 100_000; // calls, of which the memory is measured
const MOST_MB = 64; // that it may be
const BUSY_PERCENT = 70; // of a core: a simulator above it is what was measured
const QUIET_PERCENT = 8; // of the machine, used by others: a pair with more is marked
const LOOK_MS = 20;
const DATABASE = 'bench_reconcile';

// No pause between requests: how long a pass takes is then not said by that alone. How many are under way at once is as the
// providers want it. Where every call is asked for by itself and one at a time, latency is a bound for anybody.
const PROVIDERS = [
    {provider: 'vapi', calls: 10_000, memory: true, env: (url) => ({VAPI_API_URL: url, VAPI_API_KEY: VAPI_KEY, VAPI_API_GAP: '0'})},
    {provider: 'twilio', calls: 2000, env: (url) => ({TWILIO_API_URL: url})},
    {
        provider: 'beyond_presence',
        calls: 1000,
        memory: true,
        env: (url) => ({BEY_API_URL: url, BEY_API_KEY: BEY_KEY, BEY_API_GAP: '0'}),
    },
    {
        provider: 'teli',
        calls: 1000,
        env: (url) => ({TELI_API_URL: url, TELI_API_KEY: TELI_KEY, TELI_ORGANIZATION_ID: ORGANIZATION, TELI_API_GAP: '0'}),
    },
].filter(({provider}) => !ONLY || ONLY.test(provider));

const say = (text) => process.stdout.write(`${text}\n`);

// ---- who is measured ----

const hookline = {
    name: 'hookline',
    template: 'bench_empty',
    command: ({provider, env}, url, databaseUrl) => [
        `${BUILD}/hookline`,
        ['reconcile', provider, '--json', '--since', new Date(Date.now() - HOURS * 3600_000).toISOString()],
        {...ENV, ...env(url), DATABASE_URL: databaseUrl, HOOKLINE_LOG_LEVEL: 'warn', HOOKLINE_DATA_DIR: mkdtempSync(join(WORK, 'data-'))},
    ],
    count: `SELECT (SELECT count(*) FROM voice_calls WHERE provider = $1) AS calls,
                   (SELECT count(*) FROM voice_messages m JOIN voice_calls c ON c.id = m.call_id
                    WHERE c.provider = $1 AND NOT m.superseded AND $1 <> 'twilio') AS messages`,
};
const script = {
    name: 'Node, a row at a time',
    template: 'template1',
    command: ({provider}, url, databaseUrl) => [
        process.execPath,
        [join(BENCH, 'rivals/backfill.mjs'), provider, String(HOURS)],
        {...ENV, NODE_ENV: 'production', API_URL: url, DATABASE_URL: databaseUrl},
    ],
    count: 'SELECT (SELECT count(*) FROM calls WHERE provider = $1) AS calls, (SELECT count(*) FROM messages) AS messages',
};

// ---- one run ----

async function simulate({provider, calls}, latencyMs, lines) {
    const asked = JSON.stringify({provider, calls, latencyMs, lines, hours: HOURS});
    const server = start(process.execPath, ['--max-old-space-size=8192', join(BENCH, 'simulator.mjs'), asked], ENV);
    while (server.running() && !server.output().includes('\n')) await sleep(50);
    if (!server.running()) throw new Error(`the simulator ended\n${server.output()}`);
    return {...server, ...JSON.parse(server.output()), stop: () => server.stop()};
}

/** CPU time of children that have ended, in microseconds: fields 16 and 17 of proc(5)'s stat. */
function childrenUs() {
    const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ');
    return (Number(fields[13]) + Number(fields[14])) * 10_000;
}

function highWaterMb(pid) {
    try {
        return Number(/VmHWM:\s+([0-9]+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
    } catch {
        return 0; // it has ended
    }
}

/** Runs a program to its end, and looks at its memory meanwhile. */
async function watch([command, args, env]) {
    const child = spawn(command, args, {env, stdio: ['ignore', 'pipe', 'pipe']});
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    let rss_mb = 0;
    const timer = setInterval(() => (rss_mb = Math.max(rss_mb, highWaterMb(child.pid))), LOOK_MS);
    const [code, signal] = await once(child, 'close');
    clearInterval(timer);
    if (code !== 0) throw new Error(`${command} ${args.join(' ')}: ${signal ?? code}\n${output}`);
    return {rss_mb, output};
}

const readClocks = (simulator) => ({
    at: performance.now(),
    machine: machineUs(),
    postgres: cpuUs(POSTMASTER),
    simulator: cpuUs(simulator.pid),
    subject: childrenUs(),
});

async function measure(subject, one, simulator) {
    await create(DATABASE, subject.template);
    const begin = readClocks(simulator);
    const {rss_mb, output} = await watch(subject.command(one, simulator.url, urlOf(DATABASE)));
    const end = readClocks(simulator);
    const [row] = await query(DATABASE, subject.count, [one.provider]);
    const stored = {calls: Number(row.calls), messages: Number(row.messages)};
    if (stored.calls !== simulator.calls || stored.messages !== simulator.messages)
        throw new Error(
            `${subject.name}, ${one.provider}: there are ${simulator.calls} calls and ${simulator.messages} messages, stored are ` +
                `${stored.calls} and ${stored.messages}\n${output}`,
        );
    await drop(DATABASE);
    const seconds = (end.at - begin.at) / 1000;
    const spent = (name) => (end[name] - begin[name]) / 1e6;
    const foreign = spent('machine') - spent('postgres') - spent('simulator') - spent('subject');
    return {
        subject: subject.name,
        provider: one.provider,
        ...stored,
        seconds,
        per_second: stored.calls / seconds,
        cpu_s: spent('subject'),
        postgres_s: spent('postgres'),
        rss_mb,
        simulator_percent: (100 * spent('simulator')) / seconds,
        foreign_percent: Math.max(0, (100 * foreign) / seconds / cpus().length),
    };
}

/** Who begins changes from pair to pair. */
async function measurePairs(one) {
    const simulator = await simulate(one, LATENCY_MS, LINES);
    const runs = [];
    try {
        for (let pair = 0; pair < PAIRS; pair++)
            for (const subject of pair % 2 ? [script, hookline] : [hookline, script]) {
                const result = await measure(subject, one, simulator);
                runs.push(result);
                say(
                    `  ${one.provider}, ${subject.name}: ${result.per_second.toFixed(0)} calls/s, simulator ` +
                        `${result.simulator_percent.toFixed(0)} % of a core, others ${result.foreign_percent.toFixed(1)} %`,
                );
            }
    } finally {
        await simulator.stop();
    }
    return runs;
}

// ---- memory ----

/** Without latency, which takes no memory. Few lines: of a call, it is its row that is counted. */
async function measureMemory(one) {
    const many = {...one, calls: MANY};
    const simulator = await simulate(many, 0, 1);
    try {
        const result = await measure(hookline, many, simulator);
        say(`  ${one.provider}, ${MANY} calls: ${result.rss_mb.toFixed(1)} MB at most, ${result.per_second.toFixed(0)} calls/s`);
        return {...result, too_much: result.rss_mb > MOST_MB};
    } finally {
        await simulator.stop();
    }
}

// ---- all of it ----

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

function summarise(runs) {
    const out = {...runs[0]};
    for (const name of Object.keys(out)) if (typeof out[name] === 'number') out[name] = median(runs.map((one) => one[name]));
    return out;
}

/** Of each pair, so that what slows both down at a time is in neither. */
function ratioOf(runs, provider) {
    const of = (subject) => runs.filter((one) => one.provider === provider && one.subject === subject.name);
    const theirs = of(script);
    return median(of(hookline).map(({per_second}, i) => per_second / theirs[i].per_second));
}

const fixed = (n, digits = 0) => (Number.isFinite(n) ? n.toFixed(digits) : '');
const COLUMNS = [
    ['', (r) => r.provider, true],
    ['', (r) => r.subject, true],
    ['calls', (r) => String(r.calls)],
    ['messages', (r) => String(r.messages)],
    ['seconds', (r) => fixed(r.seconds, 1)],
    ['calls/s', (r) => fixed(r.per_second)],
    ['×', (r) => fixed(r.ratio, 1)],
    ['CPU s', (r) => fixed(r.cpu_s, 2)],
    ['PostgreSQL s', (r) => fixed(r.postgres_s, 2)],
    ['RSS MB', (r) => fixed(r.rss_mb, 1)],
    ['simulator %', (r) => fixed(r.simulator_percent)],
    ['others %', (r) => fixed(r.foreign_percent, 1)],
    ['', remark, true],
];

function remark(r) {
    const remarks = [
        r.too_much && `above ${MOST_MB} MB`,
        !MEMORY && r.simulator_percent > BUSY_PERCENT && 'the simulator was the limit',
        r.foreign_percent > QUIET_PERCENT && 'disturbed by others',
    ];
    return remarks.filter(Boolean).join(', ');
}

function report(pairs, memory) {
    const rows = [];
    for (const {provider} of PROVIDERS)
        for (const subject of [hookline, script]) {
            const runs = pairs.filter((one) => one.provider === provider && one.subject === subject.name);
            if (runs.length) rows.push({...summarise(runs), ratio: subject === hookline ? ratioOf(pairs, provider) : NaN});
        }
    const notes = [
        `${MEMORY ? 'One pass' : `Medians of ${PAIRS} pairs`} on ${cpus().length} cores (${cpus()[0].model.trim()}); PostgreSQL and the simulator on them too, default durability. ` +
            (MEMORY ? 'Answers come at once.' : `Every answer is ${LATENCY_MS} ms late.`),
        'CPU s, PostgreSQL s: processor time of a whole pass. RSS: the most that was resident. simulator %: of one core.',
    ];
    const text = `${renderColumns(COLUMNS, [...rows, ...memory])}\n\n${notes.join('\n')}\n`;
    say(`\n${text}`);
    const folder = join(BENCH, 'results');
    const stamp = `${new Date().toISOString().slice(0, 19).replace(/[:]/g, '')}-${MEMORY ? 'memory' : 'reconcile'}`;
    mkdirSync(folder, {recursive: true});
    writeFileSync(join(folder, `${stamp}.json`), JSON.stringify({rows, pairs, memory}, null, 2));
    writeFileSync(join(folder, `${stamp}.txt`), text);
    say(`Kept in tests/bench/results/${stamp}.json and .txt`);
    if (memory.some(({too_much}) => too_much)) process.exitCode = 1;
}

await create('bench_empty', 'template1');
await run(`${BUILD}/hookline`, ['migrate'], {...ENV, DATABASE_URL: urlOf('bench_empty')});
const pairs = [];
const memory = [];
for (const one of PROVIDERS)
    if (!MEMORY) pairs.push(...(await measurePairs(one)));
    else if (one.memory) memory.push(await measureMemory(one));
report(pairs, memory);
