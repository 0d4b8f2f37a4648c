// fixtures.mjs – the bodies in tests/fixtures/<provider>/, and how each provider would send them.

import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import {signAgent} from './agent.mjs';
import {ROOT} from './hookline.mjs';
import {signLivekit, signTwilio, signTwilioJson, signVapi} from './sign.mjs';

const FOLDER = join(ROOT, 'tests/fixtures');

/** Files that are no body of a webhook have one of these in their name (golden_test.c has the same list). Objects of an
 * API are none either: nobody can send them. */
const NO_BODY = /index|vectors|scenario|preflight|response|^api-/;

/** For hookline: what turns on the providers that SECRETS of hookline.mjs does not. */
export const MORE_SECRETS = {
    BEY_WEBHOOK_SECRET: 'bey-test-secret-0123456789abcdef',
    TELI_WEBHOOK_SECRET: 'teli-test-secret-0123456789abcdef',
    AGENT_WEBHOOK_SECRET: `whsec_${Buffer.from('agent-test-secret-0123456789abcdef').toString('base64')}`,
};

/** The providers that have fixtures: whoever else has some (a provider of speech) sends no webhooks. */
export function providersWithFixtures() {
    const entries = readdirSync(FOLDER, {withFileTypes: true});
    const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
    return names.filter((name) => existsSync(join(ROOT, 'webhooks', name)));
}

function listFiles(provider, below = '') {
    return readdirSync(join(FOLDER, provider, below), {withFileTypes: true})
        .flatMap((entry) => {
            const name = join(below, entry.name);
            return entry.isDirectory() ? listFiles(provider, name) : [name];
        })
        .sort();
}

/** Names of a provider's bodies, below its folder: "events/room_started.json". */
export function listFixtures(provider) {
    return listFiles(provider).filter((name) => /\.(form|json)$/.test(name) && !NO_BODY.test(basename(name)));
}

/** Names of the objects of a provider's API, below its folder: "api/api-call.completed.json". */
export function listObjects(provider) {
    return listFiles(provider).filter((name) => /^api-(?!answer).*\.json$/.test(basename(name)));
}

/** {name, bytes, body}: body is the JSON that hookline makes of it, a form being an object of texts. */
export function readFixture(provider, name) {
    const path = join(FOLDER, provider, name);
    if (!existsSync(path)) throw new Error(`tests/fixtures/${provider}/${name} is not there`);
    const bytes = readFileSync(path);
    return {name, bytes, body: name.endsWith('.form') ? formObject(bytes) : JSON.parse(bytes)};
}

/** A name that comes twice has a list of values. */
function formObject(bytes) {
    const params = new URLSearchParams(bytes.toString());
    return Object.fromEntries(
        [...params.keys()].map((key) => {
            const values = params.getAll(key);
            return [key, values.length > 1 ? values : values[0]];
        }),
    );
}

// ---- sending ----

/** By provider and route: (fixture) → what send() takes. */
const SIGNERS = {
    twilio: {events: byTwilio('/webhooks/twilio'), voice: byTwilio('/webhooks/twilio/voice')},
    vapi: {events: ({bytes}) => signVapi(bytes)},
    livekit: {events: ({bytes}) => signLivekit(bytes)},
    beyond_presence: {events: byPath(`/webhooks/beyond-presence/${MORE_SECRETS.BEY_WEBHOOK_SECRET}`)},
    teli: {events: byPath(`/webhooks/teli/${MORE_SECRETS.TELI_WEBHOOK_SECRET}`)},
    agent: {events: ({bytes}) => signAgent(bytes.toString(), {secrets: MORE_SECRETS.AGENT_WEBHOOK_SECRET})},
};

/** The fixture's bytes, genuine. */
export function signFixture(provider, route, fixture) {
    const sign = SIGNERS[provider]?.[route];
    if (!sign) throw new Error(`lib/fixtures.mjs does not know how ${provider} sends to its route "${route}"`);
    return sign(fixture);
}

function byTwilio(path) {
    return ({name, bytes, body}) =>
        name.endsWith('.json') ? signTwilioJson(bytes, {path}) : {...signTwilio(body, {path}), body: bytes};
}

/** Of those that sign nothing. */
function byPath(path) {
    return ({bytes}) => ({path, headers: {'Content-Type': 'application/json'}, body: bytes});
}
