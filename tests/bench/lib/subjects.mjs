// subjects.mjs – who is measured: how each is started on a database, and what makes it comparable.

import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {freePort, start, waitForPort} from './processes.mjs';
import {BENCH, BUILD, ENV, UNPRIVILEGED, WORK} from './settings.mjs';

/**
 * hookline as an operator runs it, without a line for each request: the rivals log none either. alone: it is not to wait
 * for its database.
 */
export function hookline(settings = {}, {alone = false, prefix = []} = {}) {
    return async (databaseUrl) => {
        const port = await freePort();
        const env = {
            ...ENV,
            DATABASE_URL: databaseUrl,
            HOOKLINE_LISTEN: `127.0.0.1:${port}`,
            HOOKLINE_ACCESS_LOG: '0',
            HOOKLINE_LOG_LEVEL: 'warn',
            HOOKLINE_DATA_DIR: mkdtempSync(join(WORK, 'data-')),
            ...settings,
        };
        const [command, ...args] = [...prefix, `${BUILD}/hookline`, 'serve'];
        return started(start(command, args, env), port, alone ? '' : '/readyz');
    };
}

export function node(script, settings = {}, {prefix = []} = {}) {
    return async (databaseUrl) => {
        const port = await freePort();
        const env = {...ENV, NODE_ENV: 'production', DATABASE_URL: databaseUrl, PORT: String(port), ...settings};
        const [command, ...args] = [...prefix, process.execPath, join(BENCH, 'rivals', script)];
        return started(start(command, args, env), port);
    };
}

/** ready: the path that says whether its database is up; it listens before it is. */
async function started(process_, port, ready) {
    const url = `http://127.0.0.1:${port}`;
    await waitForPort(port, process_);
    while (ready && process_.running() && (await (await fetch(url + ready)).json()).database !== 'up') await sleep(50);
    return {url, pid: process_.pid, others: [], output: process_.output, stop: () => process_.stop()};
}

/** A PgBouncer in transaction mode between the subject and the database. */
function bounced(subject) {
    return async (databaseUrl) => {
        const target = new URL(databaseUrl);
        const port = await freePort();
        const folder = mkdtempSync(join(WORK, 'pgbouncer-'));
        chmodSync(folder, 0o755);
        writeFileSync(join(folder, 'users'), `"${target.username}" "${target.password}"\n`);
        writeFileSync(
            join(folder, 'pgbouncer.ini'),
            `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${join(folder, 'users')}
pool_mode = transaction
ignore_startup_parameters = extra_float_digits,options
`,
        );
        const bouncer = start('pgbouncer', ['-q', join(folder, 'pgbouncer.ini')], ENV, {as: UNPRIVILEGED});
        await waitForPort(port, bouncer);
        target.port = String(port);
        const inner = await subject(target.href);
        return {
            ...inner,
            others: [bouncer.pid],
            async stop() {
                await inner.stop();
                await bouncer.stop();
                rmSync(folder, {recursive: true});
            },
        };
    };
}

/** main: measured by --quick too, and its rows are compared. rival: whose figure hookline's are divided by. */
export const SUBJECTS = [
    {name: 'hookline', main: true, start: hookline()},
    {name: 'hookline, 1 loop', start: hookline({HOOKLINE_THREADS: '1'})},
    {name: 'hookline, 2 loops', start: hookline({HOOKLINE_THREADS: '2'})},
    {name: 'hookline, 1 connection', start: hookline({HOOKLINE_DATABASE_CONNECTIONS: '1'})},
    {name: 'hookline, pooled', start: hookline({HOOKLINE_DATABASE_POOLED: '1'})},
    {name: 'hookline, PgBouncer', start: bounced(hookline({HOOKLINE_DATABASE_POOLED: '1'}))},
    {name: 'fastify', main: true, rival: 'a', start: node('fastify.mjs')},
    {name: 'fastify, 2 processes', rival: 'a', start: node('fastify.mjs', {WORKERS: '2', BENCH_POOL: '3'})},
    {name: 'fastify-batched', main: true, rival: 'b', start: node('fastify-batched.mjs')},
    {name: 'fastify-batched, 2 processes', rival: 'b', start: node('fastify-batched.mjs', {WORKERS: '2'})},
];
