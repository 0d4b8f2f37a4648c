// api.mjs – objects of a provider's API, brought in as if reconcile had fetched them: rows of call_events that wait to be
// understood, and `hookline replay`, which understands them by their route.

import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import {runHookline} from './hookline.mjs';

/** Routes that are not reachable by HTTP. */
export const isApiRoute = (route) => route.startsWith('api-');

/** objects: [{provider, route, payload}], in the order in which they are understood. payload: JSON, as text or not. */
export async function takeObjects(database, objects) {
    for (const {provider, route, payload} of objects) {
        const text = typeof payload === 'string' ? payload : JSON.stringify(payload);
        const key = `unread:${createHash('sha256').update(`${route} ${text}`).digest('hex')}`;
        await database.rows(
            `INSERT INTO call_events (provider, event_key, way, route, raw, error)
             VALUES ($1, $2, 'reconcile', $3, convert_to($4, 'UTF8'), 'not understood yet')`,
            [provider, key, route, text],
        );
    }
    const {code, stdout, stderr} = runHookline(['replay'], {DATABASE_URL: database.url});
    assert.equal(code, 0, `${stdout}${stderr}`);
}
