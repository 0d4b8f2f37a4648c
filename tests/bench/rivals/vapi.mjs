// vapi.mjs – Vapi's server messages: what of webhooks/vapi/ the mix has.

import {
    ACTIVE,
    CALL,
    ENDED,
    EVENT,
    FLAT,
    INFERRED,
    LINE,
    PENDING,
    REPORT,
    Row,
    canonicalHash,
    e164,
    ended,
    redact,
    sha256Hex,
    time,
    versionOf,
    versionOfSet,
} from './facts.mjs';

const SECRETS =
    /(token|secret|apikey|password|privatekey|accesskey)$|^(authorization|controlurl|listenurl|callurl|credentials|originaltranscript|originalmessage)$|^presigned/i;

const PHASES = {
    scheduled: PENDING,
    queued: PENDING,
    ringing: PENDING,
    'in-progress': ACTIVE,
    forwarding: ACTIVE,
    ended: ENDED,
};
const COMPLETED =
    /^(customer-ended-call|assistant-ended-call|assistant-said-end-call-phrase$|silence-timed-out$|exceeded-max-duration$|manually-canceled$|assistant-forwarded-call$)/;
const FAILED =
    /^(customer-did-not-answer$|customer-busy$|voicemail$|call\.start\.error|call\.in-progress\.error|call\.ringing\.error|pipeline-|assistant-)/;
const HEARD_LIVE = versionOf(EVENT, 1); // LIVE_LINES
const ROLES = {user: 'user', assistant: 'assistant', bot: 'assistant'};

const isVolatile = (key) => key.startsWith('presigned') || key === 'timestamp' || key === 'updatedAt';

/** text: the body as it came; body: parsed. Null: not to be stored (a partial transcript). */
export function normalise(text, body) {
    const changed = redact(body, SECRETS);
    const message = body.message;
    const call = message.call ?? {};
    const type = message.type.split('[')[0];
    if (type === 'transcript' && message.transcriptType === 'partial') return null;

    const d = {
        provider: 'vapi',
        eventKey: null,
        eventType: type,
        callId: call.id,
        callSid: callSid(call),
        from: null,
        to: null,
        status: null,
        occurredMs: message.timestamp || null,
        payload: changed ? JSON.stringify(body) : text,
        call: null,
        stays: [],
        lines: [],
        newSource: false,
    };
    if (type === 'status-update') statusUpdate(d, message, call);
    else if (type === 'transcript') transcript(d, message, call);
    else if (type === 'end-of-call-report') report(d, message, call);
    else d.eventKey = `${type}:${call.id ?? '-'}:${canonicalHash(message, (key) => key.startsWith('presigned'))}`;
    return d;
}

function callSid(call) {
    if (call.transport?.provider === 'twilio' && call.transport.callSid) return call.transport.callSid;
    return call.phoneCallProvider === 'twilio' ? call.phoneCallProviderId : null;
}

function readCall(d, message, call, rank) {
    const updated = time(call.updatedAt);
    const version = versionOf(rank, updated === null ? null : updated * 1000);
    const row = new Row('voice_calls', call.id);
    row.put(CALL.call_sid, version, d.callSid);
    row.put(CALL.account_id, version, call.orgId);
    row.put(CALL.agent_id, version, call.assistantId);
    row.put(CALL.agent_name, version, message.assistant?.name ?? call.assistant?.name);
    row.put(CALL.customer_name, version, message.customer?.name ?? call.customer?.name);
    const inbound = call.type === 'inboundPhoneCall';
    if (inbound || call.type === 'outboundPhoneCall') {
        const theirs = message.customer?.number ?? call.customer?.number;
        const ours = message.phoneNumber?.number ?? call.phoneNumber?.number ?? call.phoneNumber?.twilioPhoneNumber;
        d.from = inbound ? theirs : ours;
        d.to = inbound ? ours : theirs;
        row.put(CALL.customer_number, version, e164(theirs));
        row.put(CALL.direction, version, inbound ? 'inbound' : 'outbound');
        row.put(CALL.from_number, version, d.from);
        row.put(CALL.to_number, version, d.to);
    }
    d.call = row;
    return version;
}

function callEnded(row, version, reason) {
    const outcome = COMPLETED.test(reason) ? 'completed' : FAILED.test(reason) ? 'failed' : null;
    ended(row, version, outcome, reason);
}

