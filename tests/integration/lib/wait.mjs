// wait.mjs – waits until something is so, or is done.

import {setTimeout as sleep} from 'node:timers/promises';

/** Calls check until it gives something true, and gives that; fails with `what` after timeoutMs. */
export async function until(what, check, timeoutMs = 15_000) {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
        const value = await check();
        if (value) return value;
        if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`);
        await sleep(20);
    }
}

/** Does all of them, one after the other, even when one fails; then fails as the first did. For after(). */
export async function inTurn(...steps) {
    const failures = [];
    for (const step of steps)
        await Promise.resolve()
            .then(step)
            .catch((error) => failures.push(error));
    if (failures.length > 0) throw failures[0];
}
