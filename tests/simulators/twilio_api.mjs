// twilio_api.mjs – Twilio's REST API over a world's calls, and the callbacks that Twilio makes for them. Written from
// twilio.com/docs/voice/api/call-resource, …/recording, …/recording-transcription, …/call-event-resource,
// twilio.com/docs/usage/twilios-response and spec/json/twilio_api_v2010.json of github.com/twilio/twilio-oai alone.
//
// Lists are newest first, in pages of PageSize (50, at most `mostInPage`); next_page_uri has a PageToken. `paging`: 'loop'
// leads back to the first page, 'repeat' gives the same page again under another token.

import {newestFirst, oncePerList, serveApi} from './api_server.mjs';

export const ACCOUNT = 'AC000000000000000000000000000000ac';
export const TOKEN = '00112233445566778899aabbccddeeff';
const VERSION = '2010-04-01';

const rfc2822 = (ms) => (ms === null ? null : new Date(ms).toUTCString().replace('GMT', '+0000'));
const seconds = (from, to) => String(Math.round((to - from) / 1000));
const formatted = (e164) => e164.replace(/^\+1(\d{3})(\d{3})(\d{4})$/, '($1) $2-$3');

// ---- what is told of a call ----

/** An outbound call has a callback for each step, an inbound one (the number's) for its end only. */
function callbacksOf(story, common) {
    const {startMs, answeredMs, endMs, outcome} = story;
    const steps = [
        ['initiated', startMs],
        ['ringing', startMs + 1000],
        ...(answeredMs === null ? [] : [['in-progress', answeredMs]]),
        [outcome, endMs],
    ];
    const told = story.direction === 'inbound' ? steps.slice(-1) : steps;
    return told.map(([status, atMs], i) => ({
        name: status,
        atMs,
        params: {
            ...common,
            CallStatus: status,
            CallbackSource: 'call-progress-events',
            SequenceNumber: String(i),
            Timestamp: rfc2822(atMs),
            ...(atMs === endMs && {
                CallDuration: answeredMs === null ? '0' : seconds(answeredMs, endMs),
                Duration: answeredMs === null ? '0' : String(Math.ceil((endMs - answeredMs) / 60_000)),
            }),
        },
    }));
}

function recordingOf(story, sid, {account, base}) {
    const url = `https://api.twilio.com${base}/Recordings/${sid}`;
    const duration = seconds(story.answeredMs, story.endMs);
    return {
        callback: {
            AccountSid: account,
            CallSid: story.callSid,
            RecordingSid: sid,
            RecordingUrl: url,
            RecordingStatus: 'completed',
            RecordingDuration: duration,
            RecordingChannels: '2',
            RecordingStartTime: rfc2822(story.answeredMs),
            RecordingSource: 'OutboundAPI',
            RecordingTrack: 'both',
        },
        object: {
            account_sid: account,
            api_version: VERSION,
            call_sid: story.callSid,
            conference_sid: null,
            channels: 2,
            date_created: rfc2822(story.answeredMs),
            date_updated: rfc2822(story.endMs + 3000),
            start_time: rfc2822(story.answeredMs),
            price: null,
            price_unit: 'USD',
            duration,
            sid,
            source: 'OutboundAPI',
            status: 'completed',
            error_code: null,
            track: 'both',
            uri: `${base}/Recordings/${sid}.json`,
            subresource_uris: {transcriptions: `${base}/Recordings/${sid}/Transcriptions.json`},
            encryption_details: null,
            media_url: url,
        },
    };
}

