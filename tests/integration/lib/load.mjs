// load.mjs – many senders who send one distinct delivery after the other, and remember what was acknowledged.

import {setTimeout as sleep} from 'node:timers/promises';
import {twilioCall} from './calls.mjs';
import {send} from './send.mjs';

/**
 * Starts `senders` of them, who end with the test t at the latest. urls: where to; a sender whose own does not answer
 * goes to the next one (a balancer). repeat: false gives up on a delivery that was not acknowledged.
 *
 * Gives {acknowledged, refused, broken, stop()}: acknowledged is a Map of Call SID → how often it was sent, refused a
 * list of {status, headers}, broken counts connections that ended without an answer.
 */
export function startLoad(t, urls, {senders = 16, name = 'load', repeat = true} = {}) {
    const acknowledged = new Map();
    const refused = [];
    const state = {acknowledged, refused, broken: 0, sent: 0, stop: null};
    let running = true;

    const sender = async (s) => {
        let url = urls[0];
        for (let i = 0; running; i++) {
            const call = twilioCall(`${name}-${s}-${i}`);
            const event = call.events[4];
            for (let tries = 1; running; tries++) {
                const reply = await send(url, event.sign(), {timeoutMs: 20_000}).catch(() => null);
                state.sent++;
                if (reply && Math.floor(reply.status / 100) === 2) {
                    acknowledged.set(call.callSid, tries);
                    break;
                }
                if (reply) refused.push({status: reply.status, headers: reply.headers});
                else state.broken++;
                if (!repeat) break;
                url = urls[(urls.indexOf(url) + 1) % urls.length];
                await sleep(20);
            }
        }
    };
    const done = Promise.all(Array.from({length: senders}, (_, s) => sender(s)));
    state.stop = async () => {
        running = false;
        await done;
    };
    t.after(state.stop);
    return state;
}

/** Acknowledged Call SIDs that are not stored as one event and one completed call. */
export async function missing(database, acknowledged) {
    const rows = await database.rows(
        `SELECT sid FROM unnest($1::text[]) AS sid
         WHERE (SELECT count(*) FROM call_events e WHERE e.call_sid = sid AND e.error IS NULL) <> 1
            OR (SELECT count(*) FROM voice_calls c WHERE c.call_sid = sid AND c.status = 'completed') <> 1`,
        [[...acknowledged.keys()]],
    );
    return rows.map((row) => row.sid);
}
