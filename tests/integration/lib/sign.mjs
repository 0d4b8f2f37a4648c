// sign.mjs – deliveries signed as the providers sign them: Twilio's and LiveKit's by their own SDKs, Vapi's as its
// documentation says (its SDK has no signer). Each gives {path, headers, body}, ready for send().

import {createHash, createHmac} from 'node:crypto';
import {AccessToken} from 'livekit-server-sdk';
import twilioSdk from 'twilio';
import {PUBLIC_URL, SECRETS} from './hookline.mjs';

const {getExpectedTwilioSignature} = twilioSdk;

const FORM = 'application/x-www-form-urlencoded';

/** params: an object, name → value. */
export function signTwilio(
    params,
    {path = '/webhooks/twilio', token = SECRETS.TWILIO_AUTH_TOKEN, publicUrl = PUBLIC_URL} = {},
) {
    return {
        path,
        headers: {
            'Content-Type': FORM,
            'X-Twilio-Signature': getExpectedTwilioSignature(token, publicUrl + path, params),
        },
        body: new URLSearchParams(params).toString(),
    };
}

/**
 * The same for values that are no text: params is a list of [name, value], value a string or a Buffer with any bytes.
 * By hand: the SDK signs strings only.
 */
export function signTwilioBytes(
    params,
    {path = '/webhooks/twilio', token = SECRETS.TWILIO_AUTH_TOKEN, publicUrl = PUBLIC_URL} = {},
) {
    const sorted = [...params].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    const signed = Buffer.concat([
        Buffer.from(publicUrl + path),
        ...sorted.flatMap(([name, value]) => [Buffer.from(name), Buffer.from(value)]),
    ]);
    const encode = (value) =>
        Buffer.from(value)
            .toString('latin1')
            .replace(/[^A-Za-z0-9]/g, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
    return {
        path,
        headers: {
            'Content-Type': FORM,
            'X-Twilio-Signature': createHmac('sha1', token).update(signed).digest('base64'),
        },
        body: params.map(([name, value]) => `${encode(name)}=${encode(value)}`).join('&'),
    };
}

/** A form body of any bytes cannot be signed through its parameters; a JSON one is signed through the URL. */
export function signTwilioJson(
    body,
    {path = '/webhooks/twilio', token = SECRETS.TWILIO_AUTH_TOKEN, publicUrl = PUBLIC_URL} = {},
) {
    const signedPath = `${path}?bodySHA256=${sha256(body).toString('hex')}`;
    return {
        path: signedPath,
        headers: {
            'Content-Type': 'application/json',
            'X-Twilio-Signature': getExpectedTwilioSignature(token, publicUrl + signedPath, {}),
        },
        body: Buffer.from(body),
    };
}

/** body: an object (made JSON), or the bytes themselves. */
export function signVapi(body, {path = '/webhooks/vapi', secret = SECRETS.VAPI_WEBHOOK_SECRET} = {}) {
    return {
        path,
        headers: {'Content-Type': 'application/json', 'X-Vapi-Secret': secret},
        body: toBytes(body),
    };
}

/** By HMAC, as hookline expects it when only the secret is set: hex of sha256 over "{timestamp}.{body}". */
export function signVapiHmac(
    body,
    {
        secret,
        path = '/webhooks/vapi',
        timestamp = String(Math.floor(Date.now() / 1000)),
        signatureHeader = 'x-vapi-signature',
        timestampHeader = 'x-vapi-timestamp',
    },
) {
    const bytes = toBytes(body);
    const signature = createHmac('sha256', secret).update(`${timestamp}.`).update(bytes).digest('hex');
    return {
        path,
        headers: {'Content-Type': 'application/json', [signatureHeader]: signature, [timestampHeader]: timestamp},
        body: bytes,
    };
}

/** ttl: seconds (may be negative: expired), or the SDK's words ("5m"). */
export async function signLivekit(
    body,
    {
        path = '/webhooks/livekit',
        key = SECRETS.LIVEKIT_API_KEY,
        secret = SECRETS.LIVEKIT_API_SECRET,
        ttl = '5m',
        contentType = 'application/webhook+json',
    } = {},
) {
    const bytes = toBytes(body);
    const token = new AccessToken(key, secret, {ttl});
    token.sha256 = sha256(bytes).toString('base64');
    return {path, headers: {'Content-Type': contentType, Authorization: await token.toJwt()}, body: bytes};
}

function toBytes(body) {
    return typeof body === 'string' || Buffer.isBuffer(body) ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
}

function sha256(body) {
    return createHash('sha256').update(body).digest();
}