function transcriptionOf(story, sid, recordingSid, {account, base}, common) {
    const text = story.lines.map((line) => line.text).join(' ');
    return {
        callback: {
            ...common,
            CallStatus: 'completed',
            TranscriptionSid: sid,
            TranscriptionText: text,
            TranscriptionStatus: 'completed',
            TranscriptionUrl: `https://api.twilio.com${base}/Recordings/${recordingSid}/Transcriptions/${sid}`,
            TranscriptionType: 'fast',
            RecordingSid: recordingSid,
            RecordingUrl: `https://api.twilio.com${base}/Recordings/${recordingSid}`,
        },
        object: {
            account_sid: account,
            api_version: VERSION,
            date_created: rfc2822(story.endMs + 5000),
            date_updated: rfc2822(story.endMs + 20_000),
            duration: seconds(story.answeredMs, story.endMs),
            price: '-0.05000',
            price_unit: 'USD',
            recording_sid: recordingSid,
            sid,
            status: 'completed',
            transcription_text: text,
            type: 'fast',
            uri: `${base}/Transcriptions/${sid}.json`,
        },
    };
}

function callObject(story, {account, base}) {
    const {callSid, startMs, answeredMs, endMs, outcome, direction} = story;
    const [from, to] = direction === 'inbound' ? [story.customer, story.ours] : [story.ours, story.customer];
    return {
        account_sid: account,
        answered_by: null,
        api_version: VERSION,
        caller_name: null,
        date_created: rfc2822(startMs),
        date_updated: rfc2822(endMs + 1000),
        direction: direction === 'inbound' ? 'inbound' : 'outbound-api',
        duration: answeredMs === null ? '0' : seconds(answeredMs, endMs),
        end_time: rfc2822(endMs),
        forwarded_from: null,
        from,
        from_formatted: formatted(from),
        group_sid: null,
        parent_call_sid: null,
        phone_number_sid: 'PN00000000000000000000000000000001',
        price: answeredMs === null ? null : '-0.01400',
        price_unit: 'USD',
        queue_time: '0',
        sid: callSid,
        start_time: rfc2822(answeredMs ?? startMs),
        status: outcome,
        subresource_uris: {
            events: `${base}/Calls/${callSid}/Events.json`,
            recordings: `${base}/Calls/${callSid}/Recordings.json`,
        },
        to,
        to_formatted: formatted(to),
        trunk_sid: null,
        uri: `${base}/Calls/${callSid}.json`,
    };
}

const snakeCase = (name) => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();

/** What Twilio asked of us in the course of a call: it shows every request, with the parameters' names in snake_case. */
const eventObject = ({params, atMs}) => ({
    request: {
        method: 'POST',
        url: 'https://calls.example.com/webhooks/twilio',
        parameters: Object.fromEntries(Object.entries(params).map(([name, value]) => [snakeCase(name), value])),
    },
    response: {
        response_code: 503,
        request_duration: 15_001,
        content_type: 'text/plain',
        response_body: '',
        date_created: rfc2822(atMs),
    },
});

/** Every third call that was recorded was transcribed, too. */
export function tellTwilio(story, {hex, account}) {
    const place = {account, base: `/${VERSION}/Accounts/${account}`};
    const [from, to] = story.direction === 'inbound' ? [story.customer, story.ours] : [story.ours, story.customer];
    const common = {
        AccountSid: account,
        ApiVersion: VERSION,
        CallSid: story.callSid,
        Direction: story.direction === 'inbound' ? 'inbound' : 'outbound-api',
        From: from,
        Caller: from,
        To: to,
        Called: to,
    };
    const webhooks = callbacksOf(story, common);
    const told = {knownFromMs: story.startMs, endMs: story.endMs, call: callObject(story, place)};
    if (story.recorded && story.answeredMs !== null) {
        const sid = `RE${hex(`recording ${story.n}`, 32)}`;
        const {callback, object} = recordingOf(story, sid, place);
        webhooks.push({name: 'recording', atMs: story.endMs + 3000, params: callback});
        told.recording = object;
        if (story.n % 3 === 0) {
            const text = transcriptionOf(story, `TR${hex(`transcription ${story.n}`, 32)}`, sid, place, common);
            webhooks.push({name: 'transcription', atMs: story.endMs + 20_000, params: text.callback});
            told.transcription = text.object;
        }
    }
    return {...told, webhooks, events: webhooks.map(eventObject), providerCallId: story.callSid};
}

// ---- the API ----

