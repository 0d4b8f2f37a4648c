// beyond_presence_api.mjs – Beyond Presence's API over a world's calls, and the webhooks it sends for them. Written from
// docs.bey.dev/openapi.json, docs.bey.dev/api-reference/agent-conversations, …/concepts/agents/webhook-events and
// github.com/bey-dev/bey-examples alone.
//
// Three generations of one list: 'bare' (the SDKs of June 2025: an array, without pages), 'flat' (the examples of 2025: times
// beside the id), 'status' (the OpenAPI document of July 2026: times in the status). `prefix` is what a call is called:
// '/v1/calls' or '/v1/conversations'; under the other name there is nothing. `paging`: 'loop' leads back to the first page,
// 'repeat' gives the same page under another cursor.

import {newestFirst, oncePerList, serveApi} from './api_server.mjs';

export const BEY_KEY = 'a-key-of-beyond-presence';
const LIMIT = 10;
const LIMIT_MOST = 50;

const iso = (ms) => new Date(ms).toISOString();

/** A call in a browser: it has no numbers. Nobody answers it: who opens the link is there. */
export function tellBeyondPresence(story, {uuid}) {
    const id = uuid(`bey call ${story.n}`);
    const agentId = '94cee727-cac4-41b5-ab99-c6b07091dedf';
    const startedMs = story.answeredMs ?? story.startMs;
    const message = (line, agent) => ({sender: line.who === 'agent' ? agent : 'user', message: line.text, sent_at: iso(line.atMs)});
    const lines = story.lines.map((line, i) => ({
        name: `line ${i}`,
        atMs: line.untilMs,
        body: {
            event_type: 'message',
            call_id: id,
            message: message(line, 'agent'),
            call_data: {userName: story.name, agentId},
        },
    }));
    return {
        providerCallId: id,
        knownFromMs: startedMs,
        startedMs,
        endedMs: story.endMs,
        about: {id, agent_id: agentId, user_name: story.name, tags: {order: String(story.n)}},
        messages: story.lines.map((line) => message(line, 'ai')),
        webhooks: [
            ...lines,
            {
                name: 'ended',
                atMs: story.endMs + 2000,
                body: {
                    event_type: 'call_ended',
                    call_id: id,
                    user_name: story.name,
                    evaluation: {
                        topic: 'Trial plan',
                        user_sentiment: 'positive',
                        duration_minutes: (story.endMs - startedMs) / 60_000,
                        messages_count: story.lines.length,
                    },
                    messages: story.lines.map((line) => message(line, 'agent')),
                },
            },
        ],
    };
}

// ---- the API ----

const SHAPES = {
    bare: ({about: {id, agent_id}, startedMs}, endedMs) => ({id, agent_id, started_at: iso(startedMs), ended_at: endedMs === null ? null : iso(endedMs)}),
    flat: ({about, startedMs}, endedMs) => ({...about, started_at: iso(startedMs), ended_at: endedMs === null ? null : iso(endedMs)}),
    status: ({about, startedMs}, endedMs) => ({
        ...about,
        status:
            endedMs === null
                ? {type: 'ongoing', started_at: iso(startedMs)}
                : {type: 'completed', started_at: iso(startedMs), ended_at: iso(endedMs)},
    }),
};

const error = (status, detail) => ({status, body: {detail}});
const newestCalls = oncePerList((known) => newestFirst(known, (told) => told.startedMs));

export async function serveBeyondPresence(
    world,
    {key = BEY_KEY, generation = 'status', prefix = '/v1/calls', paging = 'normal', ...server} = {},
) {
    const shape = (told) => SHAPES[generation](told, told.endedMs <= world.now() ? told.endedMs : null);
    const page = (query) => {
        const limit = Number(query.get('limit') ?? LIMIT);
        if (!(limit >= 1 && limit <= LIMIT_MOST))
            return error(422, [{loc: ['query', 'limit'], msg: 'Input should be less than or equal to 50', type: 'less_than_equal'}]);
        const all = newestCalls(world.known('beyond_presence'));
        if (generation === 'bare') return {body: all.map(shape)};
        const at = Number(Buffer.from(query.get('cursor') ?? '', 'base64url').toString() || 0);
        const begin = paging === 'repeat' ? 0 : at;
        const next = paging === 'loop' && at > 0 ? 0 : at + limit;
        const hasMore = paging === 'normal' ? at + limit < all.length : true;
        return {
            body: {
                data: all.slice(begin, begin + limit).map(shape),
                has_more: hasMore,
                ...(hasMore && {next_cursor: Buffer.from(String(next)).toString('base64url')}),
            },
        };
    };
    const answer = ({path, query, headers}) => {
        if (!headers['x-api-key']) return error(401, 'API key is required.');
        if (headers['x-api-key'] !== key) return error(401, 'Invalid API key.');
        if (path === '/v1/auth/verify') return {status: 204};
        if (path === prefix) return page(query);
        const below = path.startsWith(`${prefix}/`) ? path.slice(prefix.length + 1) : '';
        const [, id, messages] = /^([^/]+)(\/messages)?$/.exec(below) ?? [];
        const told = id && world.find('beyond_presence', id);
        if (!told) return error(404, 'Not Found');
        return {body: messages ? told.messages : shape(told)};
    };
    return serveApi(answer, server);
}
