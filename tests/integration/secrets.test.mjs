// Secrets of all providers: two are valid at once, SIGHUP takes new ones without a gap, and what is logged when a signature
// does not fit says enough to find the fault and nothing that could be used.

import assert from 'node:assert/strict';
import {createHmac, randomBytes} from 'node:crypto';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, describe, test} from 'node:test';
import {createDatabase} from './lib/database.mjs';
import {SECRETS, startHookline} from './lib/hookline.mjs';
import {send} from './lib/send.mjs';
import {signLivekit, signTwilio, signVapi, signVapiHmac} from './lib/sign.mjs';
import {inTurn} from './lib/wait.mjs';

const hex = (bytes) => randomBytes(bytes).toString('hex');
const whsec = () => `whsec_${randomBytes(24).toString('base64')}`;

function signAgent(body, secret) {
    const id = `msg_${hex(8)}`;
    const timestamp = String(Math.floor(Date.now() / 1000));
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    const signature = createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64');
    return {
        path: '/webhooks/agent',
        headers: {
            'Content-Type': 'application/json',
            'webhook-id': id,
            'webhook-timestamp': timestamp,
            'webhook-signature': `v1,${signature}`,
        },
        body,
    };
}

const json = {'Content-Type': 'application/json'};
let next = 0;
const fresh = () => `${++next}-${hex(6)}`;

/** A genuine delivery by that secret, a new one at each call. */
const PROVIDERS = {
    twilio: {
        setting: 'TWILIO_AUTH_TOKEN',
        make: () => hex(16),
        sign: (token) => {
            const params = {CallSid: `CA${hex(16)}`, AccountSid: SECRETS.TWILIO_ACCOUNT_SID, CallStatus: 'ringing'};
            return signTwilio(params, {token});
        },
        says: /https:\/\/calls\.example\.com\/webhooks\/twilio/, // the address tried
    },
    vapi: {
        setting: 'VAPI_WEBHOOK_SECRET',
        make: () => hex(16),
        sign: (secret) => signVapi({message: {type: 'hang', call: {id: fresh()}}}, {secret}),
        says: /x-vapi-secret/i,
    },
    livekit: {
        setting: 'LIVEKIT_API_SECRET',
        make: () => hex(32),
        sign: (secret) => signLivekit({event: 'room_started', room: {sid: `RM_${fresh()}`}}, {secret}),
        says: /APItestkey000001/, // which key
    },
    beyond_presence: {
        setting: 'BEY_WEBHOOK_SECRET',
        make: () => hex(24),
        sign: (secret) => ({
            path: `/webhooks/beyond-presence/${secret}`,
            headers: json,
            body: JSON.stringify({event_type: 'call_ended', call_id: fresh(), messages: []}),
        }),
        says: /path/i,
    },
    teli: {
        setting: 'TELI_WEBHOOK_SECRET',
        make: () => hex(24),
        sign: (secret) => ({
            path: `/webhooks/teli/${secret}`,
            headers: json,
            body: JSON.stringify({event: 'call_ended', call: {call_id: `call_${fresh()}`}}),
        }),
        says: /path/i,
    },
    agent: {
        setting: 'AGENT_WEBHOOK_SECRET',
        make: whsec,
        sign: (secret) => signAgent(JSON.stringify({type: 'call.started', data: {call_id: fresh()}}), secret),
        says: /webhook-signature/i,
    },
};
const names = Object.keys(PROVIDERS);

let folder;
let database;
let hookline;
const oldest = {};
const newest = {};

const fileOf = (name) => join(folder, name);
const write = (name, ...secrets) => writeFileSync(fileOf(name), `${secrets.join(',')}\n`);

async function status(name, secret) {
    return (await send(hookline.url, await PROVIDERS[name].sign(secret))).status;
}

async function reload(wanted = 'reloaded') {
    const before = hookline.logs().length;
    hookline.child.kill('SIGHUP');
    const line = await hookline.waitForLog((entry) => hookline.logs().indexOf(entry) >= before && entry.msg.includes('reloaded'));
    assert.ok(line?.msg.startsWith(wanted), line?.msg);
    return line;
}

