// Backfill: four webhooks in ten are lost, and the others come in any order, some of them twice. After one reconcile pass
// the rows are those of a database that all webhooks came to, but for what a provider's API cannot know; and a second pass
// finds nothing new.
//
//     BACKFILL_CALLS=10000 tests/run --only 'integration release backfill'    so many calls of each provider

import assert from 'node:assert/strict';
import {after, before, describe, test} from 'node:test';
import {APIS, addBusiness, deliver, differences, reconcile} from './lib/backfill.mjs';
import {createDatabase} from './lib/database.mjs';
import {MORE_SECRETS} from './lib/fixtures.mjs';
import {SANITIZED, startHookline} from './lib/hookline.mjs';
import {generator} from './lib/random.mjs';
import {rowsByCall} from './lib/rows.mjs';
import {inTurn} from './lib/wait.mjs';
import {AGENT} from '../simulators/teli_api.mjs';
import {createWorld} from '../simulators/world.mjs';

const CALLS = Number(process.env.BACKFILL_CALLS ?? (SANITIZED ? 150 : 2000));
const TIES = 110; // calls of one and the same millisecond: more than a page of Teli's or Vapi's holds
const ARRIVES = 0.6;
const SPAN_MS = 10 * 3600_000;
const NOW_MS = Math.floor(Date.now() / 1000) * 1000;
const SINCE = ['--since', new Date(NOW_MS - 2 * SPAN_MS).toISOString()];

// ---- the calls ----

/** The customers of a provider are its own: of two calls that began at once none is a lead's last. */
const customer = (provider, i) =>
    `+1${210 + 150 * Object.keys(APIS).indexOf(provider) + Math.floor(i / 100)}55501${String(i % 100).padStart(2, '0')}`;

/** Over the last hours, the newest first after those that began at once; every second room is open still. */
function callOf(provider, i) {
    const agoMs = i < TIES ? SPAN_MS : 3600_000 + ((i - TIES) / CALLS) * (SPAN_MS - 2 * 3600_000);
    return {
        by: [provider],
        customer: customer(provider, i),
        startMs: NOW_MS - Math.floor(agoMs / 1000) * 1000,
        talkMs: provider === 'livekit' && i % 2 === 0 ? 2 * SPAN_MS : 20_000 + (i % 40) * 1000,
        direction: i % 3 === 0 ? 'outbound' : 'inbound',
        outcome: i < TIES ? 'completed' : {5: 'no-answer', 7: 'busy'}[i % 11],
        lines: i % 6,
        recorded: i % 4 !== 1,
    };
}

/** What the API of a provider cannot know: see differences(). `calls`: those that are not compared. */
const UNKNOWN = {
    twilio: {
        // The callback about a transcription has what all callbacks have of the call; the object has not.
        events: ({event_type}) => (event_type === 'transcription' ? ['from_number', 'to_number', 'call_status'] : []),
    },
    vapi: {events: 'lost'},
    livekit: {
        events: () => ['occurred_at'], // a webhook says when it was sent, the API when what it tells of took place
        calls: ({endMs}) => endMs <= NOW_MS, // a room that has ended, and all that went on in it
    },
    beyond_presence: {events: 'lost', columns: ['analysis', 'sentiment']}, // its evaluation
    teli: {events: 'lost'},
};

/** How many rows come of a story, where the provider tells of them at all. */
const ROWS_OF = {
    twilio: ({recorded, answeredMs}) => ({recordings: Number(recorded && answeredMs !== null)}),
    vapi: ({lines, recorded, answeredMs}) => ({messages: lines.length, recordings: Number(recorded && answeredMs !== null)}),
    livekit: () => ({participants: 2}),
    beyond_presence: ({lines}) => ({messages: lines.length}),
    teli: ({lines, recorded, answeredMs}) => ({messages: lines.length, recordings: Number(recorded && answeredMs !== null)}),
};

const COUNTS = `WITH c AS (SELECT * FROM voice_calls WHERE provider = $1 AND provider_call_id = ANY ($2))
    SELECT (SELECT count(*) FROM c) AS calls,
           (SELECT count(*) FROM voice_messages m JOIN c ON c.id = m.call_id WHERE NOT m.superseded) AS messages,
           (SELECT count(*) FROM call_participants p JOIN c ON c.id = p.call_id) AS participants,
           (SELECT count(*) FROM c WHERE recording_url IS NOT NULL) AS recordings`;

