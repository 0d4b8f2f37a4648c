// backfill.mjs – a straight script that does what the systems before did to make up for webhooks that were lost: pages one
// after the other, a request more for each call where the list does not have all of it, and one INSERT … ON CONFLICT a
// row over one connection.
//
//     node tests/bench/rivals/backfill.mjs PROVIDER HOURS      DATABASE_URL, API_URL
//
// Its tables are its own, with what a query needs and no more: no events, no changes, nothing to go on from after a fall.

import pg from 'pg';
import {ACCOUNT, TOKEN} from '../../simulators/twilio_api.mjs';
import {BEY_KEY} from '../../simulators/beyond_presence_api.mjs';
import {ORGANIZATION, TELI_KEY} from '../../simulators/teli_api.mjs';
import {VAPI_KEY} from '../../simulators/vapi_api.mjs';

const [, , provider, hours] = process.argv;
const {API_URL, DATABASE_URL} = process.env;
const since = new Date(Date.now() - Number(hours) * 3600_000).toISOString();

const TABLES = `CREATE TABLE calls (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), provider text NOT NULL, call_id text NOT NULL, agent_id text,
        call_sid text, direction text, from_number text, to_number text, status text, started_at timestamptz,
        ended_at timestamptz, duration_seconds integer, recording_url text, transcript text, summary text,
        payload jsonb NOT NULL, synced_at timestamptz NOT NULL DEFAULT now(), UNIQUE (provider, call_id));
    CREATE INDEX ON calls (started_at);
    CREATE TABLE messages (
        id uuid PRIMARY KEY DEFAULT gen_random_uuid(), call_id text NOT NULL, sender text, message text,
        sent_at timestamptz, UNIQUE (call_id, sent_at, message));
    CREATE TABLE events (call_id text NOT NULL, position integer NOT NULL, payload jsonb NOT NULL, UNIQUE (call_id, position))`;

const COLUMNS = ['call_id', 'agent_id', 'call_sid', 'direction', 'from_number', 'to_number', 'status', 'started_at', 'ended_at',
    'duration_seconds', 'recording_url', 'transcript', 'summary', 'payload'];
const CALL = `INSERT INTO calls (provider, ${COLUMNS}) VALUES ('${provider}', ${COLUMNS.map((_, i) => `$${i + 1}`)})
    ON CONFLICT (provider, call_id) DO UPDATE SET ${COLUMNS.slice(1).map((name) => `${name} = EXCLUDED.${name}`)}, synced_at = now()`;
const MESSAGE = `INSERT INTO messages (call_id, sender, message, sent_at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (call_id, sent_at, message) DO UPDATE SET sender = EXCLUDED.sender`;
const EVENT = `INSERT INTO events (call_id, position, payload) VALUES ($1, $2, $3)
    ON CONFLICT (call_id, position) DO UPDATE SET payload = EXCLUDED.payload`;

const client = new pg.Client({connectionString: DATABASE_URL});
await client.connect();
await client.query(TABLES);

async function get(path, headers) {
    const response = await fetch(API_URL + path, {headers});
    if (!response.ok) throw new Error(`${path}: ${response.status}`);
    return response.json();
}

const storeCall = (call, row) => client.query(CALL, COLUMNS.map((name) => (name === 'payload' ? JSON.stringify(call) : row[name] ?? null)));
const storeMessage = (callId, sender, message, sentAt) => client.query(MESSAGE, [callId, sender, message, sentAt]);

// ---- each of them ----

/** There is no cursor: the next page is what was made before the last one of this. */
async function vapi() {
    const headers = {authorization: `Bearer ${VAPI_KEY}`};
    for (let before = ''; ; ) {
        const list = await get(`/call?limit=100&createdAtGe=${since}${before && `&createdAtLt=${before}`}`, headers);
        for (const call of list) {
            await storeCall(call, {
                call_id: call.id,
                agent_id: call.assistantId,
                call_sid: call.phoneCallProviderId,
                direction: call.type === 'inboundPhoneCall' ? 'inbound' : 'outbound',
                status: call.status,
                started_at: call.startedAt,
                ended_at: call.endedAt,
                recording_url: call.artifact.recordingUrl,
                transcript: call.artifact.transcript,
                summary: call.analysis.summary,
            });
            for (const {role, message, time} of call.messages.filter((one) => one.role !== 'system'))
                await storeMessage(call.id, role, message, new Date(time).toISOString());
        }
        if (list.length < 100) return;
        before = list.at(-1).createdAt;
    }
}

