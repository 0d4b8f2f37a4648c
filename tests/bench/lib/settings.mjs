// settings.mjs – what tests/bench/run gives, and the made-up secrets that both ends share.

export const BUILD = process.env.BENCH_BUILD;
export const BENCH = process.env.BENCH_FOLDER;
export const WORK = process.env.BENCH_WORK;
export const UNPRIVILEGED = process.env.BENCH_UNPRIVILEGED ?? '';
export const POSTMASTER = Number(process.env.BENCH_POSTMASTER);
export const PUBLIC_URL = 'https://calls.example.com';

/** Nobody's settings but the bench's own. */
export const ENV = {
    PATH: process.env.PATH,
    HOME: process.env.HOME ?? '/',
    TWILIO_ACCOUNT_SID: 'AC000000000000000000000000000000ac',
    TWILIO_AUTH_TOKEN: '00112233445566778899aabbccddeeff',
    VAPI_WEBHOOK_SECRET: 'vapi-bench-secret-0123456789abcdef',
    LIVEKIT_API_KEY: 'APIbenchkey00001',
    LIVEKIT_API_SECRET: 'livekit-bench-secret-0123456789abcdef0123456789',
    BEY_WEBHOOK_SECRET: 'bey-bench-secret-0123456789abcdef',
    AGENT_WEBHOOK_SECRET: 'whsec_aG9va2xpbmUtYmVuY2gtc2VjcmV0LTAxMjM0NTY3',
    HOOKLINE_PUBLIC_URL: PUBLIC_URL,
    HOOKLINE_RECONCILE_EVERY: '0',
    BENCH_TEXTS: `${WORK}/texts.json`,
};
