// backfill.mjs – webhooks of simulated calls, signed and delivered (or lost), and reconcile over simulated APIs.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {isDeepStrictEqual} from 'node:util';
import {MORE_SECRETS} from './fixtures.mjs';
import {BIN, hooklineEnv} from './hookline.mjs';
import {below, inParallel, shuffled} from './random.mjs';
import {send} from './send.mjs';
import {signLivekit, signTwilio, signVapi} from './sign.mjs';
import {BEY_KEY, serveBeyondPresence} from '../../simulators/beyond_presence_api.mjs';
import {serveLivekit} from '../../simulators/livekit_api.mjs';
import {ORGANIZATION, TELI_KEY, serveTeli} from '../../simulators/teli_api.mjs';
import {serveTwilio} from '../../simulators/twilio_api.mjs';
import {VAPI_KEY, serveVapi} from '../../simulators/vapi_api.mjs';

/** Of one pass; more than enough but where somebody wants very many calls. */
const TIMEOUT_MS = process.env.BACKFILL_CALLS ? 3_600_000 : 120_000;
const REPORTS = /AddressSanitizer|LeakSanitizer|ThreadSanitizer|UndefinedBehaviorSanitizer|runtime error:/;

/** How a provider's API is served, and what hookline is told of it. No pause between requests: they are ours. */
export const APIS = {
    twilio: {serve: serveTwilio, env: (url) => ({TWILIO_API_URL: url})},
    vapi: {serve: serveVapi, env: (url) => ({VAPI_API_URL: url, VAPI_API_KEY: VAPI_KEY, VAPI_API_GAP: 0})},
    livekit: {serve: serveLivekit, env: (url) => ({LIVEKIT_URL: url})},
    beyond_presence: {serve: serveBeyondPresence, env: (url) => ({BEY_API_URL: url, BEY_API_KEY: BEY_KEY, BEY_API_GAP: 0})},
    teli: {
        serve: serveTeli,
        env: (url) => ({TELI_API_URL: url, TELI_API_KEY: TELI_KEY, TELI_ORGANIZATION_ID: ORGANIZATION, TELI_API_GAP: 0}),
    },
};

const byPath = (path) => ({body}) => ({path, headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)});
const SIGNERS = {
    twilio: ({params}) => signTwilio(params),
    vapi: ({body}) => signVapi(body),
    livekit: ({body}) => signLivekit(body),
    beyond_presence: byPath(`/webhooks/beyond-presence/${MORE_SECRETS.BEY_WEBHOOK_SECRET}`),
    teli: byPath(`/webhooks/teli/${MORE_SECRETS.TELI_WEBHOOK_SECRET}`),
};

/** All in an order of their own; every fifth or so twice. */
export async function deliver(hookline, webhooks, random) {
    const repeated = webhooks.filter(() => below(random, 5) === 0);
    await inParallel(16, shuffled(random, [...webhooks, ...repeated]), async (webhook) => {
        const reply = await send(hookline.url, await SIGNERS[webhook.provider](webhook));
        if (reply.status < 200 || reply.status > 299)
            throw new Error(`${webhook.provider} ${webhook.name}: ${reply.status} ${reply.body}`);
    });
}

/** A business whose calls its agent takes. */
export const addBusiness = (database, name, agentId, provider = 'teli') =>
    database.rows(
        `WITH b AS (INSERT INTO businesses (name) VALUES ($1) RETURNING id)
         INSERT INTO business_agents (provider, agent_id, business_id) SELECT $2, $3, id FROM b`,
        [name, provider, agentId],
    );

/**
 * Runs `hookline reconcile PROVIDER --json` beside this process, where the APIs are: {code, signal, report, stderr}.
 * watch(child) is called as soon as it runs.
 */
export async function reconcile(database, provider, env, args = [], watch = () => {}) {
    const all = hooklineEnv({DATABASE_URL: database.url, ...env});
    const child = spawn(BIN, ['reconcile', provider, '--json', ...args], {env: all, timeout: TIMEOUT_MS});
    watch(child);
    const output = {stdout: '', stderr: ''};
    for (const name of ['stdout', 'stderr']) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
    const [code, signal] = await once(child, 'close');
    if (REPORTS.test(output.stderr)) throw new Error(`a sanitizer reported\n${output.stderr}`);
    return {code, signal, report: output.stdout.startsWith('{') ? JSON.parse(output.stdout) : null, stderr: output.stderr};
}

// ---- rows of two databases ----

/** Which duplicate's body was kept, and what is made of it; versions hold hashes of ids. */
const KEPT = ['payload', 'raw', 'route', 'versions'];

/** Rows of a table that can be compared. Lines that a report has superseded are shown nowhere, and may have been lost. */
function comparable(rows, table, {events = () => [], columns = []}) {
    const mayDiffer = {call_events: events, voice_calls: () => columns}[table] ?? (() => []);
    return rows
        .filter((row) => !(table === 'voice_messages' && row.superseded))
        .map((row) => {
            const leftOut = [...KEPT, ...mayDiffer(row)];
            return Object.fromEntries(Object.entries(row).filter(([column]) => !leftOut.includes(column)));
        });
}

const KEYS = {
    call_events: 'event_key',
    voice_calls: 'provider_call_id',
    voice_messages: 'message_key',
    call_participants: 'participant_id',
    lead_calls: 'lead',
    leads: 'name',
};

/**
 * What one side of rowsByCall() has of a call, and the other has not, column by column. unknown: what may differ: `events`
 * 'lost' (an event that is told of by webhook alone may be missing) or (row of call_events) → columns; `columns` of
 * voice_calls.
 */
export function differences(found, wanted, unknown) {
    const out = [];
    for (const table of Object.keys(wanted)) {
        if (table === 'call_events' && unknown.events === 'lost') continue;
        const key = KEYS[table];
        const [has, should] = [found, wanted].map((side) => new Map(comparable(side[table], table, unknown).map((row) => [row[key], row])));
        for (const [name, row] of should) {
            const other = has.get(name);
            if (!other) out.push(`${table} ${name} is missing`);
            else
                for (const column of Object.keys(row))
                    if (!isDeepStrictEqual(row[column], other[column]))
                        out.push(`${table} ${name}: ${column} is ${JSON.stringify(other[column])}, and not ${JSON.stringify(row[column])}`);
        }
        for (const name of has.keys()) if (!should.has(name)) out.push(`${table} ${name} is too many`);
    }
    return out;
}
