// fastify.mjs – receiver (a): one transaction a delivery.
//
// As a Node engineer writes it who knows PostgreSQL: Fastify without logging, a pool of connections (pg), and for each
// delivery one statement that writes all of its rows and is committed by itself. The statement names only the columns
// that the delivery fills, is made once for each such set of columns (about twenty), and prepared by name. The rows are
// hookline's to the last column: event_keys, call_events, the upsert of voice_calls by versions, lead_calls,
// call_participants, voice_messages. Shared with hookline: the schema with its triggers, which keep the lead links for
// everybody but hookline itself, and the session's settings.

import pg from 'pg';
import {TABLES, VERSION} from './facts.mjs';
import {retry, serve} from './receiver.mjs';
import {
    CALL,
    EVENT_COLUMNS,
    SESSION,
    SQL_TYPES,
    STAY,
    callDuration,
    castOf,
    cellText,
    eventValues,
    isEnum,
    keyHash,
    statusOf,
    stayDuration,
    versionsText,
} from './rows.mjs';

// More connections than this only make PostgreSQL's processes wait for each other, on two cores.
const {BENCH_POOL = '4'} = process.env;

/** Collects $1, $2 … */
class Parameters {
    count = 0;
    next(type) {
        this.count++;
        return `$${this.count}::${type}`;
    }
}

// ---- merging: the greater (version, value) wins, as in src/event/fact.h ----

/** The value that a column ends with when the row was there; what the delivery does not fill stays. */
function merged(table, i, filled) {
    const {name, least, type} = TABLES[table][i];
    if (!filled.includes(i)) return `c.${name}`;
    const text = isEnum(name) ? '::text' : '';
    const collate = type === 'text' ? ' COLLATE "C"' : '';
    const mine = `EXCLUDED.versions[${i + 1}]`,
        theirs = `coalesce(c.versions[${i + 1}], 0)`;
    return `CASE WHEN ${mine} > ${theirs} OR ${mine} = ${theirs}
        AND EXCLUDED.${name}${text} ${least ? '<' : '>'} c.${name}${text}${collate} THEN EXCLUDED.${name} ELSE c.${name} END`;
}

const mergedVersions = (filled) =>
    filled.map((i) => `versions[${i + 1}] = greatest(coalesce(c.versions[${i + 1}], 0), EXCLUDED.versions[${i + 1}])`);

function mergedSeconds(table, from, to, filled) {
    const begin = merged(table, from, filled),
        end = merged(table, to, filled);
    return `CASE WHEN ${end} > ${begin} THEN floor(date_part('epoch', ${end} - ${begin}))::integer WHEN ${end} <= ${begin} THEN 0 END`;
}

function mergedStatus(filled) {
    const value = (i) => merged('voice_calls', i, filled);
    return `CASE coalesce(${value(CALL.phase)}, 0) WHEN 0 THEN 'pending' WHEN 1 THEN 'active' ELSE
        CASE coalesce(${value(CALL.outcome)}, CASE WHEN ${value(CALL.connected_at)} IS NULL THEN 'failed' ELSE 'completed' END)
        WHEN 'completed' THEN 'completed' ELSE 'failed' END END::public.call_status`;
}

function mergedDuration(filled) {
    const at = CALL.duration_seconds;
    return `CASE WHEN greatest(c.versions[${at + 1}], EXCLUDED.versions[${at + 1}]) > 0
        THEN ${merged('voice_calls', at, filled)}
        ELSE ${mergedSeconds('voice_calls', CALL.connected_at, CALL.ended_at, filled)} END`;
}

function setAll(table, filled, extra) {
    const columns = filled.filter((i) => !(TABLES[table][i].name in extra));
    return [
        ...columns.map((i) => `${TABLES[table][i].name} = ${merged(table, i, filled)}`),
        ...mergedVersions(filled),
        ...Object.entries(extra).map(([name, sql]) => `${name} = ${sql}`),
    ].join(', ');
}

// ---- the parts of a statement ----

const names = (table, filled) => filled.map((i) => `${TABLES[table][i].name}, `).join('');

const parameters = (p, table, filled) =>
    filled.map((i) => `${p.next(SQL_TYPES[TABLES[table][i].type])}${castOf(TABLES[table][i])}, `).join('');

function eventSql(p) {
    const hash = p.next('uuid'),
        received = p.next('timestamptz'),
        occurred = p.next('timestamptz');
    const columns = EVENT_COLUMNS.map(([, type]) => p.next(type));
    const seconds = `${columns[EVENT_COLUMNS.findIndex(([name]) => name === 'payload')]} ->> 'CallDuration'`;
    return `WITH fresh AS (
        INSERT INTO public.event_keys (key_hash, seen_at) VALUES (${hash}, ${received})
        ON CONFLICT (key_hash) DO NOTHING RETURNING 1
    ), event AS (
        INSERT INTO public.call_events (received_at, occurred_at, duration, hookline_version,
            ${EVENT_COLUMNS.map(([name]) => name).join(', ')})
        SELECT ${received}, ${occurred}, CASE WHEN ${seconds} ~ '^[0-9]{1,9}$' THEN (${seconds})::integer END,
               '${VERSION}', ${columns.join(', ')} FROM fresh
    )`;
}

