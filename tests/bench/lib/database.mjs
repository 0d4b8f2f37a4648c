// database.mjs – databases for the bench: each run begins with a copy of the same one.

import pg from 'pg';
import {run} from './processes.mjs';
import {BUILD, ENV} from './settings.mjs';

const own = new URL(process.env.DATABASE_URL);

export function urlOf(name) {
    const url = new URL(own);
    url.pathname = `/${name}`;
    return url.href;
}

/** As the cluster's superuser: the role `postgres`, with the same password. */
async function asSuperuser(sql, database = 'postgres') {
    const url = new URL(urlOf(database));
    url.username = 'postgres';
    const client = new pg.Client({connectionString: url.href});
    await client.connect();
    try {
        return await client.query(sql);
    } finally {
        await client.end();
    }
}

export async function query(name, sql, values) {
    const client = new pg.Client({connectionString: urlOf(name)});
    await client.connect();
    try {
        return (await client.query(sql, values)).rows;
    } finally {
        await client.end();
    }
}

// A lead for one in four of the numbers that the mix calls from (generator/mix.h).
const LEADS = `INSERT INTO public.leads (name, phone)
    SELECT 'Lead ' || area || line, '+1' || area || '55501' || to_char(line, 'FM00')
    FROM generate_series(200, 998) AS area, generate_series(0, 99, 4) AS line`;

/**
 * Two templates: bench_empty is migrated and has the leads; bench_lived has some history too, and fresh statistics: a
 * database is empty on one day of its life only, and the planner's choices of that day are not what is measured.
 */
export async function makeTemplates(history) {
    // Before each run there is a checkpoint. After one PostgreSQL removes its WAL files down to this, and would spend the
    // run making new ones; a database that lives uses its old ones again.
    await asSuperuser("ALTER SYSTEM SET min_wal_size = '1GB'");
    await asSuperuser('SELECT pg_reload_conf()');
    await create('bench_empty', 'template1');
    await run(`${BUILD}/hookline`, ['migrate'], {...ENV, DATABASE_URL: urlOf('bench_empty')});
    await query('bench_empty', LEADS);
    await create('bench_lived', 'bench_empty');
    await run(`${BUILD}/tests/limit`, ['commit', '--count', String(history), '--seed', '1'], {
        ...ENV,
        DATABASE_URL: urlOf('bench_lived'),
    });
    for (const name of ['bench_empty', 'bench_lived']) await asSuperuser('VACUUM ANALYZE', name);
}

/** A database that is a copy of another; PostgreSQL has nothing left to write when it is there. */
export async function create(name, template) {
    await drop(name);
    await asSuperuser(`CREATE DATABASE ${name} OWNER ${own.username} TEMPLATE ${template} STRATEGY file_copy`);
    await asSuperuser('CHECKPOINT');
}

export async function drop(name) {
    await asSuperuser(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
}