before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'hookline-secrets-'));
    database = await createDatabase();
    for (const name of names) {
        oldest[name] = PROVIDERS[name].make();
        newest[name] = PROVIDERS[name].make();
        write(name, oldest[name]);
    }
    const files = names.flatMap((name) => [
        [PROVIDERS[name].setting, null],
        [`${PROVIDERS[name].setting}_FILE`, fileOf(name)],
    ]);
    hookline = await startHookline({
        ...Object.fromEntries(files),
        DATABASE_URL: database.url,
        HOOKLINE_EXPLAIN_SIGNATURES: '1',
        HOOKLINE_LOG_LEVEL: 'debug',
    });
});
after(() =>
    inTurn(
        () => hookline?.end(),
        () => database?.drop(),
        () => rmSync(folder, {recursive: true}),
    ),
);

for (const name of names) {
    test(`${name}: a new secret is taken on SIGHUP, the old one is good until it is taken out`, async () => {
        const isGood = async (secret) => (await status(name, secret)) < 300;
        assert.equal(await isGood(oldest[name]), true);
        assert.equal(await isGood(newest[name]), false);

        write(name, newest[name], oldest[name]);
        await reload();
        assert.equal(await isGood(newest[name]), true);
        assert.equal(await isGood(oldest[name]), true);

        write(name, newest[name]);
        await reload();
        assert.equal(await isGood(newest[name]), true);
        assert.equal(await status(name, oldest[name]), 401);

        write(name);
        assert.match((await reload('not reloaded')).reason, /is empty/);
        write(name, ' ');
        assert.match((await reload('not reloaded')).reason, /no secret|is empty|is not/);
        assert.equal(await isGood(newest[name]), true);
        write(name, newest[name]);
    });
}

describe('what is said of a signature that does not fit', () => {
    for (const name of names) {
        test(`${name}: what was tried`, async () => {
            const before = hookline.logs().length;
            await new Promise((resolve) => setTimeout(resolve, 1100)); // one such line a second
            assert.equal(await status(name, PROVIDERS[name].make()), 401);
            const line = await hookline.waitForLog(
                (entry) => hookline.logs().indexOf(entry) >= before && entry.msg === 'delivery refused' && entry.provider === name,
            );
            assert.match(line.tried, PROVIDERS[name].says);
        });
    }

    test('and never a secret, nor a signature of ours', async () => {
        const text = hookline.logText();
        for (const name of names)
            for (const secret of [oldest[name], newest[name]]) {
                assert.ok(!text.includes(secret), name);
                assert.ok(!text.includes(secret.slice(0, 12).replace('whsec_', '')), `${name}: a part of it`);
            }
        // A signature that we made for a body that somebody chose would be a genuine one.
        const params = {CallSid: 'CA1', AccountSid: SECRETS.TWILIO_ACCOUNT_SID};
        const forged = signTwilio(params, {token: 'f'.repeat(32)});
        await new Promise((resolve) => setTimeout(resolve, 1100));
        assert.equal((await send(hookline.url, forged)).status, 401);
        const ours = signTwilio(params, {token: newest.twilio}).headers['X-Twilio-Signature'];
        await hookline.waitForLog((entry) => entry.msg === 'delivery refused');
        assert.ok(!hookline.logText().includes(ours));
    });
});

test('nothing is said while explaining is off', async () => {
    const quiet = await startHookline({DATABASE_URL: database.url});
    try {
        await send(quiet.url, signVapiHmac({message: {type: 'hang'}}, {secret: 'wrong'}));
        await send(quiet.url, signTwilio({CallSid: 'CA1'}, {token: 'f'.repeat(32)}));
        const line = await quiet.waitForLog((entry) => entry.msg === 'delivery refused' && entry.provider === 'twilio');
        assert.ok(line);
        assert.ok(!line.tried);
    } finally {
        await quiet.end();
    }
});