const error = (status, code, message) => ({
    status,
    body: {code, message, more_info: `https://www.twilio.com/docs/errors/${code}`, status},
});
const notFound = (path) => error(404, 20404, `The requested resource ${path} was not found`);

/** "StartTime>" and "StartTime<"; a day alone is its midnight, UTC. */
function windowOf(query, filter) {
    const bound = (sign, otherwise) => (query.has(filter + sign) ? Date.parse(query.get(filter + sign)) : otherwise);
    const [least, most] = filter === null ? [-Infinity, Infinity] : [bound('>', -Infinity), bound('<', Infinity)];
    return ({at}) => at >= least && at <= most;
}

const KINDS = {Calls: (told) => told.call, Recordings: (told) => told.recording, Transcriptions: (told) => told.transcription};

const listOf = (key, of, filter, at) => ({
    key,
    filter,
    newest: oncePerList((known) => {
        const rows = known.map(of).filter(Boolean);
        return newestFirst(rows.map((row) => ({row, at: Date.parse(at(row))})), (dated) => dated.at);
    }),
});
const LISTS = {
    'Calls.json': listOf('calls', KINDS.Calls, 'StartTime', (row) => row.start_time),
    'Recordings.json': listOf('recordings', KINDS.Recordings, 'DateCreated', (row) => row.date_created),
    'Transcriptions.json': listOf('transcriptions', KINDS.Transcriptions, null, (row) => row.date_created),
};

/** Kind → sid → object. */
const bySid = oncePerList((known) =>
    Object.fromEntries(
        Object.entries(KINDS).map(([kind, of]) => [kind, new Map(known.map(of).filter(Boolean).map((object) => [object.sid, object]))]),
    ),
);

export async function serveTwilio(world, {mostInPage = 1000, paging = 'normal', key = world.account, token = TOKEN, ...server} = {}) {
    const base = `/${VERSION}/Accounts/${world.account}`;
    const expected = `Basic ${Buffer.from(`${key}:${token}`).toString('base64')}`;

    const page = (rows, key, {path, query}) => {
        const size = Math.min(Number(query.get('PageSize') ?? 50), mostInPage);
        const number = Number(query.get('Page') ?? 0);
        const begin = paging === 'repeat' ? 0 : number * size;
        const nextNumber = paging === 'loop' && number === 1 ? 0 : number + 1;
        const next = new URLSearchParams(query);
        next.set('Page', String(nextNumber));
        next.set('PageToken', `PA${key.slice(0, 2).toUpperCase()}${nextNumber}`);
        const hasMore = paging === 'normal' ? begin + size < rows.length : rows.length > 0;
        return {
            [key]: rows.slice(begin, begin + size),
            page: number,
            page_size: size,
            start: begin,
            end: Math.min(begin + size, rows.length) - 1,
            uri: `${path}?${query}`,
            first_page_uri: `${path}?PageSize=${size}&Page=0`,
            next_page_uri: hasMore ? `${path}?${next}` : null,
            previous_page_uri: null,
        };
    };
    const list = ({key, filter, newest}, request) => {
        const found = newest(world.known('twilio')).filter(windowOf(request.query, filter));
        return {body: page(found.map(({row}) => row), key, request)};
    };
    const single = (object, path) => (object ? {body: object} : notFound(path));

    const answer = (request) => {
        const {path, headers} = request;
        if (headers.authorization !== expected) return error(401, 20003, 'Authenticate');
        if (!path.startsWith(`${base}/`)) return notFound(path);
        const below = path.slice(base.length + 1);
        if (LISTS[below]) return list(LISTS[below], request);
        const [, kind, sid, events] = /^(Calls|Recordings|Transcriptions)\/(\w+)(\/Events)?\.json$/.exec(below) ?? [];
        if (events) {
            const told = world.find('twilio', sid);
            return told ? {body: page(told.events, 'events', request)} : notFound(path);
        }
        return single(kind && bySid(world.known('twilio'))[kind].get(sid), path);
    };
    return serveApi(answer, server);
}
