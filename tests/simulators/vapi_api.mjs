// vapi_api.mjs – Vapi's API over a world's calls, and the server messages that Vapi sends for them. Written from the schemas
// of Vapi's OpenAPI document (github.com/VapiAI/docs, fern/apis/api/openapi.json) and docs.vapi.ai/server-url/events alone.
//
// GET /call is a bare array, newest createdAt first, 100 unless `limit` says otherwise (1000 at most): no cursor, no page.

import {newestFirst, oncePerList, serveApi} from './api_server.mjs';

export const VAPI_KEY = 'a-private-key-of-vapi';
const LIMIT = 100;
const LIMIT_MOST = 1000;

const iso = (ms) => new Date(ms).toISOString();

const STATUS = {
    completed: {endedReason: 'customer-ended-call'},
    'no-answer': {endedReason: 'customer-did-not-answer'},
    busy: {endedReason: 'customer-busy'},
};

export function tellVapi(story, {uuid}) {
    const id = uuid(`vapi call ${story.n}`);
    const {startMs, answeredMs, endMs} = story;
    const {endedReason} = STATUS[story.outcome];
    const times = {
        ...(answeredMs !== null && {startedAt: iso(answeredMs)}),
        endedAt: iso(endMs),
    };
    const call = (status, atMs, more = {}) => ({
        id,
        orgId: '5c6ce9c3-2f6d-4c2b-9a1e-3c9a5e0f7b11',
        createdAt: iso(startMs),
        updatedAt: iso(atMs),
        type: story.direction === 'inbound' ? 'inboundPhoneCall' : 'outboundPhoneCall',
        status,
        phoneCallProvider: 'twilio',
        phoneCallProviderId: story.callSid,
        phoneCallTransport: 'pstn',
        transport: {provider: 'twilio', callSid: story.callSid, accountSid: 'AC000000000000000000000000000000ac'},
        phoneNumberId: 'b00cfca0-a3f0-4109-930b-416bec62b545',
        phoneNumber: {provider: 'twilio', number: story.ours},
        assistantId: '2de8bbed-041e-41b2-81c1-a340ce642e18',
        customer: {number: story.customer, name: story.name},
        ...more,
    });
    const said = story.lines.map(({who, text, atMs, untilMs}) => ({
        role: who === 'agent' ? 'bot' : 'user',
        message: text,
        time: atMs,
        endTime: untilMs,
        secondsFromStart: (atMs - answeredMs) / 1000,
        duration: untilMs - atMs,
    }));
    const artifact = {
        messages: [{role: 'system', message: 'You are a friendly receptionist.', time: startMs, secondsFromStart: 0}, ...said],
        transcript: said.map((l) => `${l.role === 'bot' ? 'AI' : 'User'}: ${l.message}\n`).join(''),
        ...(story.recorded && answeredMs !== null && {recordingUrl: `https://recordings.example.com/${id}.wav`}),
    };
    const outcome = {
        endedReason,
        ...times,
        cost: 0.1234,
        costs: [
            {type: 'model', model: {provider: 'openai', model: 'gpt-4.1-mini'}, promptTokens: 900, completionTokens: 80, cost: 0.01},
            {type: 'vapi', subType: 'normal', minutes: 0.5, cost: 0.025},
        ],
        analysis: {summary: story.summary, successEvaluation: 'true'},
    };
    const message = (name, type, atMs, more) => ({
        name,
        atMs,
        body: {
            message: {
                type,
                timestamp: atMs,
                phoneNumber: {provider: 'twilio', number: story.ours},
                customer: {number: story.customer, name: story.name},
                ...more,
            },
        },
    });
    const status = (word, atMs, more = {}) => message(word, 'status-update', atMs, {status: word, call: call(word, atMs), ...more});
    const lines = story.lines.map((line, i) =>
        message(`line ${i}`, 'transcript', line.untilMs, {
            role: line.who === 'agent' ? 'assistant' : 'user',
            transcriptType: 'final',
            transcript: line.text,
            call: call('in-progress', answeredMs),
        }),
    );
    const webhooks = [
        status('ringing', startMs + 100),
        ...(answeredMs === null ? [] : [status('in-progress', answeredMs)]),
        ...lines,
        status('ended', endMs, {endedReason, call: call('ended', endMs, times)}),
        message('report', 'end-of-call-report', endMs + 6000, {...outcome, artifact, call: call('ended', endMs + 6000, times)}),
    ];
    return {
        providerCallId: id,
        knownFromMs: startMs,
        webhooks,
        object: {...call('ended', endMs + 6500, {...outcome, artifact}), messages: artifact.messages},
    };
}

// ---- the API ----

const error = (statusCode, word, message) => ({status: statusCode, body: {message, error: word, statusCode}});

const BOUNDS = {Gt: (a, b) => a > b, Lt: (a, b) => a < b, Ge: (a, b) => a >= b, Le: (a, b) => a <= b};

/** Of a query: whether a call's times are within its bounds. */
function boundsOf(query) {
    const bounds = ['createdAt', 'updatedAt'].flatMap((field) =>
        Object.entries(BOUNDS)
            .filter(([sign]) => query.has(field + sign))
            .map(([sign, compare]) => ({field, compare, bound: Date.parse(query.get(field + sign))})),
    );
    return (times) => bounds.every(({field, compare, bound}) => compare(times[field], bound));
}

const newestCalls = oncePerList((known) => {
    const dated = known.map(({object}) => ({object, createdAt: Date.parse(object.createdAt), updatedAt: Date.parse(object.updatedAt)}));
    return newestFirst(dated, ({createdAt}) => createdAt);
});

export async function serveVapi(world, {key = VAPI_KEY, mostInPage = LIMIT_MOST, ...server} = {}) {
    const answer = ({method, path, query, headers}) => {
        if (headers.authorization !== `Bearer ${key}`)
            return error(401, 'Unauthorized', 'Invalid Key. Hot tip, you may be using the private key instead of the public key, or vice versa.');
        if (method === 'GET' && path === '/assistant') return {body: []};
        if (method === 'GET' && path === '/call') {
            const limit = Number(query.get('limit') ?? LIMIT);
            if (!(limit >= 0 && limit <= LIMIT_MOST)) return error(400, 'Bad Request', ['limit must not be greater than 1000']);
            const found = newestCalls(world.known('vapi')).filter(boundsOf(query));
            return {body: found.slice(0, Math.min(limit, mostInPage)).map(({object}) => object)};
        }
        const [, id] = /^\/call\/([^/]+)$/.exec(path) ?? [];
        const call = id && world.find('vapi', id)?.object;
        return call ? {body: call} : error(404, 'Not Found', `Couldn't find ${path}`);
    };
    return serveApi(answer, server);
}
