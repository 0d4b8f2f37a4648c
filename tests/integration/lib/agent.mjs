// agent.mjs – an agent of the operator's own: signs by the Standard Webhooks spec, written from its text
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md), with nothing of hookline's in it.

import {createHmac, randomBytes} from 'node:crypto';

/** A new secret, as AGENT_WEBHOOK_SECRET takes it. */
export function makeSecret() {
    return `whsec_${randomBytes(24).toString('base64')}`;
}

export function signature(secret, id, timestamp, body) {
    const key = Buffer.from(secret.slice('whsec_'.length), 'base64');
    return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`;
}

/** body: an object (made JSON), or text. secrets: one, or those that a sender signs with while it changes them. */
export function signAgent(
    body,
    {secrets, id = `msg_${randomBytes(12).toString('hex')}`, timestamp = Math.floor(Date.now() / 1000)},
) {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    return {
        path: '/webhooks/agent',
        headers: {
            'Content-Type': 'application/json',
            'webhook-id': id,
            'webhook-timestamp': String(timestamp),
            'webhook-signature': [secrets]
                .flat()
                .map((secret) => signature(secret, id, timestamp, text))
                .join(' '),
        },
        body: text,
    };
}
