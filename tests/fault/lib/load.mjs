// load.mjs – many senders who deliver what a case has planned, as providers do: what is not acknowledged comes again,
// what is acknowledged never does. They go only so far as the case lets them, so that it injures under load, at a known
// point, and has load left for the next injury.

import {setTimeout as sleep} from 'node:timers/promises';
import {send} from '../../integration/lib/send.mjs';

const SENDERS = 24;
const AHEAD = 36; // how far beyond the point that is waited for they may begin
const ANSWER_MS = 15_000;
const PAUSE_MS = 40;

export class Load {
    /** Entries that are done: delivered and acknowledged, copies too. */
    done = 0;
    refused = 0;
    broken = 0;
    /** How long an answer took, at most. */
    slowest = 0;
    /** Answers that nobody should give: text → how often. */
    strange = new Map();
    #begun = 0;
    #doneChains = 0;
    #allowed = 0;
    #stopped = false;
    #waiting = new Set();
    #senders;

    /**
     * chains: lists of deliveries; a chain's are told one after the other. A chain with `to` goes to that one of
     * targets() alone, any other to whichever is there. A delivery with `copyOf` is acknowledged for that one too.
     */
    constructor(chains, targets, {senders = SENDERS} = {}) {
        this.chains = chains;
        this.targets = targets;
        this.#senders = Promise.all(Array.from({length: senders}, () => this.#sender()));
    }

    /** Lets them go on until n more chains are done; false if that takes longer. */
    async run(n, atMostMs = 10_000) {
        const goal = Math.min(this.#doneChains + n, this.chains.length);
        this.#allow(goal + AHEAD);
        return this.#waitFor(() => this.#doneChains >= goal, atMostMs);
    }

    /** Lets them go on until n more were refused; false if that takes longer, or nothing is left to be refused. */
    async runUntilRefused(n, atMostMs = 10_000) {
        const goal = this.refused + n;
        const check = () => {
            this.#allow(this.#doneChains + AHEAD);
            return this.refused >= goal || this.left() === 0;
        };
        return (await this.#waitFor(check, atMostMs)) && this.refused >= goal;
    }

    /** All that is left; false if that takes longer. */
    async finish(atMostMs) {
        this.#allow(Infinity);
        return this.#waitFor(() => this.#doneChains === this.chains.length, atMostMs);
    }

    /** Chains that are not done yet. */
    left() {
        return this.chains.length - this.#doneChains;
    }

    async stop() {
        this.#stopped = true;
        this.#allow(Infinity);
        await Promise.race([this.#senders, sleep(2000)]);
    }

    #allow(chains) {
        this.#allowed = Math.max(this.#allowed, chains);
        for (const wake of this.#waiting) wake();
        this.#waiting.clear();
    }

    async #waitFor(check, atMostMs) {
        const deadline = performance.now() + atMostMs;
        while (!check()) {
            if (this.#stopped) throw new Error('the case is over');
            if (performance.now() > deadline) return false;
            await sleep(2);
        }
        return true;
    }

    async #sender() {
        while (!this.#stopped && this.#begun < this.chains.length) {
            if (this.#begun >= this.#allowed) {
                await new Promise((resolve) => this.#waiting.add(resolve));
                continue;
            }
            const chain = this.chains[this.#begun++];
            for (const delivery of chain) await this.#deliver(delivery, chain.to);
            this.#doneChains++;
        }
    }

    async #deliver(delivery, to) {
        while (!this.#stopped) {
            const original = delivery.copyOf ?? delivery;
            original.firstSentAt ??= Date.now();
            if (await this.#attempt(delivery, to)) {
                original.acknowledged = true;
                original.acknowledgedAt = Date.now(); // the last time, of those that are sent twice
                this.done++;
                return;
            }
            await sleep(PAUSE_MS);
        }
    }

    async #attempt(delivery, to) {
        const targets = this.targets();
        const up = to === undefined ? targets.filter((url) => url !== null) : [targets[to]];
        const url = up[delivery.tries % up.length] ?? null;
        if (url === null) return false; // nobody is there
        delivery.tries++;
        const began = performance.now();
        const reply = await send(url, await delivery.event.sign(), {timeoutMs: ANSWER_MS}).catch(() => null);
        this.slowest = Math.max(this.slowest, Math.round(performance.now() - began));
        if (!reply) this.broken++;
        else if (Math.floor(reply.status / 100) === 2) return true;
        else if (reply.status === 503 && reply.headers['retry-after']) this.refused++;
        else this.#wonder(delivery, reply);
        return false;
    }

    #wonder({call, event}, {status, headers, body}) {
        const text = body.replace(/"request_id":"[^"]*"/, '…').slice(0, 200);
        const what = `${call.provider} ${event.name}: ${status}, Retry-After ${headers['retry-after']}: ${text}`;
        this.strange.set(what, (this.strange.get(what) ?? 0) + 1);
    }
}
