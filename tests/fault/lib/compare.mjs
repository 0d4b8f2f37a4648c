// compare.mjs – what a case was acknowledged, beside what the database has.

import {assertSameRows, rowsByCall} from '../../integration/lib/rows.mjs';

const SHOWN = 3; // of what is wrong, of each kind
const SLACK_MS = 50; // between two readings of one clock

/**
 * deliveries: what was planned, with eventKey and acknowledged. wanted: rowsByCall of the undisturbed run.
 * mayDie: whether PostgreSQL was made to refuse some, which are then dead letters, and the rows of whose calls differ.
 * mayLose: as many were damaged on purpose. clockIsTrue: whether times of receipt are to be believed. Gives {stored, lost, spared, doubled, dead, problems}.
 */
export async function compare(database, deliveries, wanted, {mayDie = false, mayLose = 0, clockIsTrue = true} = {}) {
    const problems = [];
    const found = new Map();
    for (const row of await database.rows(`
        SELECT provider, event_key, error, 1000 * extract(epoch FROM received_at)::float AS received FROM call_events`)) {
        const key = `${row.provider} ${row.event_key}`;
        if (!found.has(key)) found.set(key, []);
        found.get(key).push(row);
    }
    const keyOf = ({call, eventKey}) => `${call.provider} ${eventKey}`;
    const planned = new Set(deliveries.map(keyOf));
    const lost = deliveries.filter((d) => d.acknowledged && !found.has(keyOf(d)));
    const doubled = [...found].filter(([, rows]) => rows.length > 1);
    const unplanned = [...found.keys()].filter((key) => !planned.has(key));
    const errorOf = (d) => found.get(keyOf(d))?.find((row) => row.error !== null)?.error;
    const dead = deliveries.filter(errorOf);
    const spared = lost.length <= mayLose ? lost : [];

    tell(
        problems,
        'lost',
        spared.length > 0 ? [] : lost,
        (d) => `${d.call.provider} ${d.event.name} ${d.eventKey} (sent ${d.tries} times)`,
    );
    tell(
        problems,
        'doubled',
        doubled,
        ([key, rows]) => `${key}: ${rows.map((row) => new Date(row.received).toISOString()).join(', ')}`,
    );
    tell(problems, 'events that nobody sent', unplanned, (key) => key);

    if (!mayDie) tell(problems, 'dead letters', dead, (d) => `${keyOf(d)}: ${errorOf(d)}`);
    const odd = dead.filter((d) => mayDie && !/\b23514\b/.test(errorOf(d)));
    tell(problems, 'dead letters that nobody made', odd, (d) => `${keyOf(d)}: ${errorOf(d)}`);

    // Whichever way it went: it was received when it came, not when a journal was drained.
    const isLate = ({firstSentAt, acknowledgedAt}, {received}) =>
        received < firstSentAt - SLACK_MS || received > acknowledgedAt + SLACK_MS;
    const late = clockIsTrue
        ? deliveries.filter((d) => d.acknowledged && found.get(keyOf(d))?.some((row) => isLate(d, row)))
        : [];
    tell(problems, 'with a time of receipt that is not theirs', late, keyOf);

    const keys = await database.value('SELECT count(*) FROM event_keys');
    if (keys !== found.size) problems.push(`event_keys has ${keys} rows, call_events ${found.size} keys`);
    const excused = new Set([...spared, ...(mayDie ? dead : [])].map((d) => d.call));
    const calls = [...new Set(deliveries.map((d) => d.call))].filter((call) => !excused.has(call));
    await compareRows(database, calls, wanted, problems);
    return {
        stored: [...planned].filter((key) => found.has(key)).length,
        lost: lost.length - spared.length,
        spared: spared.length,
        doubled: doubled.length,
        dead: dead.length,
        problems,
    };
}

async function compareRows(database, calls, wanted, problems) {
    const rows = await rowsByCall(database);
    const wrong = [];
    for (const call of calls) {
        try {
            const found = rows.get(call.providerCallId);
            if (!found) throw new Error(`${call.provider} ${call.providerCallId}: no rows`);
            assertSameRows(
                inOrder(found),
                inOrder(wanted.get(call.providerCallId)),
                `${call.provider} ${call.providerCallId}`,
            );
        } catch (error) {
            wrong.push(error.message);
        }
    }
    tell(problems, 'calls with wrong rows', wrong, (text) => text);
}

function inOrder(tables) {
    const text = (row) => JSON.stringify(row);
    return Object.fromEntries(
        Object.entries(tables).map(([table, rows]) => [table, [...rows].sort((a, b) => (text(a) < text(b) ? -1 : 1))]),
    );
}

function tell(problems, what, list, show) {
    if (list.length === 0) return;
    const more = list.length > SHOWN ? `\n  … and ${list.length - SHOWN} more` : '';
    problems.push(
        `${list.length} ${what}:\n${list
            .slice(0, SHOWN)
            .map((item) => `  ${show(item)}`)
            .join('\n')}${more}`,
    );
}
