// rows.mjs – from a delivery to the parameters of statements, as text.

import {CALL, LINE, STAY, TABLES, sha256Hex} from './facts.mjs';

/** What hookline sets for its own session. */
export const SESSION =
    '-c plan_cache_mode=force_generic_plan -c jit=off -c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off';
/** … and this, where hookline_link_calls is called instead of leaving the lead links to the triggers. */
export const WRITES = ' -c hookline.writes=on';

/** The columns of call_events that follow key_hash, received_at and occurred_at, with their types. */
export const EVENT_COLUMNS = [
    ['provider', 'text'],
    ['event_key', 'text'],
    ['event_type', 'text'],
    ['way', 'text'],
    ['route', 'text'],
    ['provider_call_id', 'text'],
    ['call_sid', 'text'],
    ['from_number', 'text'],
    ['to_number', 'text'],
    ['call_status', 'text'],
    ['payload', 'jsonb'],
    ['raw', 'bytea'],
    ['error', 'text'],
];

export const keyHash = (d) => sha256Hex(`${d.provider}:${d.eventKey}`).slice(0, 32);

/** key_hash, received_at, occurred_at, and EVENT_COLUMNS. */
export function eventValues(d, hash, receivedMs) {
    return [
        hash,
        iso(receivedMs),
        d.occurredMs === null ? null : iso(d.occurredMs),
        d.provider,
        d.eventKey,
        d.eventType,
        'webhook',
        d.route ?? 'events',
        d.callId,
        d.callSid,
        d.from,
        d.to,
        d.status,
        d.payload,
        null,
        null,
    ];
}

function iso(ms) {
    return new Date(ms).toISOString();
}

/** A cell as PostgreSQL reads it. */
export function cellText(column, value) {
    if (value === null) return null;
    if (column.type === 'time') return iso(value);
    return typeof value === 'string' ? value : String(value);
}

export const SQL_TYPES = {text: 'text', int: 'int8', time: 'timestamptz', bool: 'bool', numeric: 'text', json: 'jsonb'};
const CASTS = {role: '::public.message_role', participant_type: '::public.participant_type'};
export const isEnum = (name) => name in CASTS;
export const castOf = (column) => (column.type === 'numeric' ? '::numeric' : '') + (CASTS[column.name] ?? '');

/** versions[] as an array literal. Few different ones are in a row, so that most are made text once. */
export function versionsText(rows) {
    let out = '',
        last = 0n,
        lastText = '0';
    for (const row of rows) {
        for (const version of row.versions) {
            if (version !== last) {
                last = version;
                lastText = String(version);
            }
            out += out ? `,${lastText}` : lastText;
        }
    }
    return `{${out}}`;
}

// Columns that follow from others, for a row that is new.

export function statusOf(call) {
    const phase = call.values[CALL.phase] ?? 0;
    if (phase < 2) return phase === 0 ? 'pending' : 'active';
    return (call.values[CALL.outcome] ?? (call.values[CALL.connected_at] === null ? 'failed' : 'completed')) ===
        'completed'
        ? 'completed'
        : 'failed';
}

function seconds(from, to) {
    return from === null || to === null ? null : Math.max(0, Math.floor((to - from) / 1000));
}

export function callDuration(call) {
    if (call.versions[CALL.duration_seconds] > 0n) return call.values[CALL.duration_seconds];
    return seconds(call.values[CALL.connected_at], call.values[CALL.ended_at]);
}

export const stayDuration = (stay) => seconds(stay.values[STAY.joined_at], stay.values[STAY.left_at]);

export {CALL, LINE, STAY, TABLES};
