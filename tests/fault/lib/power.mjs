// power.mjs – takes from a folder what a machine that stops would not have kept: see ../power.c.

import {existsSync, readFileSync, readdirSync, rmSync, statSync, truncateSync} from 'node:fs';
import {join} from 'node:path';

/** Settings of a hookline whose syncs are written down in `log`. */
export function powerEnv(log, syncMs) {
    return {
        FAULT_RUN_PRELOAD: process.env.FAULT_POWER,
        FAULT_POWER_LOG: log,
        FAULT_POWER_SYNC_US: syncMs * 1000,
    };
}

/** Of what is below folder: names that were not synced, and bytes. Gives {names, bytes}: how many are gone. */
export function cutPower(folder, log) {
    const sizes = new Map();
    const names = new Set();
    for (const line of existsSync(log) ? readFileSync(log, 'utf8').split('\n') : []) {
        const [, kind, size, path] = /^([FD]) (\d+) (.*)$/.exec(line) ?? [];
        if (kind === 'F') sizes.set(path, Number(size));
        if (kind === 'D') names.add(path);
    }
    const gone = {names: 0, bytes: 0};
    cut(folder, {sizes, names}, gone);
    return gone;
}

function cut(folder, durable, gone) {
    for (const entry of readdirSync(folder, {withFileTypes: true})) {
        const path = join(folder, entry.name);
        if (!durable.names.has(path)) {
            gone.names++;
            rmSync(path, {recursive: true});
        } else if (entry.isDirectory()) {
            cut(path, durable, gone);
        } else {
            const kept = durable.sizes.get(path) ?? 0;
            const {size} = statSync(path);
            if (size <= kept) continue;
            gone.bytes += size - kept;
            truncateSync(path, kept);
        }
    }
}
