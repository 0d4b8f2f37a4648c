// supabase.mjs – a PostgreSQL cluster whose roles are a test's own, and a database in it that is prepared as Supabase
// prepares a project's.
//
// What Supabase's initial SQL does (github.com/supabase/postgres, migrations/db, read 2026-11-21): the superuser is
// supabase_admin; `postgres`, as whom a project's own migrations run, is none, but may make roles and is not held by row
// level security; anon, authenticated and service_role (BYPASSRLS) are what `authenticator` turns into by a request's
// token, whose claims are then in request.jwt.claims; schema auth, which belongs to Supabase, has the users and uid().
// Until 2026-10-30 a project's roles got every privilege on whatever was made in public; since then they get none.

import {spawn, spawnSync} from 'node:child_process';
import {once} from 'node:events';
import {chownSync, mkdtempSync, readdirSync, rmSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {connect} from './database.mjs';
import {until} from './wait.mjs';

const API_ROLES = ['anon', 'authenticated', 'service_role'];

/** The newest PostgreSQL's programs, as deploy/lib.sh finds them. */
function programs() {
    const root = '/usr/lib/postgresql';
    const [newest] = readdirSync(root).sort((a, b) => Number(b) - Number(a));
    return join(root, newest, 'bin');
}

/** PostgreSQL refuses to run as root: then it is somebody else's, and this is how setpriv(1) becomes them. */
function unprivileged() {
    if (process.getuid() !== 0) return {options: []};
    const user = process.env.TEST_UNPRIVILEGED_USER ?? 'postgres';
    const id = (flag) => Number(spawnSync('id', [flag, user], {encoding: 'utf8'}).stdout);
    const [uid, gid] = [id('-u'), id('-g')];
    return {uid, gid, options: [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups']};
}

async function freePort() {
    const server = net.createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const {port} = server.address();
    server.close();
    return port;
}

/**
 * Starts a cluster of its own, whose superuser is supabase_admin; everybody is let in without a password, by 127.0.0.1
 * only. Gives {url(role, database), run(database, sql), stop()}. It ends with this process, whatever happens to it.
 */
export async function startCluster() {
    const folder = mkdtempSync(join(tmpdir(), 'hookline-roles-'));
    const {uid, gid, options} = unprivileged();
    if (uid !== undefined) chownSync(folder, uid, gid);
    const initdb = [`${programs()}/initdb`, '-D', `${folder}/data`, '-U', 'supabase_admin', '-A', 'trust'];
    const flags = ['--no-sync', '--encoding=UTF8', '--locale=C.UTF-8'];
    const made = spawnSync('setpriv', [...options, '--', ...initdb, ...flags], {cwd: '/', encoding: 'utf8'});
    if (made.status !== 0) throw new Error(`initdb: ${made.stderr}`);

    const port = await freePort();
    const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off'];
    const postgres = [`${programs()}/postgres`, '-D', `${folder}/data`, ...settings.flatMap((setting) => ['-c', setting])];
    const child = spawn('setpriv', [...options, '--pdeathsig', 'QUIT', '--', ...postgres], {cwd: '/', stdio: 'ignore'});
    const gone = once(child, 'close');

    const url = (role, database) => `postgresql://${role}@127.0.0.1:${port}/${database}`;
    const run = async (database, sql) => {
        const client = await connect(url('supabase_admin', database));
        try {
            await client.query(sql);
        } finally {
            await client.end();
        }
    };
    await until('the cluster answers', () => run('postgres', 'SELECT 1').then(() => true, () => false));
    return {
        url,
        run,
        stop: async () => {
            child.kill('SIGINT'); // fast: it ends its sessions, and leaves nobody behind who writes into the folder
            await gone;
            rmSync(folder, {recursive: true, force: true});
        },
    };
}

/** Drops the database, and the roles that a migration or prepareSupabase() has made. */
export async function dropDatabase(cluster, database) {
    const roles = ['authenticator', 'supabase_auth_admin', 'postgres', 'project', 'receiver', 'hookline_writer', ...API_ROLES];
    await cluster.run('postgres', `DROP DATABASE IF EXISTS ${database} WITH (FORCE)`);
    await cluster.run('postgres', `DROP ROLE IF EXISTS ${roles.join(', ')}`);
}

/** A database that is prepared as a project of Supabase; `exposed`: as those were until 2026-10-30. Its owner: postgres. */
export async function prepareSupabase(cluster, database, {exposed}) {
    await cluster.run(
        'postgres',
        `CREATE ROLE postgres LOGIN NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS;
         CREATE ROLE anon NOLOGIN;
         CREATE ROLE authenticated NOLOGIN;
         CREATE ROLE service_role NOLOGIN BYPASSRLS;
         CREATE ROLE authenticator LOGIN NOINHERIT;
         CREATE ROLE supabase_auth_admin LOGIN NOINHERIT CREATEROLE;
         GRANT ${API_ROLES.join(', ')} TO authenticator;
         GRANT ${API_ROLES.join(', ')} TO postgres WITH ADMIN OPTION;`,
    );
    await cluster.run('postgres', `CREATE DATABASE ${database}`);
    await cluster.run(
        database,
        `GRANT ALL ON DATABASE ${database} TO postgres;
         GRANT ALL ON SCHEMA public TO postgres;
         GRANT USAGE ON SCHEMA public TO ${API_ROLES.join(', ')};
         CREATE SCHEMA extensions;
         CREATE EXTENSION pgcrypto WITH SCHEMA extensions;
         GRANT USAGE ON SCHEMA extensions TO postgres, ${API_ROLES.join(', ')};
         CREATE SCHEMA auth AUTHORIZATION supabase_auth_admin;
         GRANT USAGE ON SCHEMA auth TO postgres, ${API_ROLES.join(', ')};
         CREATE TABLE auth.users (id uuid PRIMARY KEY, email text, role text, created_at timestamptz);
         ALTER TABLE auth.users OWNER TO supabase_auth_admin;
         CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS $$
             SELECT coalesce(nullif(current_setting('request.jwt.claim.sub', true), ''),
                             nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub')::uuid
         $$;
         ALTER FUNCTION auth.uid() OWNER TO supabase_auth_admin;`,
    );
    if (!exposed) return;
    for (const kind of ['TABLES', 'FUNCTIONS', 'SEQUENCES']) {
        await cluster.run(
            database,
            `ALTER DEFAULT PRIVILEGES FOR ROLE postgres IN SCHEMA public GRANT ALL ON ${kind} TO ${API_ROLES.join(', ')}`,
        );
    }
}
