// fastify-batched.mjs – receiver (b): the same rows by group commit.
//
// What gathered while the last batch was committing goes next, up to BENCH_BATCH, over one connection: BEGIN, hookline's
// own statements (`limit texts`) on arrays, prepared by name, COMMIT, all in one round trip (pg's pipeline mode).
// Deliveries of one event, and facts of one row, are merged before. Shared with hookline: the statements, the schema,
// and the way of gathering. Not shared: the language, the server, and arrays as text, which is what pg sends.

import pg from 'pg';
import {CALL, FLAT, REPORT, STATEMENTS, TABLES} from './facts.mjs';
import {retry, serve} from './receiver.mjs';
import {EVENT_COLUMNS, SESSION, WRITES, cellText, eventValues, keyHash, versionsText} from './rows.mjs';

const MAX_BATCH = Number(process.env.BENCH_BATCH ?? '128');

/** Arrays of cells as one array literal. Quotes what is not plainly a number, a word or a time. */
const PLAIN = /^[A-Za-z0-9_:.+-]+$/;
function arrayText(cells) {
    let out = '';
    for (const cell of cells) {
        if (out) out += ',';
        if (cell === null || cell === undefined) out += 'NULL';
        else if (PLAIN.test(cell) && cell !== 'NULL' && cell !== 'null') out += cell;
        else out += `"${cell.replace(/[\\"]/g, '\\$&')}"`;
    }
    return `{${out}}`;
}

function eventParameters(batch) {
    const byHash = new Map();
    for (const {d, receivedMs} of batch) {
        const hash = keyHash(d);
        if (!byHash.has(hash)) byHash.set(hash, eventValues(d, hash, receivedMs));
    }
    const rows = [...byHash.keys()].sort().map((hash) => byHash.get(hash));
    return Array.from({length: 3 + EVENT_COLUMNS.length}, (_, i) => arrayText(rows.map((row) => row[i])));
}

/** A table's rows, one a key, sorted by key: two writers never wait for each other in a circle. */
class Rows {
    byKey = new Map();
    constructor(table) {
        this.table = table;
    }

    add(provider, row) {
        const key = `${provider}\n${row.callId}\n${row.key ?? ''}`;
        const held = this.byKey.get(key);
        if (held) held.row.merge(row);
        else this.byKey.set(key, {provider, row});
    }

    sorted() {
        return [...this.byKey.keys()].sort().map((key) => this.byKey.get(key));
    }

    parameters(withKey) {
        const items = this.sorted();
        const rows = items.map(({row}) => row);
        const values = [arrayText(items.map(({provider}) => provider)), arrayText(rows.map((row) => row.callId))];
        if (withKey) values.push(arrayText(rows.map((row) => row.key)));
        TABLES[this.table].forEach((column, i) => {
            const used = rows.some((row) => row.values[i] !== null);
            values.push(used ? arrayText(rows.map((row) => cellText(column, row.values[i]))) : null);
        });
        values.push(versionsText(rows));
        return values;
    }
}

// Which calls a statement of the whole batch is about.
const isTied = ({row}) => [CALL.customer_number, CALL.started_at, CALL.call_sid].some((i) => row.values[i] !== null);
const hasNewSource = ({row}) => row.versions[CALL.transcript_source] >= FLAT[REPORT];
const needsTokens = (item) => hasNewSource(item) && item.row.values[CALL.total_tokens_used] === null;

function statementsOf(batch) {
    const calls = new Rows('voice_calls');
    const stays = new Rows('call_participants');
    const lines = new Rows('voice_messages');
    for (const {d} of batch) {
        if (d.call) calls.add(d.provider, d.call);
        for (const stay of d.stays) stays.add(d.provider, stay);
        for (const line of d.lines) lines.add(d.provider, line);
    }
    const out = [];
    const add = (name, values) => out.push({name, text: STATEMENTS[name], values});
    const addFor = (name, items) => {
        if (!items.length) return;
        add(name, [arrayText(items.map(({provider}) => provider)), arrayText(items.map(({row}) => row.callId))]);
    };
    const sorted = calls.sorted();
    add('hookline_events', eventParameters(batch));
    if (calls.byKey.size) add('hookline_calls', calls.parameters(false));
    addFor('hookline_leads', sorted.filter(isTied));
    if (stays.byKey.size) add('hookline_participants', stays.parameters(true));
    if (lines.byKey.size) add('hookline_messages', lines.parameters(true));
    addFor('hookline_supersede', sorted.filter(hasNewSource));
    addFor('hookline_tokens', sorted.filter(needsTokens));
    return out;
}

class Batcher {
    #client;
    #waiting = [];
    #busy = false;

    constructor(client) {
        this.#client = client;
    }

    store(d) {
        return new Promise((resolve, reject) => {
            this.#waiting.push({d, receivedMs: Date.now(), resolve, reject});
            if (!this.#busy) {
                this.#busy = true;
                setImmediate(() => this.#run()); // what this turn of the event loop brings goes along
            }
        });
    }

    async #run() {
        while (this.#waiting.length) {
            const batch = this.#waiting.splice(0, MAX_BATCH);
            try {
                await retry(() => this.#commit(batch));
                for (const {resolve} of batch) resolve();
            } catch (error) {
                for (const {reject} of batch) reject(error);
            }
        }
        this.#busy = false;
    }

    async #commit(batch) {
        const queries = [{text: 'BEGIN'}, ...statementsOf(batch), {text: 'COMMIT'}].map((query) =>
            this.#client.query(query),
        );
        const failed = (await Promise.allSettled(queries)).find(({status}) => status === 'rejected');
        if (failed) throw failed.reason;
    }
}

await serve(async () => {
    const client = new pg.Client({
        connectionString: process.env.DATABASE_URL,
        pipeline: true,
        options: SESSION + WRITES,
    });
    await client.connect();
    const batcher = new Batcher(client);
    return (d) => batcher.store(d);
});