function callSql(p, filled) {
    const touches = (...columns) => columns.some((i) => filled.includes(i));
    const extra = {};
    if (touches(CALL.phase, CALL.outcome, CALL.connected_at)) extra.status = mergedStatus(filled);
    if (touches(CALL.duration_seconds, CALL.connected_at, CALL.ended_at))
        extra.duration_seconds = mergedDuration(filled);
    extra.updated_at = 'now()';
    const own = filled.filter((i) => i !== CALL.duration_seconds);
    return `, written AS (
        INSERT INTO public.voice_calls AS c
            (provider, provider_call_id, ${names('voice_calls', own)}duration_seconds, status, versions)
        VALUES (${p.next('text')}, ${p.next('text')}, ${parameters(p, 'voice_calls', own)}${p.next('integer')},
            ${p.next('public.call_status')}, ${p.next('int8[]')})
        ON CONFLICT (provider, provider_call_id) DO UPDATE SET ${setAll('voice_calls', filled, extra)}
        RETURNING c.id, c.transcript_source
    )`;
}

function staySql(p, filled) {
    const extra = filled.some((i) => i === STAY.joined_at || i === STAY.left_at)
        ? {duration_seconds: mergedSeconds('call_participants', STAY.joined_at, STAY.left_at, filled)}
        : {};
    return `, stay AS (
        INSERT INTO public.call_participants AS c
            (call_id, participant_id, ${names('call_participants', filled)}duration_seconds, versions)
        SELECT w.id, ${p.next('text')}, ${parameters(p, 'call_participants', filled)}${p.next('integer')}, ${p.next('int8[]')}
        FROM written w
        ON CONFLICT (call_id, participant_id) DO UPDATE SET ${setAll('call_participants', filled, extra)}
    )`;
}

/** Lines of one delivery fill the same columns. */
function lineSql(p, filled) {
    const width = TABLES.voice_messages.length;
    const arrays = [p.next('text[]'), ...filled.map((i) => p.next(`${SQL_TYPES[TABLES.voice_messages[i].type]}[]`))];
    const values = filled
        .map((i) => `u.${TABLES.voice_messages[i].name}${castOf(TABLES.voice_messages[i])}, `)
        .join('');
    return `, line AS (
        INSERT INTO public.voice_messages AS c (call_id, message_key, ${names('voice_messages', filled)}superseded, versions)
        SELECT w.id, u.message_key, ${values}
               w.transcript_source IS NOT NULL AND u.source IS DISTINCT FROM w.transcript_source,
               (${p.next('int8[]')})[(u.n - 1) * ${width} + 1 : u.n * ${width}]
        FROM written w, unnest(${arrays.join(', ')}) WITH ORDINALITY AS u (message_key, ${names('voice_messages', filled)}n)
        ON CONFLICT (call_id, message_key) DO UPDATE SET ${setAll('voice_messages', filled, {})}
    )`;
}

// What was there before: the statement does not see its own new lines, and these are right already.
const SUPERSEDE_SQL = `, supersede AS (
        UPDATE public.voice_messages m SET superseded = NOT m.superseded
        FROM written w
        WHERE m.call_id = w.id
          AND m.superseded <> (w.transcript_source IS NOT NULL AND m.source IS DISTINCT FROM w.transcript_source)
    )`;

// ---- one statement for each set of filled columns ----

const filledOf = (row) => row.columns.flatMap((_, i) => (row.values[i] === null ? [] : [i]));

const made = new Map();

function statementOf(d, call, stay, lines) {
    const key = [call, stay, lines].join('/') + (d.newSource ? '!' : '');
    let statement = made.get(key);
    if (!statement) {
        const p = new Parameters();
        let text = eventSql(p);
        if (d.call) text += callSql(p, call);
        if (d.stays.length) text += staySql(p, stay);
        if (d.lines.length) text += lineSql(p, lines);
        if (d.newSource) text += SUPERSEDE_SQL;
        statement = {name: `delivery_${made.size}`, text: `${text} SELECT 1`};
        made.set(key, statement);
    }
    return statement;
}

function pushCells(values, row, filled) {
    for (const i of filled) values.push(cellText(row.columns[i], row.values[i]));
}

function queryOf(d) {
    const values = eventValues(d, keyHash(d), Date.now());
    const call = d.call ? filledOf(d.call) : [];
    const stay = d.stays.length ? filledOf(d.stays[0]) : [];
    const lines = d.lines.length ? filledOf(d.lines[0]) : [];
    if (d.call) {
        values.push(d.provider, d.callId);
        pushCells(
            values,
            d.call,
            call.filter((i) => i !== CALL.duration_seconds),
        );
        values.push(callDuration(d.call), statusOf(d.call), versionsText([d.call]));
    }
    if (d.stays.length) {
        values.push(d.stays[0].key);
        pushCells(values, d.stays[0], stay);
        values.push(stayDuration(d.stays[0]), versionsText([d.stays[0]]));
    }
    if (d.lines.length) {
        values.push(d.lines.map((line) => line.key));
        for (const i of lines) values.push(d.lines.map((line) => cellText(line.columns[i], line.values[i])));
        values.push(versionsText(d.lines));
    }
    const {name, text} = statementOf(d, call, stay, lines);
    return {name, text, values};
}

await serve(() => {
    const pool = new pg.Pool({connectionString: process.env.DATABASE_URL, max: Number(BENCH_POOL), options: SESSION});
    pool.on('error', (error) => process.stderr.write(`${error}\n`));
    return (d) => {
        const query = queryOf(d);
        return retry(() => pool.query(query));
    };
});
