// twilio.mjs – Twilio's callbacks: what of webhooks/twilio/ the mix has.

import {
    ACTIVE,
    CALL,
    ENDED,
    EVENT,
    FLAT,
    INFERRED,
    PENDING,
    Row,
    canonicalHash,
    e164,
    ended,
    time,
    versionOf,
} from './facts.mjs';

const STATUSES = {
    queued: {phase: PENDING, column: CALL.started_at},
    initiated: {phase: PENDING, column: CALL.started_at},
    ringing: {phase: PENDING, column: CALL.started_at},
    'in-progress': {phase: ACTIVE, column: CALL.connected_at},
    completed: {phase: ENDED, column: CALL.ended_at, outcome: 'completed'},
    busy: {phase: ENDED, column: CALL.ended_at, outcome: 'failed'},
    'no-answer': {phase: ENDED, column: CALL.ended_at, outcome: 'failed'},
    canceled: {phase: ENDED, column: CALL.ended_at, outcome: 'failed'},
    failed: {phase: ENDED, column: CALL.ended_at, outcome: 'failed'},
};

const INBOUND = {
    inbound: true,
    'trunking-originating': true,
    'outbound-api': false,
    'outbound-dial': false,
    outbound: false,
    'trunking-terminating': false,
};

/** form: the parameters as an object. */
export function normalise(form, isVoice) {
    const at = time(form.Timestamp);
    if ('CallToken' in form) form.CallToken = '[redacted]';
    const row = new Row('voice_calls', form.CallSid);
    callFacts(row, form, at);
    return {
        provider: 'twilio',
        route: isVoice ? 'voice' : 'events',
        eventKey: isVoice
            ? `voice:${form.CallSid}:/webhooks/twilio/voice:${canonicalHash(form)}`
            : `call:${form.CallSid}:${form.CallStatus}`,
        eventType: isVoice ? 'voice' : 'call-progress-events',
        callId: form.CallSid,
        callSid: form.CallSid,
        from: form.From,
        to: form.To,
        status: form.CallStatus,
        occurredMs: at,
        payload: JSON.stringify(form),
        call: row,
        stays: [],
        lines: [],
    };
}

function callFacts(row, form, at) {
    const version = versionOf(EVENT, at === null ? null : at * 1000);
    row.put(CALL.call_sid, version, form.CallSid);
    row.put(CALL.from_number, version, form.From);
    row.put(CALL.to_number, version, form.To);
    row.put(CALL.account_id, version, form.AccountSid);
    row.put(CALL.parent_call_sid, version, form.ParentCallSid);
    row.put(CALL.answered_by, version, form.AnsweredBy);
    row.put(CALL.recording_url, version, form.RecordingUrl);
    const inbound = INBOUND[form.Direction];
    if (inbound !== undefined) {
        row.put(CALL.direction, version, inbound ? 'inbound' : 'outbound');
        row.put(CALL.customer_number, version, e164(inbound ? form.From : form.To));
    }
    const status = STATUSES[form.CallStatus];
    if (status) statusFacts(row, form, status, version, at);
}

function statusFacts(row, form, status, version, at) {
    row.put(status.column, FLAT[EVENT], at);
    if (status.phase !== ENDED) {
        row.put(CALL.phase, FLAT[EVENT], status.phase);
        if (status.phase === ACTIVE) row.put(CALL.started_at, FLAT[INFERRED], at);
        return;
    }
    ended(row, version, status.outcome, form.CallStatus);
    let began = at;
    if (/^[0-9]+$/.test(form.CallDuration ?? '')) {
        row.put(CALL.duration_seconds, version, Number(form.CallDuration));
        began = at === null ? null : at - Number(form.CallDuration) * 1000;
    }
    row.put(CALL.started_at, FLAT[INFERRED], began);
    if (status.outcome === 'completed') row.put(CALL.connected_at, FLAT[INFERRED], began);
}
