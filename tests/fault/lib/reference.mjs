// reference.mjs – what undisturbed deliveries become: the rows that must come out, and each delivery's event key.

import {inParallel} from '../../integration/lib/random.mjs';
import {rowsByCall} from '../../integration/lib/rows.mjs';
import {send} from '../../integration/lib/send.mjs';
import {startPlain} from './instance.mjs';

const CALLS_AT_A_TIME = 32;

/**
 * Tells all calls to a hookline that nobody injures, each in order and once. Gives every delivery its eventKey, and
 * gives rowsByCall's Map.
 */
export async function tellReference(databases, calls) {
    const database = await databases.create();
    try {
        await insertLeads(database, calls);
        const hookline = await startPlain(database.url);
        try {
            await inParallel(CALLS_AT_A_TIME, calls, (call) => tell(hookline.url, call));
        } catch (error) {
            throw new Error(`${error.message}\n${hookline.logText().slice(-3000)}`);
        } finally {
            await hookline.stop();
        }
        await learnKeys(database, calls);
        return await rowsByCall(database);
    } finally {
        await database.drop();
    }
}

export async function insertLeads(database, calls) {
    const phones = calls.filter((call) => call.hasLead && call.customer).map((call) => call.customer);
    await database.rows(`INSERT INTO leads (name, phone) SELECT 'Ada', * FROM unnest($1::text[])`, [phones]);
}

async function tell(url, call) {
    for (const event of call.events) {
        const reply = await send(url, await event.sign());
        if (Math.floor(reply.status / 100) !== 2)
            throw new Error(`reference: ${call.provider} ${event.name}: ${reply.status} ${reply.body}`);
    }
}

/** A call's deliveries were committed one after the other: the order of its events is theirs. */
async function learnKeys(database, calls) {
    const keys = new Map();
    for (const row of await database.rows(
        'SELECT provider, provider_call_id, event_key, error FROM call_events ORDER BY id',
    )) {
        if (row.error !== null) throw new Error(`reference: ${row.provider} ${row.event_key}: ${row.error}`);
        const call = `${row.provider} ${row.provider_call_id}`;
        if (!keys.has(call)) keys.set(call, []);
        keys.get(call).push(row.event_key);
    }
    for (const call of calls) {
        const found = keys.get(`${call.provider} ${call.providerCallId}`) ?? [];
        if (found.length !== call.events.length)
            throw new Error(
                `reference: ${call.provider} ${call.providerCallId} has ${found.length} events of ${call.events.length}`,
            );
        call.deliveries = call.events.map((event, i) => ({call, event, eventKey: found[i]}));
    }
}
