// streams.mjs – media streams: how many of them one core takes before frames run late, hookline and Node in turn, one
// way (taken and counted) and both ways (bridged to a provider of speech that answers each frame with one).
// tests/bench/run --streams starts it.

import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {cpus} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {create, drop, urlOf} from './lib/database.mjs';
import {cpuUs, freePort, machineUs, run} from './lib/processes.mjs';
import {BENCH, BUILD, ENV, POSTMASTER, PUBLIC_URL} from './lib/settings.mjs';
import {hookline, node} from './lib/subjects.mjs';
import {renderColumns} from './lib/table.mjs';

const QUICK = process.env.BENCH_QUICK === 'yes';
const ONLY = process.env.BENCH_ONLY ? new RegExp(process.env.BENCH_ONLY) : null;
const SECONDS = Number(process.env.BENCH_SECONDS || (QUICK ? 3 : 5));
const SOAK = process.env.BENCH_SOAK ?? '';
const WARMUP_S = 2; // Node compiles what is hot meanwhile
const SOAK_STREAMS = 500;
const LATE_MS = 20; // a frame's length: who answers later than that at p99 is behind
const OWN_LATE_MS = 5; // of the generator: above it the run says nothing of the server
const STEPS = (process.env.BENCH_STEPS || '').split(',').filter(Boolean).map(Number);
const HALVINGS = QUICK || STEPS.length ? 0 : 2; // between the last that was in time and the first that was not
const QUIET_PERCENT = 8;
const TRIES = 3;
const DATABASE = 'bench_streams';
const SERVER_CORE = '0';
const GENERATOR_CORE = '1';

const WAYS = [
    {way: 'one way', steps: QUICK ? [500, 1000, 1500, 2000, 3000] : [250, 500, 1000, 1500, 2000, 3000, 4000, 5000, 6000, 8000]},
    {way: 'both ways', steps: QUICK ? [200, 400, 600, 800, 1000] : [100, 250, 500, 750, 1000, 1500, 2000, 3000], bridged: true},
];

const pin = {prefix: ['taskset', '-c', SERVER_CORE]};
const SETTINGS = {HOOKLINE_THREADS: '1', HOOKLINE_MAX_CONNECTIONS: '16384', HOOKLINE_BRIDGE_MAX_CALLS: '16384'};
const SUBJECTS = [
    {name: 'hookline', start: (more) => hookline({...SETTINGS, ...more}, pin)},
    {name: 'Node, ws', start: (more) => node('streams.mjs', more, pin)},
];

const say = (text) => process.stdout.write(`${text}\n`);

// ---- one run ----