// ---- two databases ----

let lossy;
let whole;
before(async () => {
    const open = async () => {
        const database = await createDatabase();
        // Of some customers somebody wants to hear more.
        const leads = Object.keys(APIS).flatMap((provider) => [1, 20, 113, 130].map((i) => customer(provider, i)));
        await database.rows('INSERT INTO leads (name, phone) SELECT phone, phone FROM unnest($1::text[]) AS phone', [leads]);
        return {database, hookline: await startHookline({DATABASE_URL: database.url, HOOKLINE_RECONCILE_EVERY: 0, ...MORE_SECRETS})};
    };
    [lossy, whole] = [await open(), await open()];
});
after(() => inTurn(...[lossy, whole].flatMap((side) => [() => side?.hookline.end(), () => side?.database.drop()])));

for (const [provider, {serve, env}] of Object.entries(APIS))
    describe(provider, () => {
        const unknown = UNKNOWN[provider];
        const world = createWorld({seed: provider});
        let compared;
        let api;

        before(async () => {
            for (let i = 0; i < CALLS; i++) world.call(callOf(provider, i));
            compared = world.calls.filter(({story}) => !unknown.calls?.(story));
            api = await serve(world, {mostInPage: provider === 'twilio' ? 50 : undefined});
            const random = generator(7);
            const sent = world.calls.flatMap(({webhooks}) => webhooks.filter(({atMs}) => atMs <= NOW_MS));
            await deliver(lossy.hookline, sent.filter(() => random() < ARRIVES), random);
            await deliver(whole.hookline, sent, random);
        });
        after(() => api?.close());
        const idOf = ({told}) => told[provider].providerCallId;

        test('one pass fetches all that the API knows', async (t) => {
            for (const {database} of [lossy, whole]) {
                const {code, report, stderr} = await reconcile(database, provider, env(api.url), SINCE);
                t.diagnostic(JSON.stringify(report));
                assert.equal(code, 0, `${stderr}${JSON.stringify(report)}`);
                assert.deepEqual([report.status, report.error_count, report.dead_letters], ['done', 0, 0]);
                if (database === whole.database) assert.equal(report.new, 0, 'a call that its webhooks have told of is not new');
                else assert.ok(report.new > 0 && report.updated > 0, JSON.stringify(report));
            }
        });

        test('rows are those of a database that missed nothing', async () => {
            const [found, wanted] = [await rowsByCall(lossy.database), await rowsByCall(whole.database)];
            const list = compared.flatMap((call) => {
                const [has, should] = [found, wanted].map((rows) => rows.get(idOf(call)));
                return has ? differences(has, should, unknown).map((text) => `${idOf(call)}: ${text}`) : `${idOf(call)} is missing`;
            });
            assert.equal(list.length, 0, `${list.length} differences:\n${list.slice(0, 10).join('\n')}`);
        });

        test('every call, message, participant and recording is there once', async () => {
            const wanted = {calls: compared.length, messages: 0, participants: 0, recordings: 0};
            for (const {story} of compared)
                for (const [name, count] of Object.entries(ROWS_OF[provider](story))) wanted[name] += count;
            for (const {database} of [lossy, whole])
                assert.deepEqual(await database.row(COUNTS, [provider, compared.map(idOf)]), wanted);
        });

        test('a second pass finds nothing new', async () => {
            const events = () => lossy.database.value('SELECT count(*) FROM call_events');
            const before = await events();
            const {code, report, stderr} = await reconcile(lossy.database, provider, env(api.url), SINCE);
            assert.equal(code, 0, stderr);
            assert.deepEqual([report.new, report.updated], [0, 0], JSON.stringify(report));
            assert.equal(await events(), before);
        });
    });

