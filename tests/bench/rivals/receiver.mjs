// receiver.mjs – what both receivers share: Fastify, verification by the providers' SDKs, and the providers' answers.
//
// A delivery is verified over what came, understood, given to store(delivery), and answered once that is committed.
// WORKERS > 1 forks so many processes that share the port (node:cluster), as one does to use more than one core.

import cluster from 'node:cluster';
import {createHash, timingSafeEqual} from 'node:crypto';
import formbody from '@fastify/formbody';
import Fastify from 'fastify';
import {TokenVerifier} from 'livekit-server-sdk';
import twilio from 'twilio';
import * as livekitEvents from './livekit.mjs';
import * as twilioEvents from './twilio.mjs';
import * as vapiEvents from './vapi.mjs';

const {
    HOOKLINE_PUBLIC_URL,
    LIVEKIT_API_KEY,
    LIVEKIT_API_SECRET,
    PORT,
    TWILIO_AUTH_TOKEN,
    VAPI_WEBHOOK_SECRET,
    WORKERS = '1',
} = process.env;

const TWIML =
    '<?xml version="1.0" encoding="UTF-8"?><Response><Say>Thank you for calling. Nobody can take your call right now. ' +
    'Please try again later. Goodbye.</Say><Hangup/></Response>';

/** makeStore: opens the database and gives the function that commits one delivery. */
export async function serve(makeStore) {
    const workers = Number(WORKERS);
    if (workers > 1 && cluster.isPrimary) {
        for (let i = 0; i < workers; i++) cluster.fork();
        cluster.on('exit', () => process.exit(1));
        process.on('SIGTERM', () => process.exit(0)); // the workers end with the channel to this process
        return;
    }
    const app = makeApp(await makeStore());
    await app.listen({host: '127.0.0.1', port: Number(PORT), backlog: 1024});
    process.on('SIGTERM', () => process.exit(0));
}

function makeApp(store) {
    const app = Fastify({logger: false, bodyLimit: 10 << 20, keepAliveTimeout: 75_000});
    const vapiDigest = sha256(VAPI_WEBHOOK_SECRET);
    const livekit = new TokenVerifier(LIVEKIT_API_KEY, LIVEKIT_API_SECRET);

    // The raw text is what was signed, and what is stored.
    app.addContentTypeParser(
        ['application/json', 'application/webhook+json'],
        {parseAs: 'string'},
        (request, body, done) => done(null, body),
    );
    app.register(formbody);

    const isTwilio = ({headers, url, body}) => {
        const signature = headers['x-twilio-signature'] ?? '';
        return typeof body === 'string'
            ? twilio.validateRequestWithBody(TWILIO_AUTH_TOKEN, signature, HOOKLINE_PUBLIC_URL + url, body)
            : twilio.validateRequest(TWILIO_AUTH_TOKEN, signature, HOOKLINE_PUBLIC_URL + url, body);
    };
    // What the SDK's WebhookReceiver does, less the protobuf object that it goes on to make of the body: a quarter of
    // the time.
    const isLivekit = async ({headers, body}) => {
        try {
            const claims = await livekit.verify(headers.authorization ?? '');
            const digest = Buffer.from(String(claims.sha256), 'base64');
            return digest.length === 32 && timingSafeEqual(digest, sha256(body));
        } catch {
            return false;
        }
    };

    app.post('/webhooks/twilio', async (request, reply) => {
        if (!isTwilio(request)) return reply.code(401).send();
        await store(twilioEvents.normalise(request.body, false));
        return reply.code(204).send();
    });
    app.post('/webhooks/twilio/voice', async (request, reply) => {
        if (!isTwilio(request)) return reply.code(401).send();
        await store(twilioEvents.normalise(request.body, true));
        return reply.header('content-type', 'text/xml; charset=utf-8').send(TWIML);
    });
    app.post('/webhooks/vapi', async (request, reply) => {
        if (!timingSafeEqual(sha256(request.headers['x-vapi-secret'] ?? ''), vapiDigest)) return reply.code(401).send();
        const delivery = vapiEvents.normalise(request.body, JSON.parse(request.body));
        if (delivery) await store(delivery);
        return reply.header('content-type', 'application/json').send('{}');
    });
    app.post('/webhooks/livekit', async (request, reply) => {
        if (!(await isLivekit(request))) return reply.code(401).send();
        await store(livekitEvents.normalise(request.body, JSON.parse(request.body)));
        return reply.code(200).send();
    });
    app.setErrorHandler((error, request, reply) => {
        process.stderr.write(`${error.stack}\n`);
        return reply
            .code(error.statusCode ?? 503)
            .header('retry-after', '1')
            .send();
    });
    return app;
}

/** A transaction that PostgreSQL ended because of others' (deadlock, serialization) is tried again. */
export async function retry(transaction) {
    for (let left = 3; ; left--) {
        try {
            return await transaction();
        } catch (error) {
            if (!left || !/^40/.test(error.code)) throw error;
        }
    }
}

function sha256(text) {
    return createHash('sha256').update(text).digest();
}
