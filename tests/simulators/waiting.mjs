// waiting.mjs – what both simulators are: something that changes, and can be waited for.
//
//     await call.until('the greeting', () => call.stream?.playedMs >= 400);
//
// `changed()` looks at what is waited for; whoever changes something calls it. It is an event too.

import {EventEmitter} from 'node:events';

const PATIENCE_MS = 20_000;

export class Waiting extends EventEmitter {
    #waiters = new Set();

    /** Waits until check() gives something true, and gives that; fails with `what` after ms. */
    until(what, check, ms = PATIENCE_MS) {
        const value = check();
        if (value) return Promise.resolve(value);
        return new Promise((resolve, reject) => {
            const settle = (done, result) => {
                clearTimeout(timer);
                this.#waiters.delete(look);
                done(result);
            };
            const look = () => {
                const found = check();
                if (found) settle(resolve, found);
            };
            const timer = setTimeout(() => settle(reject, new Error(`not within ${ms} ms: ${what}`)), ms);
            this.#waiters.add(look);
        });
    }

    changed() {
        for (const look of [...this.#waiters]) look();
        this.emit('changed');
    }
}

/** A promise that is kept from outside: {promise, resolve}. */
export function later() {
    let resolve;
    const promise = new Promise((keep) => (resolve = keep));
    return {promise, resolve};
}