test('the recordings of rooms that have ended are found all the same', async () => {
    const sql = "SELECT count(*) FROM voice_calls WHERE provider = 'livekit' AND recording_url IS NOT NULL AND status = 'completed'";
    const ended = `SELECT count(*) FROM voice_calls WHERE provider = 'livekit' AND recording_url IS NOT NULL`;
    assert.ok((await whole.database.value(sql)) > 0);
    assert.equal(await lossy.database.value(ended), await whole.database.value(ended));
});

test("the older system's own numbers: 13 calls, 5 new with 3 customers made, 6 duplicates, 2 unknown agents; then 11 duplicates", async (t) => {
    const database = await createDatabase();
    const hookline = await startHookline({DATABASE_URL: database.url, HOOKLINE_RECONCILE_EVERY: 0, ...MORE_SECRETS});
    const world = createWorld({seed: 'older'});
    const api = await APIS.teli.serve(world);
    t.after(() => inTurn(() => hookline.end(), () => api.close(), () => database.drop()));
    const teli = (...args) => reconcile(database, 'teli', APIS.teli.env(api.url), [...SINCE, ...args]);
    const lastRun = () => database.row('SELECT per_business, skipped, skipped_ids FROM reconcile_runs ORDER BY id DESC LIMIT 1');
    const now = () => database.value('SELECT clock_timestamp()::text');
    const outcomes = async (since) => {
        const ids = world.calls.map(({told}) => told.teli.providerCallId);
        const sql = "SELECT outcome, count(*) FROM hookline_customer_outcomes('teli', $1, $2) GROUP BY outcome";
        return Object.fromEntries((await database.rows(sql, [ids, since])).map(({outcome, count}) => [outcome, count]));
    };

    await addBusiness(database, 'Cedar Plumbing', AGENT.voice);
    const stranger = {...AGENT, voice: 'agent_ffffffffffffffffffffffffff', unique: '1', id: 'f9e86aa9-ec04-41f8-bad0-bdde39b5d4ad'};
    const numbers = [0, 1, 2, 3, 0, 1, 4, 5, 6, 4, 0].map((n) => `+1415555015${n}`); // of the calls that are known, then of the new
    const made = numbers.map((customer, i) => world.call({by: ['teli'], customer, startMs: NOW_MS - (20 - i) * 600_000}));
    const unknown = [12, 13].map((i) => world.call({by: ['teli'], agent: stranger, startMs: NOW_MS - (20 - i) * 600_000}));
    await deliver(hookline, made.slice(0, 6).flatMap(({webhooks}) => webhooks), generator(1));
    const cedar = await database.value('SELECT id FROM businesses');
    const business = (calls, customers) => ({[cedar]: {name: 'Cedar Plumbing', calls, customers}});
    const fills = business({new: 5, updated: 6, unchanged: 0}, {created: 3, updated: 2, duplicate: 6, no_number: 0});
    const finds = business({new: 0, updated: 0, unchanged: 11}, {created: 0, updated: 0, duplicate: 11, no_number: 0});
    const strangers = unknown.map(({told}) => told.teli.providerCallId).sort();

    const {report: would} = await teli('--dry-run');
    assert.deepEqual([would.new, would.per_business, would.skipped], [5 + 2, fills, {unknown_agent: 2}]);
    assert.equal(await database.value('SELECT count(*) FROM customers'), 4);

    const first = await now();
    const {report} = await teli();
    assert.deepEqual([report.status, report.new], ['done', 5 + 2]); // a call of an agent that is unknown is a call
    assert.deepEqual(await outcomes(first), {created: 3, updated: 2, duplicate: 6, unknown_agent: 2});
    const run = await lastRun();
    assert.deepEqual([run.per_business, run.skipped], [fills, {unknown_agent: 2}]);
    assert.deepEqual(run.skipped_ids.unknown_agent.sort(), strangers);
    assert.deepEqual([report.per_business, report.skipped], [run.per_business, run.skipped]);

    const second = await now();
    const {report: again} = await teli();
    assert.deepEqual([again.new, again.updated], [0, 0]);
    assert.deepEqual(await outcomes(second), {duplicate: 11, unknown_agent: 2});
    const {per_business: found, skipped} = await lastRun();
    assert.deepEqual([found, skipped], [finds, {unknown_agent: 2}]);
    assert.equal(await database.value('SELECT count(*) FROM customers'), 7);
});
