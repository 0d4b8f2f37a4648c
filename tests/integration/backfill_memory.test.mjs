// Backfill of very many calls: what memory a pass takes does not follow how many there are, but for the few bytes by which
// it knows each of them again. `tests/bench/run --reconcile --memory` asks the same of 100,000.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import {test} from 'node:test';
import {APIS} from './lib/backfill.mjs';
import {createDatabase} from './lib/database.mjs';
import {BIN, SANITIZED, hooklineEnv} from './lib/hookline.mjs';
import {inTurn} from './lib/wait.mjs';
import {createWorld} from '../simulators/world.mjs';

const FEW = 1000;
const MANY = {vapi: 20_000, beyond_presence: 4000}; // where each is asked for by itself it takes longer
const LOOK_MS = 20;
const HOUR_MS = 3600_000;
const A_CALL_BYTES = 400; // three sets of 18 bytes a place, up to a quarter full, and twice that while one of them grows
const SPARE_BYTES = 3 << 20; // a page may have come while another was being committed
const NOW_MS = Math.floor(Date.now() / 1000) * 1000;
const SINCE = new Date(NOW_MS - 2 * HOUR_MS).toISOString();

/** A list that has all, in pages; and one that a request more is made for each call of. Without events of theirs, and short. */
function worldOf(provider, count) {
    const world = createWorld({seed: `memory ${provider}`});
    for (let i = 0; i < count; i++)
        world.call({by: [provider], startMs: NOW_MS - HOUR_MS + Math.floor((i / count) * 2400) * 1000, lines: i % 2});
    for (const {told} of world.calls) told[provider].webhooks = null; // nobody sends them
    return world;
}

function highWaterBytes(pid) {
    try {
        return Number(/VmHWM:\s+([0-9]+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
    } catch {
        return 0; // it has ended
    }
}

/** The most memory that a pass over so many calls had resident. */
async function peakOf(provider, count) {
    const {serve, env} = APIS[provider];
    const database = await createDatabase();
    const api = await serve(worldOf(provider, count));
    try {
        const all = hooklineEnv({DATABASE_URL: database.url, ...env(api.url)});
        const child = spawn(BIN, ['reconcile', provider, '--json', '--since', SINCE], {env: all});
        const output = {stdout: '', stderr: ''};
        for (const name of Object.keys(output)) child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
        let peak = 0;
        const timer = setInterval(() => (peak = Math.max(peak, highWaterBytes(child.pid))), LOOK_MS);
        const [code] = await once(child, 'close');
        clearInterval(timer);
        assert.equal(code, 0, output.stderr);
        assert.equal(JSON.parse(output.stdout).new, count);
        return peak;
    } finally {
        await inTurn(() => api.close(), () => database.drop());
    }
}

for (const [provider, most] of Object.entries(MANY))
    test(`${provider}: ${most} calls take little more memory than ${FEW}`, {skip: SANITIZED && 'a sanitizer keeps what is freed'}, async (t) => {
        const [few, many] = [await peakOf(provider, FEW), await peakOf(provider, most)];
        const bound = few + (most - FEW) * A_CALL_BYTES + SPARE_BYTES;
        t.diagnostic(`${(few / 2 ** 20).toFixed(1)} MiB, and ${(many / 2 ** 20).toFixed(1)} MiB`);
        assert.ok(few > 0 && many <= bound, `${many} bytes, and not ${bound} at most; ${few} for ${FEW} calls`);
    });
