// postgres.mjs – the private PostgreSQL cluster that the cases injure: killed, stopped, paused, and made well again.
//
// tests/fault/run has made it. It runs as a child of ours, not by pg_ctl: who kills a postmaster must also be its
// parent, or its process stays a zombie where nobody reaps, and the next one takes its lock file for that of a live one.

import {spawn} from 'node:child_process';
import {closeSync, openSync, readFileSync, readdirSync} from 'node:fs';
import {join} from 'node:path';
import {connect} from '../../integration/lib/database.mjs';
import {until} from '../../integration/lib/wait.mjs';

const START_MS = 60_000;

export class Postgres {
    #child = null;
    #gone = null;
    #paused = [];

    constructor(env = process.env) {
        this.folder = env.FAULT_CLUSTER;
        this.port = env.FAULT_PG_PORT;
        this.password = env.FAULT_PG_PASSWORD;
        this.bin = env.FAULT_PG_BIN;
        this.user = env.FAULT_UNPRIVILEGED_USER;
        // Whatever ends us: a paused server would hear nobody who asks it to stop.
        process.on('exit', () => this.#signal(this.#paused, 'SIGCONT'));
    }

    /** Of one of its databases, as the role that owns them; superuser: as postgres. */
    url(database, {superuser = false} = {}) {
        return `postgresql://${superuser ? 'postgres' : 'hookline'}:${this.password}@127.0.0.1:${this.port}/${database}`;
    }

    isRunning() {
        return this.#child !== null;
    }

    async start() {
        if (this.#child) return;
        const log = openSync(join(this.folder, 'log'), 'a');
        const as = this.user ? [`--reuid=${this.user}`, `--regid=${this.user}`, '--init-groups'] : [];
        const server = [join(this.bin, 'postgres'), '-D', join(this.folder, 'data'), '-p', this.port];
        // Should we die, it is told to stop at once.
        const child = spawn('setpriv', [...as, '--pdeathsig', 'QUIT', '--', ...server], {
            cwd: '/',
            stdio: ['ignore', log, log],
        });
        closeSync(log);
        this.#child = child;
        this.#gone = new Promise((resolve) => child.on('close', resolve)).then(() => {
            if (this.#child === child) this.#child = null;
        });
        const answers = async () => {
            if (this.#child !== child) throw new Error(`PostgreSQL did not start:\n${this.lastOfLog()}`);
            return connect(this.url('postgres')).then(
                (client) => client.end().then(() => true),
                () => false,
            );
        };
        await until('PostgreSQL answers', answers, START_MS);
    }

    /** Fast shutdown, as a restart by hand does it: connections are ended, and all is written. */
    async stop() {
        if (!this.#child) return;
        this.resume();
        this.#child.kill('SIGINT');
        const late = setTimeout(() => this.#child?.kill('SIGQUIT'), 20_000);
        await this.#gone;
        clearTimeout(late);
    }

    /** All of its processes at once, as when the power fails (but for what the kernel still holds). */
    async kill() {
        if (!this.#child) return;
        const {pid} = this.#child;
        process.kill(pid, 'SIGSTOP'); // or it forks while we look at its children
        const all = [pid, ...childrenOf(pid)];
        this.#signal(all, 'SIGKILL');
        this.#paused = [];
        await this.#gone;
        await until('PostgreSQL is gone', () => all.every(isGone));
    }

    /** Nothing of it runs, and nobody is told. */
    pause() {
        const {pid} = this.#child;
        process.kill(pid, 'SIGSTOP');
        this.#paused = [pid, ...childrenOf(pid)];
        this.#signal(this.#paused, 'SIGSTOP');
    }

    resume() {
        this.#signal(this.#paused, 'SIGCONT');
        this.#paused = [];
    }

    /** Whatever was done to it. */
    async heal() {
        this.resume();
        await this.start();
    }

    #signal(pids, signal) {
        for (const pid of pids)
            try {
                process.kill(pid, signal);
            } catch {
                // it has ended by itself
            }
    }

    /** What it has said last. */
    lastOfLog() {
        return readFileSync(join(this.folder, 'log'), 'utf8').split('\n').slice(-20).join('\n');
    }
}

/** /proc/PID/stat after the name: state, parent, … */
function statOf(pid) {
    try {
        const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
        const [state, parent] = text.slice(text.lastIndexOf(')') + 2).split(' ');
        return {state, parent: Number(parent)};
    } catch {
        return null;
    }
}

function childrenOf(pid) {
    return readdirSync('/proc')
        .filter((name) => /^\d+$/.test(name))
        .map(Number)
        .filter((other) => statOf(other)?.parent === pid);
}

function isGone(pid) {
    const stat = statOf(pid);
    return stat === null || stat.state === 'Z';
}
