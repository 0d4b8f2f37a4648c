// teli_api.mjs – Teli's API over a world's calls, and the events that the provider under it may be made to send. Written
// from docs.teli.ai/partner-api (call-history, agents) and docs.retellai.com/features/webhook alone.
//
// GET /v1/voice/calls: at most 100, newest first by start_timestamp, ended ones unless call_status says otherwise; no cursor,
// and count is that of the page. Its rows have no numbers and no transcript. format=json is an export: all of them, up to
// `exportMost`, X-Export-Truncated above that. `ignoresWindow`: start_date and end_date are paid no heed.

import {newestFirst, oncePerList, serveApi} from './api_server.mjs';

export const TELI_KEY = 'a-key-of-teli';
export const ORGANIZATION = '1735611774964x329409709645939916';
const LIMIT = 50;
const LIMIT_MOST = 100;
const EXPORT_MOST = 50_000;
const POWERED = {powered_by: 'Teli'};

export const AGENT = {
    voice: 'agent_d59c7c206bdefe8e54160a54c7',
    unique: '1731571005416x233462410791889304',
    id: 'd59c7c20-6bde-4e8e-b416-0a54c769841c',
    name: 'Cedar Plumbing intake',
};

const STATUS = {
    completed: {call_status: 'ended', disconnection_reason: 'user_hangup'},
    'no-answer': {call_status: 'error', disconnection_reason: 'dial_no_answer'},
    busy: {call_status: 'error', disconnection_reason: 'dial_busy'},
};

/** When Teli worked on it: without a zone, with microseconds. */
const naive = (ms) => new Date(ms).toISOString().replace('Z', '077');

function words(line, startMs) {
    const list = line.text.split(' ');
    const step = (line.untilMs - line.atMs) / list.length;
    return list.map((word, i) => ({
        word,
        start: (line.atMs - startMs + i * step) / 1000,
        end: (line.atMs - startMs + (i + 0.9) * step) / 1000,
    }));
}

export function tellTeli(story, {hex}) {
    const id = `call_${hex(`teli call ${story.n}`, 27)}`;
    const agent = story.agent ?? AGENT;
    const {startMs, endMs} = story;
    const status = STATUS[story.outcome];
    const isAnswered = story.answeredMs !== null;
    const [from_number, to_number] = story.direction === 'inbound' ? [story.customer, story.ours] : [story.ours, story.customer];
    const began = {
        call_id: id,
        voice_agent_id: agent.voice,
        agent_id: agent.id,
        agent_name: agent.name,
        agent_version: 4,
        direction: story.direction,
        call_type: 'phone_call',
        from_number,
        to_number,
        start_timestamp: startMs,
        telephony_identifier: {twilio_call_sid: story.callSid},
    };
    const ended = {
        ...began,
        ...status,
        end_timestamp: endMs,
        duration_ms: isAnswered ? endMs - startMs : 0,
        recording_url: story.recorded && isAnswered ? `https://recordings.example.com/${id}.wav` : null,
        transcript: story.lines.map(({who, text}) => `${who === 'agent' ? 'Agent' : 'User'}: ${text}\n`).join(''),
        transcript_object: story.lines.map((line) => ({
            role: line.who === 'agent' ? 'agent' : 'user',
            content: line.text,
            words: words(line, startMs),
        })),
    };
    const verdict = {user_sentiment: isAnswered ? 'Positive' : 'Unknown', call_successful: isAnswered, in_voicemail: false};
    const detail = {
        ...ended,
        ...verdict,
        extracted_fields: story.extracted ?? {first_name: 'Dana', last_name: `Nº ${story.n}`, day: 'Friday'},
        extraction_config: [{name: 'first_name', type: 'string'}],
        call_analysis: {call_summary: story.summary, ...verdict, custom_analysis_data: {}},
        call_cost: {combined_cost: 21.7, total_duration_seconds: (endMs - startMs) / 1000},
        llm_token_usage: {values: [912, 1004], average: 958, num_requests: 2},
        metadata: {},
        dynamic_variables: {},
        data_storage_setting: 'everything',
        opt_in_signed_url: false,
    };
    const row = {
        call_id: id,
        voice_agent_id: agent.voice,
        agent_id: agent.id,
        organization_id: '90051d84-27f4-4f44-b004-00e53b3deae6',
        user_id: 'ce017212-b9a2-496a-b1c4-d037177b0af7',
        tenant_id: 'ac08ce4c-d921-43fd-b0c7-c0c32ca1838d',
        start_timestamp: startMs,
        end_timestamp: endMs,
        call_status: status.call_status,
        direction: story.direction,
        ...verdict,
        recording_url: ended.recording_url,
        recording_s3_key: null,
        recording_downloaded_at: null,
        call_started_at: naive(endMs + 7_200_000),
        call_ended_at: naive(endMs + 7_199_000),
        call_analyzed_at: naive(endMs + 9000),
        created_at: naive(endMs + 5000),
        updated_at: naive(endMs + 9000),
    };
    const exported = {
        call_id: id,
        start_time: new Date(startMs).toISOString(),
        end_time: new Date(endMs).toISOString(),
        duration_seconds: Math.round(detail.duration_ms / 1000),
        from_number,
        to_number,
        direction: story.direction,
        agent_name: agent.name,
        ...verdict,
        call_status: status.call_status,
        recording_url: ended.recording_url,
        campaign_id: null,
        contact_id: null,
        transcript: ended.transcript,
        extracted_fields: detail.extracted_fields,
    };
    return {
        providerCallId: id,
        knownFromMs: endMs, // rows appear after the call completed
        detail,
        row,
        exported,
        webhooks: [
            // Of a call that was never connected there is none (docs.retellai.com/features/webhook).
            ...(isAnswered ? [{name: 'started', atMs: startMs, body: {event: 'call_started', call: {...began, call_status: 'ongoing'}}}] : []),
            {name: 'ended', atMs: endMs, body: {event: 'call_ended', call: ended}},
            {name: 'analyzed', atMs: endMs + 9000, body: {event: 'call_analyzed', call: detail}},
        ],
    };
}

