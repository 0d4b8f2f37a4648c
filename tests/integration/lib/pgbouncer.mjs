// pgbouncer.mjs – a PgBouncer in front of a test's database.

import {spawn} from 'node:child_process';
import {chmodSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {connect} from './database.mjs';
import {until} from './wait.mjs';

/** A PgBouncer of our own: transaction mode, two server connections. It refuses to run as root. */
export async function startBouncer(databaseUrl) {
    const target = new URL(databaseUrl);
    const folder = mkdtempSync(join(tmpdir(), 'pgbouncer-'));
    const port = await freePort();
    const users = join(folder, 'users');
    const settings = join(folder, 'pgbouncer.ini');
    chmodSync(folder, 0o755);
    writeFileSync(users, `"${target.username}" "${target.password}"\n`);
    writeFileSync(
        settings,
        `[databases]
* = host=${target.hostname} port=${target.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${users}
pool_mode = transaction
default_pool_size = 2
server_login_retry = 1
ignore_startup_parameters = extra_float_digits,options
`,
    );
    const user = process.env.TEST_UNPRIVILEGED_USER;
    const as = user ? [`--reuid=${user}`, `--regid=${user}`, '--init-groups'] : [];
    if (user) for (const file of [users, settings]) chmodSync(file, 0o644);
    const child = spawn('setpriv', [...as, '--pdeathsig', 'KILL', '--', 'pgbouncer', settings], {
        stdio: ['ignore', 'pipe', 'pipe'],
    });
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (log += text));
    const gone = new Promise((resolve) => child.on('close', resolve));
    const url = new URL(databaseUrl);
    url.port = port;
    try {
        await until('PgBouncer answers', () =>
            connect(url.href).then(
                (client) => client.end().then(() => true),
                () => false,
            ),
        );
    } catch (error) {
        child.kill('SIGKILL');
        throw new Error(`${error.message}\n${log}`);
    }
    return {
        url: url.href,
        stop: async () => {
            child.kill('SIGKILL');
            await gone;
            rmSync(folder, {recursive: true, force: true});
        },
    };
}

function freePort() {
    return new Promise((resolve) => {
        const server = net.createServer().listen(0, '127.0.0.1', () => {
            const {port} = server.address();
            server.close(() => resolve(port));
        });
    });
}