function statusUpdate(d, message, call) {
    d.status = message.status;
    d.eventKey = `status:${call.id}:${message.status}`;
    const version = readCall(d, message, call, EVENT);
    const phase = PHASES[message.status];
    const started = time(call.startedAt);
    if (phase === PENDING) {
        d.call.put(CALL.phase, FLAT[EVENT], phase);
    } else if (phase === ACTIVE) {
        const rank = started === null ? INFERRED : EVENT;
        d.call.put(CALL.phase, FLAT[EVENT], phase);
        d.call.put(CALL.started_at, FLAT[rank], started ?? d.occurredMs);
        d.call.put(CALL.connected_at, FLAT[rank], started ?? d.occurredMs);
        d.call.put(CALL.ai_agent_used, FLAT[EVENT], true);
    } else if (phase === ENDED) {
        const over = time(call.endedAt);
        callEnded(d.call, version, message.endedReason ?? call.endedReason ?? '');
        d.call.put(CALL.started_at, FLAT[EVENT], started);
        d.call.put(CALL.connected_at, FLAT[EVENT], started);
        d.call.put(CALL.ended_at, FLAT[over === null ? INFERRED : EVENT], over ?? d.occurredMs);
    }
}

function transcript(d, message, call) {
    const role = ROLES[message.role];
    const text = message.transcript;
    const hash = sha256Hex(text);
    readCall(d, message, call, EVENT);
    d.eventKey = `transcript:${call.id}:${role}:${d.occurredMs ?? 0}:${hash.slice(0, 32)}`;
    d.call.put(CALL.phase, FLAT[EVENT], ACTIVE);
    d.call.put(CALL.ai_agent_used, FLAT[EVENT], true);
    d.call.put(CALL.transcript_source, HEARD_LIVE, 'live');
    const line = new Row('voice_messages', call.id, `live:${role}:${d.occurredMs ?? 0}:${hash.slice(0, 8)}`);
    line.put(LINE.source, FLAT[EVENT], 'live');
    line.put(LINE.role, FLAT[EVENT], role);
    line.put(LINE.content, FLAT[EVENT], text);
    line.put(LINE.sequence_number, FLAT[EVENT], d.occurredMs ?? 0);
    line.put(LINE.spoken_at, FLAT[EVENT], d.occurredMs);
    d.lines.push(line);
}

function report(d, message, call) {
    d.status = 'ended';
    d.eventKey = `report:${call.id}:${canonicalHash(message, isVolatile)}`;
    const version = readCall(d, message, call, REPORT);
    const row = d.call;
    const started = time(message.startedAt ?? call.startedAt);
    const artifact = message.artifact ?? {};
    callEnded(row, version, message.endedReason ?? call.endedReason ?? '');
    row.put(CALL.started_at, FLAT[REPORT], started);
    row.put(CALL.connected_at, FLAT[REPORT], started);
    row.put(CALL.ended_at, FLAT[REPORT], time(message.endedAt ?? call.endedAt));
    if (started !== null) row.put(CALL.ai_agent_used, FLAT[REPORT], true);
    if (message.durationMs >= 0) row.put(CALL.duration_seconds, version, Math.floor(message.durationMs / 1000 + 0.5));
    row.put(CALL.transcript, version, artifact.transcript ?? message.transcript);
    row.put(CALL.summary, version, message.analysis?.summary ?? message.summary);
    const recording = artifact.recording?.mono?.combinedUrl ?? artifact.recordingUrl ?? message.recordingUrl;
    row.put(CALL.recording_url, version, recording);
    row.putJson(CALL.analysis, version, objectText(message.analysis ?? call.analysis));
    row.putJson(CALL.recording, version, objectText({mono: recording}));
    row.putJson(CALL.metadata, version, objectText({phoneNumberId: message.phoneNumberId ?? call.phoneNumberId}));
    if (typeof message.cost === 'number') {
        row.put(CALL.cost, version, String(message.cost));
        row.put(CALL.cost_currency, version, 'USD');
    }
    const models = (message.costs ?? []).filter((cost) => cost.type === 'model');
    if (models.length)
        row.put(
            CALL.total_tokens_used,
            version,
            models.reduce((sum, m) => sum + (m.promptTokens ?? 0) + (m.completionTokens ?? 0), 0),
        );
    reportLines(d, call, artifact.messages ?? message.messages ?? []);
}

/** What there is of it; null when there is nothing. */
function objectText(value) {
    const text = JSON.stringify(value ?? {});
    return text === '{}' ? null : text;
}

function reportLines(d, call, messages) {
    const said = messages
        .map((m) => ({role: ROLES[m.role], text: m.message ?? m.content, m}))
        .filter(({role, text}) => role && text);
    if (!said.length) return;
    const hash = sha256Hex(said.map(({role, text}) => `${role}\n${text}\n`).join(''));
    const version = versionOfSet(REPORT, said.length, hash);
    d.call.put(CALL.transcript_source, version, 'report');
    d.newSource = true; // other messages of the call may be hidden now
    for (const [position, {role, text, m}] of said.entries()) {
        const line = new Row('voice_messages', call.id, `report:${position}`);
        line.put(LINE.source, version, 'report');
        line.put(LINE.role, version, role);
        line.put(LINE.content, version, text);
        line.put(LINE.sequence_number, version, position);
        line.put(LINE.spoken_at, version, m.time);
        line.put(LINE.ended_at, version, m.endTime);
        d.lines.push(line);
    }
}
