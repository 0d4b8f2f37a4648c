// trial.mjs – one run of one case: its database, its hooklines, its load, what was done to them, and what came of it.

import {chmodSync, mkdtempSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {below} from '../../integration/lib/random.mjs';
import {compare} from './compare.mjs';
import {Instance} from './instance.mjs';
import {Load} from './load.mjs';
import {insertLeads} from './reference.mjs';

const ALL_ACKNOWLEDGED_MS = 30_000;

export class Trial {
    instances = [];
    load = null;
    database = null;
    /** What was done: name → how often, beside what the hooklines count themselves. */
    #done = new Map();
    #wanted = new Map();
    #problems = [];
    #over = false;
    #last = []; // what is to be undone, whatever happens
    #times = [];
    #since = performance.now();

    constructor({name, calls, random, postgres}) {
        this.name = name;
        this.calls = calls;
        this.deliveries = calls.flatMap((call) => call.deliveries);
        this.deliveries.forEach((delivery) => Object.assign(delivery, {tries: 0, acknowledged: false}));
        this.random = random;
        this.postgres = guarded(postgres, () => this.checkRuns());
    }

    async prepare(databases) {
        this.database = await databases.create();
        await insertLeads(this.database, this.calls);
        this.step('prepared');
    }

    // ---- for cases ----

    /** A folder that hookline's unprivileged user may enter, too. */
    folder(name = 'data') {
        const folder = mkdtempSync(join(tmpdir(), `${name}-`));
        chmodSync(folder, 0o755);
        return folder;
    }

    /** One more hookline, not started yet. */
    instance({dataDir = this.folder(), env = {}} = {}) {
        const instance = new Instance({databaseUrl: this.database.url, dataDir, env});
        this.instances.push(instance);
        return instance;
    }

    /** Begins to send these chains to all instances; see Load. */
    send(chains, options) {
        const heir = () => this.instances.find((instance) => !instance.retired);
        const targets = () => this.instances.map((instance) => (instance.retired ? heir() : instance).url);
        this.load = new Load(chains, targets, options);
        return this.load;
    }

    /** Until all hooklines that run have their database again. */
    async connected() {
        for (const instance of this.instances) await instance.connected();
    }

    /** A whole number from least to most, by the seed. */
    between(least, most) {
        return least + below(this.random, most - least + 1);
    }

    /** Counts what was done. */
    did(what, times = 1) {
        this.#done.set(what, (this.#done.get(what) ?? 0) + times);
    }

    /** What must have happened, and at least how often, or the case has proved nothing. */
    mustHurt(wanted) {
        for (const [what, least] of Object.entries(wanted)) this.#wanted.set(what, least);
    }

    problem(text) {
        this.#problems.push(text);
    }

    /** At the end, whatever happens. */
    after(undo) {
        this.#last.push(undo);
    }

    checkRuns() {
        if (this.#over) throw new Error('the case is over');
    }

    // ---- for who runs them ----

    /** All is well again: the rest is delivered, journals drain, hooklines end; then it is counted. */
    async conclude(wanted, allowed) {
        this.step('injured');
        await this.postgres.heal();
        const instances = this.instances.filter((instance) => !instance.retired);
        for (const instance of instances) if (!instance.isRunning()) await instance.start();
        this.step('healed');
        if (!(await this.load.finish(ALL_ACKNOWLEDGED_MS)))
            this.problem(`${this.load.left()} were never acknowledged (within ${ALL_ACKNOWLEDGED_MS} ms)`);
        this.step('delivered');
        for (const instance of instances) {
            const left = await instance.drain({allFiles: true});
            if (left !== 0) this.problem(`not drained: ${left} deliveries are left`);
            await instance.look();
        }
        this.step('drained');
        for (const instance of instances) {
            const end = await instance.terminate();
            if (end?.code !== 0) this.problem(`SIGTERM at the end: ${end?.signal ?? `exit code ${end?.code}`}`);
        }
        this.step('ended');
        for (const [text, times] of this.load.strange) this.problem(`${times} times: ${text}`);

        const counted = await compare(this.database, this.deliveries, wanted, allowed);
        this.step('compared');
        this.did('dead letters', counted.dead);
        this.did('lost with damaged bytes', counted.spared);
        this.#problems.push(...counted.problems);
        if (this.load.refused > 0 && !this.#wanted.has('refused'))
            this.problem(`${this.load.refused} times 503: the journal could have taken them`);
        for (const [what, least] of this.#wanted)
            if (this.happened(what) < least)
                this.problem(`did not hurt: ${what} ${this.happened(what)}, at least ${least} expected`);
        return {...this.counts(), stored: counted.stored, lost: counted.lost, doubled: counted.doubled};
    }

    /** Up to here: what it was, and how long it took. */
    step(name) {
        const now = performance.now();
        this.#times.push(`${name} ${((now - this.#since) / 1000).toFixed(1)}`);
        this.#since = now;
    }

    times() {
        return `${this.#times.join(', ')} s`;
    }

    counts() {
        return {
            deliveries: this.deliveries.length,
            acknowledged: this.deliveries.filter((delivery) => delivery.acknowledged).length,
        };
    }

    problems() {
        return this.#problems;
    }

    happened(what) {
        if (what === 'refused') return this.load.refused;
        if (what === 'broken') return this.load.broken;
        if (what === 'deaths') return this.instances.reduce((sum, instance) => sum + instance.deaths, 0);
        return this.#done.get(what) ?? this.instances.reduce((sum, instance) => sum + instance.count(what), 0);
    }

    hurt() {
        const names = [...this.#done.keys(), 'deaths', 'journaled', 'connections lost', 'refused', 'broken'];
        return [...new Set(names)]
            .filter((name) => this.happened(name) > 0)
            .map((name) => `${name} ${this.happened(name)}`)
            .join(', ');
    }

    /** The last lines of its hooklines that are no mere information. */
    logTail(lines = 8) {
        return this.instances
            .flatMap((instance) => [...instance.entries, ...(instance.process()?.logs() ?? [])])
            .filter((entry) => entry.level !== 'info' && entry.msg !== 'delivery refused')
            .slice(-lines)
            .map((entry) => JSON.stringify(entry))
            .join('\n');
    }

    async end() {
        this.#over = true;
        await this.load?.stop();
        for (const instance of this.instances) await instance.end().catch(() => {});
        for (const undo of this.#last.reverse())
            await Promise.resolve()
                .then(undo)
                .catch(() => {});
    }
}

/** A case that is over, because it took too long, must not injure the next one's PostgreSQL. */
function guarded(postgres, check) {
    return new Proxy(postgres, {
        get: (target, name) => {
            const value = target[name];
            if (typeof value !== 'function') return value;
            return (...args) => {
                check();
                return value.apply(target, args);
            };
        },
    });
}
