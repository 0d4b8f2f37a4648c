// Contracts: what hookline asks of the providers' APIs is what their own OpenAPI documents allow, and whatever answers the
// documents allow, hookline lives with. LiveKit and Teli publish none.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {after, before, describe, test} from 'node:test';
import {openContract} from './lib/contract.mjs';
import {createDatabase} from './lib/database.mjs';
import {BIN, hooklineEnv} from './lib/hookline.mjs';
import {inTurn} from './lib/wait.mjs';

const ACCOUNT = 'AC'.padEnd(34, 'a'); // whose calls the examples of Twilio's document are
const OF_ACCOUNT = 'GET /2010-04-01/Accounts/{AccountSid}';
const AT_RANDOM = 40; // requests

/**
 * The examples are of long ago: what is in a list happened just now. And the address of their next page asks for a day
 * where their own document says date-time.
 */
function recent(name, answer) {
    if (answer.next_page_uri?.includes('?'))
        answer.next_page_uri = answer.next_page_uri.replace(/\?.*/, '?PageSize=1000&Page=1&PageToken=PACA1');
    const at = new Date(Date.now() - 3600_000).toUTCString().replace('GMT', '+0000');
    for (const list of [answer.calls, answer.recordings, answer.transcriptions])
        for (const row of list ?? []) Object.assign(row, {start_time: at, date_created: at});
}

const ended = (name, answer) => {
    const status = {type: 'completed', started_at: new Date(Date.now() - 3600_000), ended_at: new Date(Date.now() - 3000_000)};
    for (const call of answer.data ?? []) Object.assign(call, {status});
};

// `stale` is a call without an end: it is asked for by itself.
const PROVIDERS = {
    twilio: {
        file: 'twilio_api_v2010.json',
        patch: recent,
        env: (url) => ({TWILIO_API_URL: url, TWILIO_ACCOUNT_SID: ACCOUNT}),
        stale: `CA${'0123456789abcdef'.repeat(2)}`,
        asks: [
            'Calls.json',
            'Calls/{CallSid}/Events.json',
            'Calls/{Sid}.json',
            'Recordings.json',
            'Recordings/{Sid}.json',
            'Transcriptions.json',
            'Transcriptions/{Sid}.json',
        ].map((path) => `${OF_ACCOUNT}/${path}`),
    },
    vapi: {
        file: 'vapi-openapi.json',
        env: (url) => ({VAPI_API_URL: url, VAPI_API_KEY: 'a-private-key', VAPI_API_GAP: 0}),
        stale: '22d23a00-05aa-40ac-a1c4-d814a84ee436',
        asks: ['GET /call', 'GET /call/{id}'],
    },
    beyond_presence: {
        file: 'beyond-presence-openapi.json',
        patch: ended,
        env: (url) => ({BEY_API_URL: url, BEY_API_KEY: 'a-key', BEY_API_GAP: 0}),
        stale: '8f14e45f-ceea-467f-a0e6-5b3c0a1d2e3f',
        asks: ['GET /v1/calls', 'GET /v1/calls/{id}', 'GET /v1/calls/{id}/messages'],
    },
};

let database;
before(async () => (database = await createDatabase()));
after(() => database?.drop());

/** Not by runHookline: this process is the API's door. */
async function run(args, env) {
    const child = spawn(BIN, args, {env: hooklineEnv({DATABASE_URL: database.url, ...env}), timeout: 60_000});
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
    const [code, signal] = await once(child, 'close');
    return {code, signal, output};
}

for (const [name, provider] of Object.entries(PROVIDERS))
    describe(name, () => {
        let api;
        before(async () => {
            api = await openContract(provider.file, {patch: provider.patch});
            await database.rows(
                `INSERT INTO voice_calls (provider, provider_call_id, status, created_at)
                 VALUES ($1, $2, 'active', now() - interval '1 day')`,
                [name, provider.stale],
            );
        });
        after(() => inTurn(() => api?.close()));

        const reconcile = () => run(['reconcile', name, '--json'], provider.env(api.url));

        test('every request is one that the document allows', async () => {
            const {code, signal, output} = await reconcile();
            assert.ok(signal === null && code <= 1, `ended with ${signal ?? code}\n${output}`);
            assert.deepEqual(api.violations(), [], output);
            assert.deepEqual(provider.asks.filter((operation) => !api.asked().includes(operation)), [], `not asked\n${output}`);
            assert.ok(JSON.parse(output).fetched > 0, output);
        });

        test('`hookline check` asks nothing else', async () => {
            const {signal, output} = await run(['check'], provider.env(api.url));
            assert.equal(signal, null, output);
            assert.deepEqual(api.violations(), [], output);
        });

        test('answers made of nothing but the schemas are lived with', async () => {
            for (let i = 0; i < 3; i++) {
                api.atRandom(AT_RANDOM);
                const {code, signal, output} = await reconcile();
                assert.ok(signal === null && code <= 1, `ended with ${signal ?? code}\n${output}`);
                assert.deepEqual(api.violations(), [], output);
            }
        });
    });

test('what a document does not allow is seen', async (t) => {
    const api = await openContract('vapi-openapi.json');
    t.after(() => api.close());
    const ask = (path, headers = {authorization: 'Bearer key'}) => fetch(api.url + path, {headers});
    await ask('/call?limit=100');
    assert.deepEqual(api.violations(), []);
    for (const [i, [path, headers]] of [['/call?limit=1001'], ['/call?createdAtGe=yesterday'], ['/call?cursor=abc'], ['/v2/call'], ['/call', {}]].entries()) {
        await ask(path, headers);
        assert.ok(api.violations().length > i, `${path} was let pass`);
    }
});