async function beyondPresence() {
    const headers = {'x-api-key': BEY_KEY};
    for (let cursor = ''; ; ) {
        const page = await get(`/v1/calls?limit=50${cursor && `&cursor=${cursor}`}`, headers);
        for (const call of page.data.filter(({status}) => status.ended_at)) {
            const {started_at, ended_at} = call.status;
            await storeCall(call, {call_id: call.id, agent_id: call.agent_id, status: 'completed', started_at, ended_at});
            for (const {sender, message, sent_at} of await get(`/v1/calls/${call.id}/messages`, headers))
                await storeMessage(call.id, sender, message, sent_at);
        }
        if (!page.has_more) return;
        cursor = page.next_cursor;
    }
}

/** A hundred at most: the next ones began before the last of these. */
async function teli() {
    const headers = {'x-api-key': TELI_KEY};
    for (let before = ''; ; ) {
        const path = `/v1/voice/calls?organization_id=${ORGANIZATION}&is_admin=true&limit=100&start_date=${since}`;
        const {calls} = await get(`${path}${before && `&end_date=${before}`}`, headers);
        for (const {call_id} of calls) {
            const {call} = await get(`/v1/voice/calls/${call_id}`, headers);
            await storeCall(call, {
                ...call,
                agent_id: call.voice_agent_id,
                status: call.call_status,
                started_at: new Date(call.start_timestamp).toISOString(),
                ended_at: new Date(call.end_timestamp).toISOString(),
                duration_seconds: Math.round(call.duration_ms / 1000),
                summary: call.call_analysis.call_summary,
            });
            for (const {role, content, words} of call.transcript_object)
                await storeMessage(call_id, role, content, new Date(call.start_timestamp + words[0].start * 1000).toISOString());
        }
        if (calls.length < 100) return;
        before = new Date(calls.at(-1).start_timestamp).toISOString();
    }
}

/** Calls with their events, then recordings and transcriptions, which are columns of the call. */
async function twilio() {
    const headers = {authorization: `Basic ${Buffer.from(`${ACCOUNT}:${TOKEN}`).toString('base64')}`};
    const base = `/2010-04-01/Accounts/${ACCOUNT}`;
    const each = async (path, key, take) => {
        for (let next = path; next; ) {
            const page = await get(next, headers);
            for (const row of page[key]) await take(row);
            next = page.next_page_uri;
        }
    };
    const iso = (text) => (text ? new Date(text).toISOString() : null);
    await each(`${base}/Calls.json?PageSize=1000&StartTime%3E=${since}`, 'calls', async (call) => {
        await storeCall(call, {
            call_id: call.sid,
            call_sid: call.sid,
            direction: call.direction,
            from_number: call.from,
            to_number: call.to,
            status: call.status,
            started_at: iso(call.start_time),
            ended_at: iso(call.end_time),
            duration_seconds: Number(call.duration),
        });
        const {events} = await get(`${base}/Calls/${call.sid}/Events.json?PageSize=1000`, headers);
        for (const [position, event] of events.entries()) await client.query(EVENT, [call.sid, position, JSON.stringify(event)]);
    });
    await each(`${base}/Recordings.json?PageSize=1000&DateCreated%3E=${since}`, 'recordings', (recording) =>
        client.query('UPDATE calls SET recording_url = $2 WHERE call_id = $1', [recording.call_sid, recording.media_url]),
    );
    await each(`${base}/Transcriptions.json?PageSize=1000`, 'transcriptions', async (row) => {
        const recording = await get(`${base}/Recordings/${row.recording_sid}.json`, headers);
        await client.query('UPDATE calls SET transcript = $2 WHERE call_id = $1', [recording.call_sid, row.transcription_text]);
    });
}

await {vapi, beyond_presence: beyondPresence, teli, twilio}[provider]();
await client.end();