// ---- the API ----

const error = (status, text) => ({status, body: {error: text, success: false, ...POWERED}});

const agentObject = ({voice, unique, id, name}) => ({
    agent_id: unique,
    unique_id: unique,
    id,
    agent_name: name,
    agent_type: 'voice',
    agent_status: 'active',
    organization_id: ORGANIZATION,
    voice_agent_id: voice,
    created_at: '2026-05-01T10:00:00.000000',
    modified_at: '2026-07-01T10:00:00.000000',
});

const newestCalls = oncePerList((known) => newestFirst(known, ({row}) => row.start_timestamp));

export async function serveTeli(
    world,
    {key = TELI_KEY, agents = [AGENT], exportMost = EXPORT_MOST, ignoresWindow = false, ...server} = {},
) {
    const find = (query) => {
        const status = query.get('call_status') ?? 'ended';
        const bound = (name, otherwise) => (query.has(name) && !ignoresWindow ? Date.parse(query.get(name)) : otherwise);
        const [least, most] = [bound('start_date', -Infinity), bound('end_date', Infinity)];
        const isFound = ({row}) => row.call_status === status && row.start_timestamp > least && row.start_timestamp < most;
        return newestCalls(world.known('teli')).filter(isFound);
    };
    const list = (query) => {
        if (!query.get('organization_id')) return error(400, 'organization_id is required');
        if (query.get('is_admin') !== 'true' && !query.get('user_id')) return error(400, 'user_id is required');
        const found = find(query);
        if (query.get('format') === 'json') {
            const calls = found.slice(0, exportMost).map(({exported}) => exported);
            const headers = found.length > exportMost ? {'X-Export-Truncated': 'true'} : {};
            return {headers, body: {success: true, count: calls.length, calls, ...POWERED}};
        }
        const calls = found.slice(0, Math.min(Number(query.get('limit') ?? LIMIT), LIMIT_MOST)).map(({row}) => row);
        return {body: {success: true, count: calls.length, calls, ...POWERED}};
    };
    const answer = ({path, query, headers}) => {
        if (headers['x-api-key'] !== key) return error(401, 'Invalid API key');
        if (path === '/v1/voice/calls') return list(query);
        if (path === '/v1/agents')
            return {body: {success: true, count: agents.length, agents: agents.map(agentObject), ...POWERED}};
        const [, id] = /^\/v1\/voice\/calls\/([^/]+)$/.exec(path) ?? [];
        const told = id && world.find('teli', id);
        return told ? {body: {success: true, call: told.detail, ...POWERED}} : error(404, 'Call not found');
    };
    return serveApi(answer, server);
}
