// instance.mjs – one hookline and its data folder, through all the processes that it takes until the case is over.

import {mkdtempSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {MORE_SECRETS} from '../../integration/lib/fixtures.mjs';
import {startHookline} from '../../integration/lib/hookline.mjs';
import {fetchMetrics} from '../../integration/lib/metrics.mjs';
import {get} from '../../integration/lib/send.mjs';
import {until} from '../../integration/lib/wait.mjs';
import {recordsIn} from './journal_files.mjs';

const SAMPLE_MS = 100;
const READY_MS = 10_000;
const DRAIN_MS = 30_000;

/** What is summed up over all of its processes; a process that is killed takes what came after the last look along. */
const COUNTED = {
    journaled: (m) => m.sum('hookline_deliveries_total', {outcome: 'journaled'}),
    drained: (m) => m.sum('hookline_journal_drained_total'),
    'connections lost': (m) => m.sum('hookline_database_connections_lost_total'),
};

/** What every hookline here is started with. */
export function baseEnv(databaseUrl) {
    return {
        FAULT_RUN_BIN: process.env.FAULT_BIN,
        DATABASE_URL: databaseUrl,
        HOOKLINE_ACCESS_LOG: 'off',
        ...MORE_SECRETS,
    };
}

/** One that nobody will injure. */
export function startPlain(databaseUrl) {
    const dataDir = mkdtempSync(join(tmpdir(), 'data-'));
    return startHookline({...baseEnv(databaseUrl), HOOKLINE_DATA_DIR: dataDir, HOOKLINE_COMMIT_DEADLINE: 30});
}

export class Instance {
    /** Where it takes deliveries; null while it is not there. */
    url = null;
    deaths = 0;
    /** Nobody starts it again: what it left behind is for others to find. */
    retired = false;
    /** Log lines of all its processes. */
    entries = [];
    #hookline = null;
    #over = false;
    #latest = {};
    #before = {};

    constructor({databaseUrl, dataDir, env = {}}) {
        this.env = {...baseEnv(databaseUrl), HOOKLINE_DATA_DIR: dataDir, ...env};
        this.#sample();
    }

    /** more: settings of this process alone. ready: whether /readyz must be 200 before it is given deliveries. */
    async start({more = {}, ready = true} = {}) {
        if (this.#over) throw new Error('the case is over');
        if (this.#hookline) throw new Error('it runs already');
        const hookline = await startHookline({...this.env, ...more}, {ready: false});
        this.#hookline = hookline;
        hookline.exited.then(({signal}) => {
            this.entries.push(...hookline.logs());
            this.#keepCounts();
            this.deaths += signal === 'SIGKILL';
            this.#hookline = null;
            this.url = null;
        });
        if (this.#over) return this.kill();
        const isReady = async () => (await get(hookline.url, '/readyz')).status === 200;
        if (ready) await until('hookline is ready, with or without its database', isReady, READY_MS);
        if (this.#hookline === hookline) this.url = hookline.url;
    }

    /** The same, with a failpoint that may end it at once. True: it runs. */
    async startAtRisk(failpoint) {
        try {
            await this.start({more: {HOOKLINE_FAILPOINT: failpoint}, ready: false});
            return true;
        } catch (error) {
            if (!/ended \(SIGKILL\)/.test(error.message)) throw error; // it was gone before it listened
            this.deaths++;
            return false;
        }
    }

    isRunning() {
        return this.#hookline !== null;
    }

    /** The process that runs, or null. */
    process() {
        return this.#hookline;
    }

    /** As a crash would end it, with whatever it is doing. */
    async kill() {
        const hookline = this.#hookline;
        if (!hookline) return;
        this.url = null; // its port may soon be another's
        await hookline.kill();
    }

    /** SIGTERM, and its end: {code, signal}. */
    async terminate() {
        const hookline = this.#hookline;
        if (!hookline) return null;
        this.url = null;
        return hookline.stop();
    }

    /** Whatever comes: nothing of it is left. */
    async end() {
        this.#over = true;
        await this.kill();
    }

    retire() {
        this.retired = true;
        return this.kill();
    }

    /** Of all its processes. */
    count(name) {
        return (this.#before[name] ?? 0) + (this.#latest[name] ?? 0);
    }

    async metric(name, labels) {
        return (await fetchMetrics(this.url)).sum(name, labels);
    }

    async isReady() {
        return this.url !== null && (await get(this.url, '/readyz')).status === 200;
    }

    /**
     * Waits until nothing is queued or in a journal, or it has died; gives what is left, 0 when all went well. What others
     * left in the same data folder is counted once it is adopted, and that may take a while: allFiles waits for it too.
     */
    async drain({timeoutMs = DRAIN_MS, allFiles = false} = {}) {
        const deadline = performance.now() + timeoutMs;
        let left = Infinity;
        for (let still = 0; still < 2 && this.isRunning();) {
            const metrics = this.url && (await fetchMetrics(this.url).catch(() => null));
            if (metrics) left = metrics.sum('hookline_journal_deliveries') + metrics.sum('hookline_queue_deliveries');
            if (left === 0 && allFiles) left = recordsIn(this.env.HOOKLINE_DATA_DIR);
            still = metrics && left === 0 ? still + 1 : 0;
            if (performance.now() > deadline) break;
            if (still < 2) await sleep(50);
        }
        return left;
    }

    /** Waits until it has its database again, or is gone. */
    connected() {
        const isConnected = async () => !this.url || (await this.metric('hookline_database_up')) > 0;
        return until('hookline has its database again', () => isConnected().catch(() => false), DRAIN_MS);
    }

    /** Its journal was filled while its counters were looked at now and then. */
    async look() {
        const hookline = this.#hookline;
        const metrics = this.url && (await fetchMetrics(this.url).catch(() => null));
        if (!metrics || this.#hookline !== hookline) return;
        for (const [name, read] of Object.entries(COUNTED)) this.#latest[name] = read(metrics);
    }

    async #sample() {
        while (!this.#over) {
            await this.look();
            await sleep(SAMPLE_MS);
        }
    }

    #keepCounts() {
        for (const name of Object.keys(COUNTED)) this.#before[name] = this.count(name);
        this.#latest = {};
    }
}
