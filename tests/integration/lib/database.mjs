// database.mjs – a database of its own for a test file, on the cluster that TEST_DATABASE_URL names (tests/run starts
// one; see tests/run --help for how to have one at hand while writing tests).

import {randomBytes} from 'node:crypto';
import pg from 'pg';
import {runHookline} from './hookline.mjs';

/** Seconds and minutes are enough for a test; a query that hangs should fail it, not hold it. */
const QUERY_MS = 60_000;

function testDatabaseUrl() {
    const url = process.env.TEST_DATABASE_URL;
    if (!url) throw new Error('TEST_DATABASE_URL is not set; run the tests by tests/run');
    return url;
}

/** A connected client; the caller ends it. */
export async function connect(url, options = {}) {
    const client = new pg.Client({connectionString: url, query_timeout: QUERY_MS, ...options});
    client.on('error', () => {}); // a server that goes away is part of some tests; the next query says so
    await client.connect();
    return client;
}

/**
 * Creates a database, migrates it by `hookline migrate` (unless migrate is false, or it is made as a copy of the one that
 * `like` names, to which nobody is connected), and gives {name, url, client, rows(sql, params), row(…), value(…), drop()}.
 * Times come as text, so that microseconds are compared too.
 */
export async function createDatabase({like = null, migrate = like === null} = {}) {
    const name = `hookline_test_${randomBytes(6).toString('hex')}`;
    const adminUrl = testDatabaseUrl();
    await asAdmin(adminUrl, `CREATE DATABASE ${name}${like === null ? '' : ` TEMPLATE ${like}`}`);

    const url = new URL(adminUrl);
    url.pathname = `/${name}`;
    if (migrate) {
        const {code, stdout, stderr} = runHookline(['migrate'], {DATABASE_URL: url.href});
        if (code !== 0) throw new Error(`hookline migrate: exit code ${code}\n${stdout}${stderr}`);
    }
    const client = await connect(url.href, {types: {getTypeParser}});
    const rows = (sql, params) => retried('40P01', async () => (await client.query(sql, params)).rows);
    return {
        name,
        url: url.href,
        client,
        rows,
        row: async (sql, params) => (await rows(sql, params))[0],
        value: async (sql, params) => Object.values((await rows(sql, params))[0] ?? {})[0],
        drop: async () => {
            await client.end().catch(() => {});
            // FORCE may not end an autovacuum worker, which is a superuser's; without it PostgreSQL sends that one away, and
            // says 55006 if it has not gone within five seconds.
            await retried('55006', () =>
                asAdmin(adminUrl, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`).catch((error) => {
                    if (error.code !== '42501') throw error;
                    return asAdmin(adminUrl, `DROP DATABASE IF EXISTS ${name}`);
                }),
            );
        },
    };
}

/**
 * Does it again, a few times, when PostgreSQL says that this may help (40P01: a statement that changes a table met
 * hookline's housekeeping; the one that PostgreSQL ends is as often ours).
 */
async function retried(code, work, tries = 5) {
    for (let i = 1; ; i++) {
        try {
            return await work();
        } catch (error) {
            if (error.code !== code || i === tries) throw error;
        }
    }
}

async function asAdmin(url, sql) {
    const admin = await connect(url);
    try {
        await admin.query(sql);
    } finally {
        await admin.end();
    }
}

const TIMES = new Set([pg.types.builtins.TIMESTAMPTZ, pg.types.builtins.TIMESTAMP, pg.types.builtins.DATE]);
const INT8 = pg.types.builtins.INT8;

function getTypeParser(oid, format) {
    if (format !== 'binary' && TIMES.has(oid)) return (text) => text;
    if (format !== 'binary' && oid === INT8) return Number; // counts; no test has more than 2^53 of anything
    return pg.types.getTypeParser(oid, format);
}
