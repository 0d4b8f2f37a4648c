// databases.mjs – a migrated database for each case, copied from a template: a migration takes seconds, a copy does not.

import {connect} from '../../integration/lib/database.mjs';
import {runHookline} from '../../integration/lib/hookline.mjs';
import {textTimes} from './types.mjs';

const TEMPLATE = 'hookline_fault_template';

export class Databases {
    #made = 0;

    constructor(postgres) {
        this.postgres = postgres;
    }

    async makeTemplate() {
        const {postgres} = this;
        await onceConnected(postgres.url('hookline'), (client) => client.query(`CREATE DATABASE ${TEMPLATE}`));
        const {code, stdout, stderr} = runHookline(['migrate'], {
            FAULT_RUN_BIN: process.env.FAULT_BIN,
            DATABASE_URL: postgres.url(TEMPLATE),
        });
        if (code !== 0) throw new Error(`hookline migrate: exit code ${code}\n${stdout}${stderr}`);
    }

    async create() {
        const name = `hookline_fault_${++this.#made}`;
        await onceConnected(this.postgres.url('hookline'), (client) =>
            client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`),
        );
        return new Database(this.postgres, name);
    }
}

/** A connection for every query: none of them outlives what is done to PostgreSQL. */
export class Database {
    constructor(postgres, name) {
        this.postgres = postgres;
        this.name = name;
        this.url = postgres.url(name);
    }

    rows(sql, params) {
        return onceConnected(this.url, async (client) => (await client.query(sql, params)).rows);
    }

    async value(sql, params) {
        return Object.values((await this.rows(sql, params))[0] ?? {})[0];
    }

    /** A client that the caller ends, to hold a lock with. */
    connect() {
        return connect(this.url, {types: textTimes});
    }

    /** Whoever connects from now on, and does not ask for better, hears of a commit before it is on the disk. */
    commitLater() {
        return this.rows(`ALTER DATABASE ${this.name} SET synchronous_commit = off`);
    }

    /** As postgres: FORCE then ends an autovacuum worker too. */
    drop() {
        return onceConnected(this.postgres.url('postgres', {superuser: true}), (client) =>
            client.query(`DROP DATABASE IF EXISTS ${this.name} WITH (FORCE)`),
        );
    }
}

async function onceConnected(url, work) {
    const client = await connect(url, {types: textTimes});
    try {
        return await work(client);
    } finally {
        await client.end().catch(() => {});
    }
}
