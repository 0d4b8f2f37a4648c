// Every field of every message goes somewhere: tests/coverage/<provider>.mjs says where, and each fixture is sent,
// genuine, to a real hookline to see that it does. See tests/coverage/README.md.
//
//     COVERAGE=write … coverage.test.mjs      rewrites webhooks/COVERAGE.md, the same tables for people

import assert from 'node:assert/strict';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {isApiRoute, takeObjects} from './lib/api.mjs';
import {checkClaim, claimFields, linesFor, toMarkdown} from './lib/coverage.mjs';
import {createDatabase} from './lib/database.mjs';
import {listFixtures, MORE_SECRETS, providersWithFixtures, readFixture, signFixture} from './lib/fixtures.mjs';
import {ROOT, startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {inTurn} from './lib/wait.mjs';

const PAGE = join(ROOT, 'webhooks/COVERAGE.md');
const STORED = ['call_events', 'voice_calls', 'voice_messages', 'call_participants', 'agent_aliases'];

const tables = new Map();
for (const provider of providersWithFixtures()) {
    const path = join(ROOT, 'tests/coverage', `${provider}.mjs`);
    const {default: table} = existsSync(path) ? await import(path) : {};
    if (table) tables.set(provider, table);
}

let database;
let hookline;

before(async () => {
    database = await createDatabase();
    // The fixtures are of several Twilio accounts.
    hookline = await startHookline({DATABASE_URL: database.url, ...MORE_SECRETS, TWILIO_ACCOUNT_SID: null});
});

after(() =>
    inTurn(
        () => hookline?.end(),
        () => database?.drop(),
    ),
);

/** All rows that this fixture alone makes: {table: [row, …]}. */
async function store(provider, {route = 'events', answer = 2}, fixture) {
    await database.rows('DELETE FROM event_keys');
    await database.rows('DELETE FROM call_events');
    await database.rows('DELETE FROM voice_calls');
    await database.rows('DELETE FROM agent_aliases');
    if (isApiRoute(route)) await takeObjects(database, [{provider, route, payload: fixture.body}]);
    else await post(provider, route, answer, fixture);
    const stored = {};
    for (const table of STORED)
        stored[table] = (await database.rows(`SELECT to_jsonb(t) AS row FROM ${table} t`)).map(({row}) => row);
    return stored;
}

async function post(provider, route, answer, fixture) {
    const reply = await send(hookline.url, await signFixture(provider, route, fixture));
    assert.ok(String(reply.status).startsWith(answer), `${fixture.name}: ${reply.status} ${reply.body}`);
}

/** What is wrong with this fixture's rows; adds to `tested` each row of the table that it could tell of. */
function checkStored(fixture, {fields, dead = false}, stored, tested) {
    const problems = [];
    const [event] = stored.call_events;
    if (!event) problems.push('it is not stored');
    else if (event.error && !dead) problems.push(`it is a dead letter: ${event.error}`);
    else if (!event.error && dead) problems.push('it is no dead letter');
    const {claims, unclaimed} = claimFields(fields, fixture.body);
    for (const claim of claims) {
        const verdict = checkClaim(claim, stored, fixture.body);
        if (verdict.problem) problems.push(verdict.problem);
        if (verdict.problem || verdict.tested) tested.add(claim.row);
    }
    if (unclaimed.length > 0)
        problems.push(['no row says where these go:', ...linesFor(unclaimed)].join('\n        '));
    return problems;
}

function checkUnstored({stored, why}, rows) {
    const problems = why ? [] : ['say why it is not stored'];
    return STORED.some((table) => rows[table].length > 0) ? [...problems, 'it is stored'] : problems;
}

async function checkMessage(provider, message, tested) {
    const {stored = true, fixtures} = message;
    const problems = fixtures.length > 0 ? [] : ['it has no fixture'];
    for (const name of fixtures) {
        const fixture = readFixture(provider, name);
        const rows = await store(provider, message, fixture);
        const found = stored ? checkStored(fixture, message, rows, tested) : checkUnstored(message, rows);
        problems.push(...found.map((problem) => `${name}: ${problem}`));
    }
    return problems;
}

/** Fails with a list, if there is anything in it. */
function expectNone(problems) {
    if (problems.length > 0) assert.fail(`\n    ${problems.join('\n    ')}`);
}

for (const provider of providersWithFixtures())
    describe(provider, () => {
        const table = tables.get(provider);
        if (!table) {
            test('has a table', () => assert.fail(`no table: tests/coverage/${provider}.mjs should export one`));
            return;
        }
        const tested = new Set();
        for (const message of table.messages)
            test(message.name, async () => expectNone(await checkMessage(provider, message, tested)));

        // A row that several messages share is tested once it is in one of them.
        test('every row is tested by a fixture', () => {
            const rows = table.messages.flatMap(({name, fields = []}) => fields.map((row) => ({name, row})));
            const untested = rows.filter(({row}) => !tested.has(row));
            expectNone(untested.map(({name, row: [field, target]}) => `${name}: ['${field}', '${target}']`));
        });

        test('every fixture belongs to a message', () => {
            const known = new Set(table.messages.flatMap(({fixtures}) => fixtures));
            expectNone(listFixtures(provider).filter((name) => !known.has(name)));
        });
    });

describe('the check itself', () => {
    const body = {call: {id: 'C1', 'sip.callID': 'S1', notes: []}, said: [{text: 'hi', who: 'x'}], key: 'REDACT-ME-1'};
    const stored = (columns) => ({call_events: [{payload: body}], voice_calls: [columns]});
    const verdicts = (fields, columns) =>
        claimFields(fields, body).claims.map((claim) => checkClaim(claim, stored(columns), body));

    test('a field that no row speaks for is found', () => {
        const lines = (...fields) => linesFor(claimFields(fields, body).unclaimed).map((line) => line.split("'")[1]);
        assert.deepEqual(lines(['call.**', 'payload', 'why']), ['said[].text', 'said[].who', 'key']);
        assert.deepEqual(lines(['call.sip.callID', 'voice_calls.call_sid'], ['said[].*', 'payload', 'why']), [
            'call.id',
            'call.notes',
            'key',
        ]);
        assert.deepEqual(lines(['said', 'voice_calls.metadata', 'json'], ['*', 'payload', 'why']).length, 3);
    });

    test('a row with wildcards leaves alone what rows before it have', () => {
        const {claims} = claimFields(
            [
                ['call.id', 'voice_calls.provider_call_id'],
                ['call.**', 'payload', 'why'],
            ],
            body,
        );
        assert.deepEqual(
            claims.map(({row, node}) => [row[1], node.value]),
            [
                ['voice_calls.provider_call_id', 'C1'],
                ['payload', 'S1'],
                ['payload', []],
            ],
        );
    });

    test('a column must have the value, as the row says', () => {
        for (const [field, how, right, wrong] of [
            ['call.id', undefined, 'C1', 'C2'],
            ['call.id', 'contains', 'a C1 b', 'C 1'],
            ['call.id', {C1: 'one'}, 'one', 'C1'],
            ['call.id', (value) => value.toLowerCase(), 'c1', 'C1'],
            ['call.id', () => new Date(1_767_000_000_000), '2025-12-29T09:20:00+00:00', '2025-12-29T09:20:00.1+00:00'],
            ['said', 'json', [{who: 'x', text: 'hi'}], [{who: 'x'}]],
        ]) {
            const row = [field, 'voice_calls.metadata', how];
            assert.deepEqual(verdicts([row], {metadata: right}), [{tested: true}]);
            for (const metadata of [wrong, null]) assert.ok(verdicts([row], {metadata})[0].problem);
        }
    });

    test('what should not be stored is found wherever it is', () => {
        const row = ['key', 'redacted', 'a secret'];
        assert.ok(verdicts([row], {})[0].problem);
        const redacted = {call_events: [{payload: {key: '[redacted]'}}], voice_calls: [{}]};
        const [claim] = claimFields([row], body).claims;
        assert.deepEqual(checkClaim(claim, redacted, body), {tested: true});
        assert.ok(checkClaim(claim, {...redacted, voice_calls: [{summary: 'REDACT-ME-1'}]}, body).problem);
        assert.ok(checkClaim({...claim, row: ['key', 'redacted']}, redacted, body).problem);
    });

    test('times are the same instant, however they are written', () => {
        for (const [value, column] of [
            ['2026-08-12T16:03:24.314159Z', '2026-08-12T16:03:24.314159+00:00'],
            ['Sun, 30 Aug 2026 08:27:54 +0000', '2026-08-30T08:27:54+00:00'],
            [1_767_000_003, '2025-12-29T09:20:03+00:00'],
            ['1767000003300', '2025-12-29T09:20:03.3+00:00'],
            ['1767000003300000000', '2025-12-29T09:20:03.3+00:00'],
            [1_767_000_012.412, '2025-12-29T09:20:12.412+00:00'],
        ]) {
            const [claim] = claimFields([['at', 'voice_calls.ended_at', 'time']], {at: value}).claims;
            const at = (ended_at) => checkClaim(claim, {call_events: [], voice_calls: [{ended_at}]}, {});
            assert.deepEqual(at(column), {tested: true}, column);
            assert.ok(at('2026-08-12T16:03:24.314158+00:00').problem);
        }
    });
});

test('webhooks/COVERAGE.md says the same', () => {
    const page = toMarkdown([...tables.values()]);
    if (process.env.COVERAGE === 'write') writeFileSync(PAGE, page);
    const written = existsSync(PAGE) ? readFileSync(PAGE, 'utf8') : '';
    assert.ok(written === page, 'it does not: write it by COVERAGE=write, and read what has changed');
});
