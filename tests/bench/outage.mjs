// outage.mjs – hookline while PostgreSQL is down, beside hookline while it is up; and how fast it makes up for it. Started
// by tests/bench/run --outage.

import {mkdtempSync, rmSync} from 'node:fs';
import {cpus} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {create, drop, makeTemplates, query, urlOf} from './lib/database.mjs';
import {generate} from './lib/generate.mjs';
import {cpuUs, peakMb} from './lib/processes.mjs';
import {WORK} from './lib/settings.mjs';
import {hookline} from './lib/subjects.mjs';

const SECONDS = Number(process.env.BENCH_SECONDS || 5);
const WARMUP_S = 2;
const HISTORY = 20_000;
const CONNECTIONS = [16, 64, 256];
const MOST_A_SECOND = 30_000; // requests are prepared for so many
const LIVE_RATE = 1000; // a second, beside the drain
const DATABASE = 'bench_run';
const NOWHERE = 'postgresql://nobody@127.0.0.1:1/nothing';

let seed = 5000;

/** One load: what the generator says, with the CPU time of hookline a delivery. */
async function load(server, args, most = MOST_A_SECOND) {
    const clocks = {};
    const result = await generate(
        server.url,
        ['--seed', ++seed, '--warmup', WARMUP_S, '--seconds', SECONDS, '--count', most * (SECONDS + WARMUP_S), ...args].map(String),
        (line) => {
            if (line === 'begin' || line === 'end') clocks[line] = cpuUs(server.pid);
        },
    );
    return {...result, own_us: (clocks.end - clocks.begin) / result.answered};
}

async function metric(url, name) {
    const text = await (await fetch(`${url}/metrics`)).text();
    return Number(new RegExp(`^${name}(?:{[^}]*})? ([0-9.e+-]+)$`, 'm').exec(text)?.[1] ?? 0);
}

const count = async () => Number((await query(DATABASE, 'SELECT count(*) FROM public.event_keys'))[0].count);

/** How long it takes until the journal is empty, from when the database is up. */
async function drain(server, waiting) {
    const began = performance.now();
    while ((await metric(server.url, 'hookline_journal_deliveries')) > 0) await sleep(20);
    return waiting / ((performance.now() - began) / 1000);
}

async function measureUp(connections) {
    await create(DATABASE, 'bench_lived');
    const server = await hookline()(urlOf(DATABASE));
    const result = await load(server, ['--connections', connections]);
    await server.stop();
    await drop(DATABASE);
    return {name: `PostgreSQL up, ${connections} connections`, ...result};
}

/** With PostgreSQL down, then the drain of what that left, by itself or beside live deliveries. */
async function measureDown(connections, live) {
    const folder = mkdtempSync(join(WORK, 'journal-'));
    const settings = {HOOKLINE_DATA_DIR: folder, HOOKLINE_JOURNAL_MAX_BYTES: '4G'};
    const alone = await hookline(settings, {alone: true})(NOWHERE);
    const result = await load(alone, ['--connections', connections]);
    const waiting = await metric(alone.url, 'hookline_journal_deliveries');
    const rss_mb = peakMb(alone.pid);
    await alone.stop();

    await create(DATABASE, 'bench_lived');
    const before = await count();
    const server = await hookline(settings)(urlOf(DATABASE));
    const [drained, beside] = await Promise.all([
        drain(server, waiting),
        live ? load(server, ['--connections', 64, '--rate', LIVE_RATE], LIVE_RATE) : null,
    ]);
    const stored = (await count()) - before - (beside?.acknowledged ?? 0);
    await server.stop();
    await drop(DATABASE);
    rmSync(folder, {recursive: true});
    if (stored !== result.acknowledged)
        throw new Error(`${result.acknowledged} deliveries were acknowledged, ${stored} are stored`);
    return [
        {name: `PostgreSQL down, ${connections} connections`, ...result, rss_mb},
        {name: `drain of ${waiting}${live ? `, beside ${LIVE_RATE}/s live` : ''}`, per_second: drained},
        ...(beside ? [{name: `those live ones`, ...beside}] : []),
    ];
}

function line({name, per_second, p50_ms, p99_ms, own_us, rss_mb}) {
    const cell = (value, digits, width) => (value === undefined ? '' : value.toFixed(digits)).padStart(width);
    return `${name.padEnd(44)}${cell(per_second, 0, 12)}${cell(p50_ms, 2, 9)}${cell(p99_ms, 2, 9)}${cell(own_us, 1, 9)}${cell(rss_mb, 0, 9)}`;
}

await makeTemplates(HISTORY);
const rows = [];
for (const connections of CONNECTIONS) {
    rows.push(await measureUp(connections));
    rows.push(...(await measureDown(connections, connections === 64)));
}
process.stdout.write(
    `${''.padEnd(44)}  per second   p50 ms   p99 ms   own us   RSS MB\n${rows.map(line).join('\n')}\n\n` +
        `One run each of ${SECONDS} s (${WARMUP_S} s before are not counted) on ${cpus().length} cores (${cpus()[0].model.trim()}), the generator and\n` +
        `PostgreSQL on them too; the journal is on the same disk as the database. Each delivery was counted in the database.\n`,
);