function residentKb(pid) {
    return Number(/VmRSS:\s+([0-9]+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

const readClocks = (pid) => ({
    at: performance.now(),
    machine: machineUs(),
    postgres: cpuUs(POSTMASTER),
    subject: cpuUs(pid),
    rss_kb: residentKb(pid),
});

async function withServer(subject, {bridged}, use) {
    await create(DATABASE, 'bench_empty');
    const speech = bridged ? await freePort() : 0;
    const agent = {OPENAI_API_KEY: 'sk-bench', OPENAI_REALTIME_URL: `ws://127.0.0.1:${speech}`};
    const server = await subject.start(bridged ? agent : {})(urlOf(DATABASE));
    try {
        return await use(server, speech);
    } catch (error) {
        throw new Error(`${subject.name}: ${error.message}\n${server.output()}`);
    } finally {
        await server.stop();
        await drop(DATABASE);
    }
}

async function generate(server, speech, streams, seconds, onPhase) {
    const args = ['--port', new URL(server.url).port, '--public-url', `${PUBLIC_URL.replace(/^http/, 'ws')}/media-stream`];
    args.push('--streams', streams, '--warmup', WARMUP_S, '--seconds', seconds);
    if (speech) args.push('--speech', speech);
    const command = ['-c', GENERATOR_CORE, `${BUILD}/tests/streams`, ...args.map(String)];
    return JSON.parse((await run('taskset', command, ENV, onPhase)).trim().split('\n').pop());
}

async function measure(subject, way, streams) {
    return withServer(subject, way, async (server, speech) => {
        const clocks = {empty: {rss_kb: residentKb(server.pid)}};
        const result = await generate(server, speech, streams, SECONDS, (line) => {
            if (line === 'idle' || line === 'begin' || line === 'end') clocks[line] = readClocks(server.pid);
        });
        return {subject: subject.name, way: way.way, ...result, ...shares(clocks, result), ...verdict(way, result)};
    });
}

function shares({empty, idle, begin, end}, {streams, frames, own_cpu_us}) {
    const spent = (name) => end[name] - begin[name];
    const elapsed_us = spent('at') * 1000;
    const foreign = spent('machine') - spent('subject') - spent('postgres') - own_cpu_us;
    const foreign_percent = Math.max(0, (100 * foreign) / elapsed_us / cpus().length);
    return {
        frame_cpu_us: spent('subject') / frames,
        core_percent: (100 * spent('subject')) / elapsed_us,
        own_core_percent: (100 * own_cpu_us) / elapsed_us,
        idle_kb: (idle.rss_kb - empty.rss_kb) / streams,
        streaming_kb: (end.rss_kb - empty.rss_kb) / streams,
        foreign_percent,
        disturbed: foreign_percent > QUIET_PERCENT,
    };
}

/** invalid: the generator itself was late, so that nothing is known of the server. */
function verdict({bridged}, r) {
    const due = Math.floor(r.streams * 50 * r.seconds);
    const short = bridged && r.echoes < 0.98 * r.frames;
    const late = r.pong_p99_ms > LATE_MS || r.round_p99_ms > LATE_MS || r.stuck > 0.001 * due || short;
    return {late, invalid: r.own_late_p99_ms > OWN_LATE_MS};
}

/** Waits until others leave the machine alone, for half a minute at most. */
async function waitForQuiet() {
    for (let i = 0; i < 30; i++) {
        const before = machineUs();
        await sleep(1000);
        if ((machineUs() - before) / (cpus().length * 10_000) < QUIET_PERCENT) return;
    }
}

async function measureQuietly(subject, way, streams) {
    let result;
    for (let i = 0; i < TRIES; i++) {
        await waitForQuiet();
        result = await measure(subject, way, streams);
        if (!result.disturbed || !(result.late || result.invalid)) break;
    }
    result.unfair = result.disturbed && result.late; // it may have been the others
    const {frame_cpu_us, core_percent, own_core_percent, pong_p99_ms, round_p99_ms, foreign_percent} = result;
    const round = way.bridged ? `, round trip p99 ${round_p99_ms.toFixed(1)} ms` : '';
    say(
        `  ${subject.name}, ${way.way}, ${streams}: ${frame_cpu_us.toFixed(1)} µs a frame, ${core_percent.toFixed(0)} % of a core ` +
            `(generator ${own_core_percent.toFixed(0)} %), pong p99 ${pong_p99_ms.toFixed(1)} ms${round}, ` +
            `others ${foreign_percent.toFixed(1)} %${result.late ? ': late' : ''}${result.invalid ? ' – the GENERATOR is late' : ''}`,
    );
    return result;
}

// ---- rising ----

/** How one subject fares one way: the greatest number in time, and the least that was late, so far. */
class Climb {
    runs = [];
    most = 0;
    late = Infinity;
    over = false;

    constructor(subject, way) {
        Object.assign(this, {subject, way});
    }

    async try(streams) {
        if (this.over) return;
        const result = await measureQuietly(this.subject, this.way, streams);
        this.runs.push(result);
        this.bound = result.unfair ? 'others' : result.invalid ? 'generator' : result.late ? 'server' : this.bound;
        if (!result.late && !result.invalid) this.most = streams;
        else if (this.bound === 'server') this.late = streams;
        this.over = result.late || result.invalid;
    }

    /** Half-way between the two, to the next fifty. */
    async halve() {
        const middle = Math.round((this.most + this.late) / 100) * 50;
        if (this.bound !== 'server' || middle <= this.most || middle >= this.late) return;
        this.over = false;
        await this.try(middle);
    }
}

async function climb(way) {
    const climbs = SUBJECTS.filter(({name}) => !ONLY || ONLY.test(`${name}, ${way.way}`)).map(
        (subject) => new Climb(subject, way),
    );
    for (const streams of STEPS.length ? STEPS : way.steps) for (const one of climbs) await one.try(streams);
    for (let i = 0; i < HALVINGS; i++) for (const one of climbs) await one.halve();
    return climbs;
}

const fixed = (n, digits = 0) => (Number.isFinite(n) ? n.toFixed(digits) : '');
const COLUMNS = [
    ['', (r) => r.subject, true],
    ['', (r) => r.way, true],
    ['streams', (r) => String(r.streams)],
    ['CPU µs/frame', (r) => fixed(r.frame_cpu_us, 1)],
    ['% of a core', (r) => fixed(r.core_percent)],
    ['pong p50 ms', (r) => fixed(r.pong_p50_ms, 2)],
    ['p99 ms', (r) => fixed(r.pong_p99_ms, 2)],
    ['round p99 ms', (r) => (r.echoes ? fixed(r.round_p99_ms, 2) : '')],
    ['KiB idle', (r) => fixed(r.idle_kb, 1)],
    ['KiB streaming', (r) => fixed(r.streaming_kb, 1)],
    ['generator %', (r) => fixed(r.own_core_percent)],
    ['its p99 ms', (r) => fixed(r.own_late_p99_ms, 2)],
    ['others %', (r) => fixed(r.foreign_percent, 1)],
    ['', (r) => (r.unfair ? 'disturbed by others' : r.invalid ? 'the generator is late' : r.late ? 'late' : ''), true],
];

function describe(climbs) {
    const [ours, theirs] = climbs;
    const each = climbs.map(({subject, most, bound, runs}) => {
        if (bound === 'server') return `${subject.name} ${most}`;
        if (!most) return `${subject.name} not known`;
        const {core_percent} = runs.find(({streams}) => streams === most);
        const by =
            {generator: 'then the generator is late', others: 'then others used the machine'}[bound] ??
            'no more were tried';
        return `${subject.name} ${most} (${by}; by CPU about ${Math.round(most / core_percent) * 100})`;
    });
    const ratio = theirs?.bound === 'server' && theirs.most ? `: ${(ours.most / theirs.most).toFixed(1)} times` : '';
    return `${climbs[0].way.way}, most streams in time on one core: ${each.join('; ')}${ratio}`;
}

function report(ways) {
    const runs = ways.flatMap((climbs) => climbs.flatMap((one) => one.runs));
    runs.sort((a, b) => b.way.localeCompare(a.way) || a.streams - b.streams || a.subject.localeCompare(b.subject));
    const notes = [
        ...ways.map(describe),
        `Runs of ${SECONDS} s (${WARMUP_S} s before are not counted) on ${cpus().length} cores (${cpus()[0].model.trim()}): the server is pinned to one, ` +
            `the generator (with the provider of speech) to another. A frame both ways is one each way, with its mark there and back.`,
        `Late: p99 of ping to pong, or of audio there and back, above ${LATE_MS} ms, or frames that could not be sent. KiB: resident, a stream.`,
    ];
    const text = `${renderColumns(COLUMNS, runs)}\n\n${notes.join('\n')}\n`;
    say(`\n${text}`);
    const folder = join(BENCH, 'results');
    const stamp = `${new Date().toISOString().slice(0, 19).replace(/[:]/g, '')}-streams`;
    mkdirSync(folder, {recursive: true});
    writeFileSync(join(folder, `${stamp}.json`), JSON.stringify({runs}, null, 2));
    writeFileSync(join(folder, `${stamp}.txt`), text);
    say(`Kept in tests/bench/results/${stamp}.json and .txt`);
}

// ---- for long ----

function secondsOf(text) {
    const [, n, unit] = /^([0-9]+)([smh])$/.exec(text) ?? [];
    if (!n) throw new Error(`--soak ${text}: expected a duration such as 30m`);
    return Number(n) * {s: 1, m: 60, h: 3600}[unit];
}

/** Bridged streams for a long time: what memory does from the second minute on. */
async function soak() {
    const seconds = secondsOf(SOAK);
    const way = WAYS[1];
    await withServer(SUBJECTS[0], way, async (server, speech) => {
        const readings = [];
        let timer;
        const look = () => {
            readings.push(residentKb(server.pid));
            say(`  ${((readings.length - 1) / 2).toFixed(1)} min: ${(readings.at(-1) / 1024).toFixed(1)} MiB`);
        };
        const result = await generate(server, speech, SOAK_STREAMS, seconds, (line) => {
            if (line === 'begin') timer = setInterval(look, 30_000);
            if (line === 'begin' || line === 'end') look();
            if (line === 'end') clearInterval(timer);
        });
        const from = readings[Math.min(2, readings.length - 1)];
        const grown = readings.at(-1) - from;
        say(
            `${SOAK_STREAMS} bridged streams for ${SOAK}: ${result.frames} frames, ${result.echoes} came back, p99 ${result.round_p99_ms} ms there and back; ` +
                `resident memory from the second minute on: ${from} to ${readings.at(-1)} KiB, ${(grown / SOAK_STREAMS).toFixed(2)} KiB a stream`,
        );
    });
}

// ---- all of it ----

await create('bench_empty', 'template1');
await run(`${BUILD}/hookline`, ['migrate'], {...ENV, DATABASE_URL: urlOf('bench_empty')});
if (SOAK) {
    await soak();
} else {
    const ways = [];
    for (const way of WAYS) {
        const climbs = await climb(way);
        if (climbs.length) ways.push(climbs);
    }
    report(ways);
}
