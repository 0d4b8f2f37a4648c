// hookline.mjs – starts the real program, as an operator would, and stops it.
//
//     const hookline = await startHookline({DATABASE_URL: database.url});
//     … hookline.url, hookline.port, hookline.metrics() …
//     const {code} = await hookline.stop();
//
// HOOKLINE_BIN names the binary (default build/hookline). Nothing of the caller's own settings reaches it: only what is
// given here. A sanitizer's report in its log makes stop() throw, so no test has to look for one.

import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {mkdtempSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import {fileURLToPath} from 'node:url';
import {fetchMetrics} from './metrics.mjs';
import {get} from './send.mjs';
import {until} from './wait.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const BIN = resolve(ROOT, process.env.HOOKLINE_BIN || 'build/hookline');

/** Which build this is: "release", "asan" or "tsan"; a test that needs time or memory can choose by it. */
export const BUILD = process.env.HOOKLINE_BUILD || 'release';
export const SANITIZED = BUILD !== 'release';

export const PUBLIC_URL = 'https://calls.example.com';

/** The secrets that hookline is started with and sign.mjs signs with, unless a test gives others. */
export const SECRETS = {
    TWILIO_ACCOUNT_SID: 'AC000000000000000000000000000000ac',
    TWILIO_AUTH_TOKEN: '00112233445566778899aabbccddeeff',
    VAPI_WEBHOOK_SECRET: 'vapi-test-secret-0123456789abcdef',
    LIVEKIT_API_KEY: 'APItestkey000001',
    LIVEKIT_API_SECRET: 'livekit-test-secret-0123456789abcdef0123456789',
};

const START_MS = 30_000;
const STOP_MS = 60_000;
const REPORTS = /AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:/;

// What a program needs of the machine, and the sanitizers' options; not the settings of whoever runs the tests.
const INHERITED = /^(PATH|HOME|USER|LANG|LC_.*|TZ|TMPDIR|[A-Z]+SAN_OPTIONS)$/;

/** A folder for a journal that nobody else uses; tests/run removes it with all else that is temporary. */
export const newDataDir = () => mkdtempSync(join(tmpdir(), 'hookline-data-'));

/** The environment of a hookline process: defaults, then `env`; a value of null or undefined takes a name out. */
export function hooklineEnv(env = {}) {
    const inherited = Object.entries(process.env).filter(([name]) => INHERITED.test(name));
    const all = {
        ...Object.fromEntries(inherited),
        ...SECRETS,
        HOOKLINE_LISTEN: '127.0.0.1:0',
        // Nobody's API is asked unless a test says so.
        HOOKLINE_RECONCILE_EVERY: 0,
        TWILIO_API_URL: 'http://127.0.0.1:9',
        HOOKLINE_PUBLIC_URL: PUBLIC_URL,
        HOOKLINE_DATA_DIR: env.HOOKLINE_DATA_DIR ?? newDataDir(),
        ...env,
    };
    return Object.fromEntries(
        Object.entries(all)
            .filter(([, value]) => value !== null && value !== undefined)
            .map(([name, value]) => [name, String(value)]),
    );
}

/** Runs one of the other subcommands to its end: {code, stdout, stderr}. */
export function runHookline(args, env = {}, {input, timeoutMs = START_MS} = {}) {
    const run = spawnSync(BIN, args, {env: hooklineEnv(env), encoding: 'utf8', input, timeout: timeoutMs});
    if (run.error) throw run.error;
    if (REPORTS.test(run.stderr)) throw new Error(`hookline ${args.join(' ')}: a sanitizer reported\n${run.stderr}`);
    return {code: run.status, signal: run.signal, stdout: run.stdout, stderr: run.stderr};
}

/**
 * Starts `hookline serve` and waits until it listens and, where it was given a DATABASE_URL, until the database is up, unless
 * that is what `ready: false` says. Gives {port, url, env, pid, child, exited, logs(), metrics(), stop(), end(), kill()}.
 *
 * The process dies with this one, whatever happens to it (setpriv --pdeathsig).
 */
export async function startHookline(env = {}, {ready = Boolean(env.DATABASE_URL)} = {}) {
    const fullEnv = hooklineEnv(env);
    const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', BIN, 'serve'], {
        env: fullEnv,
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    const log = new Log(child);
    // 'close' comes when the process is gone and its output has been read to the end.
    const exited = once(child, 'close').then(([code, signal]) => ({code, signal, logs: log.entries}));

    const listening = await Promise.race([
        log.waitFor((entry) => entry.msg === 'listening' && !isTls(entry), START_MS),
        exited.then(({code, signal}) => ({died: signal ?? code})),
    ]);
    if (!listening || 'died' in listening) {
        child.kill('SIGKILL');
        await exited;
        const why = listening ? `ended (${listening.died})` : `did not say "listening" within ${START_MS} ms`;
        throw new Error(`hookline serve ${why}\n${log.text}`);
    }

    const port = Number(/:(\d+)$/.exec(listening.address)[1]);
    const url = `http://127.0.0.1:${port}`;
    if (ready) {
        const isReady = async () => JSON.parse((await get(url, '/readyz')).body).database === 'up';
        await until('hookline is ready', isReady, START_MS).catch(async (error) => {
            child.kill('SIGKILL');
            await exited;
            throw new Error(`${error.message}\n${log.text}`);
        });
    }
    let stopping = null;

    /** Sends the signal and waits for the end: {code, signal, logs}. A second call gives the first one's answer. */
    const stop = (signal = 'SIGTERM') => {
        stopping ??= (async () => {
            if (child.exitCode === null && child.signalCode === null) child.kill(signal);
            const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
            const end = await exited;
            clearTimeout(late);
            if (REPORTS.test(log.text)) throw new Error(`a sanitizer reported\n${log.unstructured()}`);
            return end;
        })();
        return stopping;
    };

    return {
        port,
        url,
        env: fullEnv,
        pid: child.pid,
        child,
        exited,
        stop,
        /** Stops it, and expects it to end as it should. */
        end: async () => {
            const {code, signal} = await stop();
            if (code !== 0)
                throw new Error(`hookline ended with ${signal ?? `code ${code}`}\n${log.text.slice(-4000)}`);
        },
        /** All log lines until now, as objects; a line that is not JSON is {text}. */
        logs: () => log.entries,
        logText: () => log.text,
        /** Waits for a log line: an object, or null when it did not come in time. */
        waitForLog: (match, timeoutMs = 10_000) => log.waitFor(match, timeoutMs),
        metrics: () => fetchMetrics(url),
        /** Ends it as a crash would, and waits until it is gone. */
        kill: async () => {
            child.kill('SIGKILL');
            return exited;
        },
    };
}

function isTls(entry) {
    return entry.tls === true || entry.tls === 1 || entry.scheme === 'https' || entry.protocol === 'https';
}

class Log {
    entries = [];
    text = '';
    #waiting = new Set();

    constructor(child) {
        for (const stream of [child.stdout, child.stderr]) {
            let rest = '';
            stream.setEncoding('utf8');
            stream.on('data', (chunk) => {
                this.text += chunk;
                const lines = (rest + chunk).split('\n');
                rest = lines.pop();
                lines.forEach((line) => this.#add(parseLine(line)));
            });
        }
    }

    #add(entry) {
        this.entries.push(entry);
        for (const waiter of this.#waiting) waiter(entry);
    }

    /** Lines that are no log of ours: what a sanitizer says. */
    unstructured() {
        return this.entries
            .filter((entry) => entry.text !== undefined)
            .slice(0, 200)
            .map((entry) => entry.text)
            .join('\n');
    }

    waitFor(match, timeoutMs) {
        const found = this.entries.find(match);
        if (found) return Promise.resolve(found);
        return new Promise((resolve) => {
            const settle = (entry) => {
                clearTimeout(timer);
                this.#waiting.delete(waiter);
                resolve(entry);
            };
            const waiter = (entry) => match(entry) && settle(entry);
            const timer = setTimeout(settle, timeoutMs, null);
            this.#waiting.add(waiter);
        });
    }
}

function parseLine(line) {
    try {
        const entry = JSON.parse(line);
        if (entry && typeof entry === 'object') return entry;
    } catch {
        // not JSON: a sanitizer, an assertion, or usage
    }
    return {text: line};
}
