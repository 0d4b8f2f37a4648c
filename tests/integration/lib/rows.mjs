// rows.mjs – what the database says about calls, without what may differ between two equal histories: surrogate ids,
// created, updated and received times (a message without a time of its own has that of its row), when a lead is to be
// looked at, and the way a delivery came (design: "equal rows").

import assert from 'node:assert/strict';

const LEFT_OUT = [
    'id',
    'call_id',
    'lead_id',
    'created_at',
    'updated_at',
    'received_at',
    'linked_at',
    'timestamp',
    'number_pending_since',
    'customer_at',
    'customer_made_at',
    'customer_mark', // of a business's surrogate id, too
    'way',
];

// Versions without their last 20 bits: in one of a jsonb value they are a hash of it, ids and all. As text, since
// JavaScript's numbers are too short for them.
const whole = (alias) => `to_jsonb(${alias}) || jsonb_build_object('versions',
    (SELECT array_agg((v >> 20)::text ORDER BY n) FROM unnest(${alias}.versions) WITH ORDINALITY AS u (v, n)))`;

const TABLES = {
    call_events: `SELECT e.provider_call_id AS of_call, to_jsonb(e) AS row FROM call_events e`,
    voice_calls: `SELECT c.provider_call_id AS of_call, ${whole('c')} AS row FROM voice_calls c`,
    voice_messages: `SELECT c.provider_call_id AS of_call, ${whole('m')} AS row
                     FROM voice_messages m JOIN voice_calls c ON c.id = m.call_id`,
    call_participants: `SELECT c.provider_call_id AS of_call, ${whole('p')} AS row
                        FROM call_participants p JOIN voice_calls c ON c.id = p.call_id`,
    lead_calls: `SELECT c.provider_call_id AS of_call, to_jsonb(k) || jsonb_build_object('lead', l.phone) AS row
                 FROM lead_calls k JOIN voice_calls c ON c.id = k.call_id JOIN leads l ON l.id = k.lead_id`,
    leads: `SELECT c.provider_call_id AS of_call, to_jsonb(l) AS row
            FROM leads l JOIN voice_calls c ON c.customer_number = l.phone_e164`,
};

/** provider_call_id → {table: [row, …]}, rows as objects without what is left out, in a fixed order. */
export async function rowsByCall(database) {
    const calls = new Map();
    for (const [table, sql] of Object.entries(TABLES)) {
        for (const {of_call: callId, row} of await database.rows(sql)) {
            for (const column of LEFT_OUT) delete row[column];
            if (!calls.has(callId)) calls.set(callId, Object.fromEntries(Object.keys(TABLES).map((t) => [t, []])));
            calls.get(callId)[table].push(row);
        }
    }
    return calls;
}

/**
 * Makes the rows of two calls comparable: every id of this call becomes its name, and hashes (which are made of ids)
 * become <hash>; then rows are sorted.
 */
export function withoutIds(rows, ids) {
    const anonymous = (row) => {
        let text = JSON.stringify(row);
        for (const [name, id] of Object.entries(ids)) text = text.replaceAll(id, `<${name}>`);
        return JSON.parse(text.replace(/\b[0-9a-f]{32,64}\b/g, '<hash>'));
    };
    return Object.fromEntries(
        Object.entries(rows).map(([table, list]) => [
            table,
            list.map(anonymous).sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
        ]),
    );
}

/** Compares what withoutIds gives; says of each table which rows only one side has. */
export function assertSameRows(found, wanted, what) {
    const differences = Object.keys(wanted).flatMap((table) => [
        ...onlyIn(found, wanted, table).map((row) => `  ${table} has       ${row}`),
        ...onlyIn(wanted, found, table).map((row) => `  ${table} should be ${row}`),
    ]);
    if (differences.length > 0) assert.fail(`${what}:\n${differences.join('\n')}`);
    assert.deepEqual(found, wanted, what); // the same rows, but not as many
}

function onlyIn(rows, others, table) {
    const known = new Set(others[table].map((row) => JSON.stringify(row)));
    return rows[table].map((row) => JSON.stringify(row)).filter((row) => !known.has(row));
}
