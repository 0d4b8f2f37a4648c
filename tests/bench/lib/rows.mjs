// rows.mjs – are the rows of two databases the same? All columns but surrogate ids, and the times of creation, update
// and receipt.

import {query} from './database.mjs';

const TABLES = {
    event_keys: `SELECT key_hash FROM public.event_keys`,
    call_events: `SELECT to_jsonb(e) - '{id,received_at,created_at}'::text[] AS row FROM public.call_events e`,
    voice_calls: `SELECT to_jsonb(c) - '{id,created_at,updated_at}'::text[] AS row FROM public.voice_calls c`,
    voice_messages: `SELECT c.provider, c.provider_call_id, to_jsonb(m) - '{id,call_id,created_at,timestamp}'::text[] AS row
                     FROM public.voice_messages m JOIN public.voice_calls c ON c.id = m.call_id`,
    call_participants: `SELECT c.provider, c.provider_call_id, to_jsonb(p) - '{id,call_id,created_at}'::text[] AS row
                        FROM public.call_participants p JOIN public.voice_calls c ON c.id = p.call_id`,
    lead_calls: `SELECT l.phone, c.provider, c.provider_call_id, to_jsonb(lc) - '{lead_id,call_id,linked_at}'::text[] AS row
                 FROM public.lead_calls lc JOIN public.leads l ON l.id = lc.lead_id
                 JOIN public.voice_calls c ON c.id = lc.call_id`,
    leads: `SELECT to_jsonb(l) - '{id,created_at,updated_at,number_pending_since}'::text[] AS row FROM public.leads l
            WHERE l.call_sid IS NOT NULL OR l.lead_status <> 'new'`,
};

/** {table: sorted rows as text} */
export async function readRows(database) {
    const out = {};
    for (const [table, sql] of Object.entries(TABLES)) {
        const rows = await query(database, `SELECT row_to_json(r)::text AS text FROM (${sql}) r`);
        out[table] = rows.map(({text}) => text).sort();
    }
    return out;
}

/** What differs, in words; empty when nothing does. */
export function differences(expected, found, name) {
    const out = [];
    for (const table of Object.keys(TABLES)) {
        const missing = minus(expected[table], found[table]),
            extra = minus(found[table], expected[table]);
        if (!missing.length && !extra.length) continue;
        out.push(
            `${table}: ${missing.length} rows of hookline's are not ${name}'s, ${extra.length} the other way round`,
        );
        if (missing.length) out.push(`  hookline ${missing[0]}`);
        if (extra.length) out.push(`  ${name} ${extra[0]}`);
    }
    return out;
}

function minus(a, b) {
    const left = new Map();
    for (const row of b) left.set(row, (left.get(row) ?? 0) + 1);
    return a.filter((row) => {
        const n = left.get(row) ?? 0;
        left.set(row, n - 1);
        return n <= 0;
    });
}
