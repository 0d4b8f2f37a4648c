// twilio_api.mjs – Twilio's REST API, as far as hookline asks it: calls, and what was asked of us in their course. It knows
// the calls of calls.mjs, each account its own, and misbehaves as it is told.
//
//     const api = await startTwilioApi(calls);
//     … TWILIO_API_URL: api.url, api.requests, api.misbehave = (request) => ({status: 429, headers: {'retry-after': '1'}}) …

import {createServer} from 'node:http';
import {SECRETS} from './hookline.mjs';
import {START_MS} from './calls.mjs';

const rootOf = (account) => `/2010-04-01/Accounts/${account}`;
const ROOT = rootOf(SECRETS.TWILIO_ACCOUNT_SID);
const accountOf = (call) => call.events[0].params.AccountSid;
const rfc2822 = (ms) => new Date(ms).toUTCString().replace('GMT', '+0000');
const snake = (name) => name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toLowerCase();

/** The object of a call whose callbacks are all over. */
function callObject(call) {
    const last = call.events.at(-1).params;
    return {
        sid: call.callSid,
        account_sid: last.AccountSid,
        api_version: '2010-04-01',
        caller_name: last.CallerName,
        date_created: rfc2822(START_MS),
        date_updated: rfc2822(START_MS + 40_000),
        start_time: rfc2822(START_MS),
        end_time: rfc2822(START_MS + 34_000),
        direction: last.Direction,
        duration: last.CallDuration,
        from: last.From,
        to: last.To,
        price: '-0.01400',
        price_unit: 'USD',
        status: 'completed',
        uri: `${rootOf(accountOf(call))}/Calls/${call.callSid}.json`,
    };
}

function eventObject({name, params}) {
    return {
        request: {
            method: 'POST',
            url: `https://calls.example.com/webhooks/twilio${name === 'voice' ? '/voice' : ''}`,
            parameters: Object.fromEntries(Object.entries(params).map(([key, value]) => [snake(key), value])),
        },
        response: {response_code: 204, request_duration: 12, content_type: null, response_body: ''},
    };
}

function page(what, rows, next) {
    return {[what]: rows, next_page_uri: next, page_size: rows.length, uri: ROOT};
}

/**
 * Answers until close(). misbehave(request) gives what to answer instead: {status, headers, body, delayMs, drip}; or
 * nothing. request: {path, params, count, authorization}; count: of all requests so far.
 */
export async function startTwilioApi(calls, {pageSize = 20} = {}) {
    const api = {calls, requests: [], misbehave: () => null};

    const answer = (path, params) => {
        const [, account, below] = /^\/2010-04-01\/Accounts\/(\w+)\/(.*)$/.exec(path) ?? [];
        const events = /^Calls\/(CA[0-9a-f]+)\/Events.json$/.exec(below);
        const one = /^Calls\/(CA[0-9a-f]+).json$/.exec(below);
        const calls = api.calls.filter((call) => accountOf(call) === account);
        const known = (sid) => calls.find(({callSid}) => callSid === sid);
        if (below === 'Calls.json') {
            const at = Number(params.get('Page') ?? 0);
            const rows = calls.slice(at * pageSize, (at + 1) * pageSize);
            const more = (at + 1) * pageSize < calls.length;
            const query = new URLSearchParams(params);
            query.set('Page', at + 1);
            return page('calls', rows.map(callObject), more ? `${path}?${query}` : null);
        }
        if (below === 'Recordings.json') return page('recordings', [], null);
        if (below === 'Transcriptions.json') return page('transcriptions', [], null);
        if (events && known(events[1])) return page('events', known(events[1]).events.map(eventObject), null);
        if (one && known(one[1])) return callObject(known(one[1]));
        return null;
    };

    const server = createServer(async (req, res) => {
        const {pathname: path, searchParams: params} = new URL(req.url, 'http://localhost');
        const request = {path, params, count: api.requests.length + 1, authorization: req.headers.authorization};
        api.requests.push(request);
        const odd = await api.misbehave(request);
        if (odd?.delayMs) await new Promise((resolve) => setTimeout(resolve, odd.delayMs).unref());
        if (odd?.status || odd?.body !== undefined) {
            res.writeHead(odd.status ?? 200, {'content-type': 'application/json', ...odd.headers});
            res.end(odd.body ?? '{}');
            return;
        }
        const body = answer(path, params);
        const text = JSON.stringify(body ?? {code: 20404, status: 404});
        res.writeHead(body ? 200 : 404, {'content-type': 'application/json', 'content-length': Buffer.byteLength(text)});
        if (odd?.drip) {
            // The first half now, the rest not before `drip` ms: a body that comes slowly, or never.
            res.write(text.slice(0, text.length / 2));
            setTimeout(() => res.end(text.slice(text.length / 2)), odd.drip).unref();
        } else {
            res.end(text);
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    api.url = `http://127.0.0.1:${server.address().port}`;
    api.close = () => {
        server.closeAllConnections();
        return new Promise((resolve) => server.close(resolve));
    };
    api.text = (path, params = new URLSearchParams()) => JSON.stringify(answer(path, params));
    return api;
}

export const LIST = `${ROOT}/Calls.json`;
