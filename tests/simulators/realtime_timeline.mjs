// realtime_timeline.mjs – replays the `openai` lines of a timeline (see realtime.mjs). Each is sent at its time, counted
// from when the session was opened; what answers the other side, or its audio, waits for that, and all that follows is
// later by as much.

import {msOf} from './mulaw.mjs';

const PATIENCE_MS = 10_000;
const LATENESS_MS = 20; // of a timer: it does not make what follows later

/** Which event of theirs this one of ours answers. */
const ANSWERS = {
    'session.updated': 'session.update',
    'response.created': 'response.create',
    'conversation.item.truncated': 'conversation.item.truncate',
};

export class Timeline {
    busy = false;
    #session;
    #lines;
    #scale;
    #base; // when the timeline's 0 is
    done = false;

    constructor(session, {timeline, timeScale = 1}) {
        this.#session = session;
        this.#lines = timeline;
        this.#scale = timeScale;
    }

    // What comes is recorded and checked by the session; what is answered stands in the timeline.
    append() {}
    update() {}
    commit() {}
    respond() {}
    cancel() {}
    truncated() {}

    begin() {
        this.#run().catch((error) => this.#session.fault(error.message));
    }

    async #run() {
        const lines = this.#lines.filter(({from, event}) => from === 'openai' && event);
        this.#base = performance.now(); // we are called when the stream begins
        for (const line of lines) {
            const asked = this.#askedFor(line);
            // What confirms a truncation is nobody's to wait for.
            if (line.event.type === 'conversation.item.truncated') this.#send(line, asked);
            else await this.#send(line, asked);
            if (this.#session.closed) return;
        }
        this.done = true;
        this.#session.changed();
    }

    /** {type, nth, t}: the event of theirs that this line waits for, or undefined. */
    #askedFor({t, event}) {
        const type = ANSWERS[event.type];
        const asked = this.#lines.filter(
            (line) => line.from === 'bridge_to_openai' && line.event?.type === type && line.t < t,
        );
        if (!type || asked.length === 0) return undefined;
        const answered = this.#lines.filter(
            (line) => line.from === 'openai' && line.event?.type === event.type && line.t < t,
        );
        return answered.length < asked.length ? {type, nth: asked.length, t: asked.at(-1).t} : undefined;
    }

    async #send({t, event}, asked) {
        const session = this.#session;
        let due = this.#base + t * this.#scale;
        try {
            if (asked) {
                await session.got(asked.type, asked.nth, PATIENCE_MS);
                due = Math.max(due, performance.now() + (t - asked.t) * this.#scale);
            }
            await this.#heard(event);
        } catch (error) {
            if (!session.closed) session.fault(`the timeline stands still before ${event.type}: ${error.message}`);
            return;
        }
        await this.#wait(due);
        this.#base = Math.max(this.#base, performance.now() - t * this.#scale - LATENESS_MS);
        session.send(event);
    }

    /** Speech cannot begin or end before its audio is here. */
    #heard(event) {
        const ms =
            event.audio_start_ms ?? (event.type === 'input_audio_buffer.speech_stopped' ? event.audio_end_ms : 0);
        const session = this.#session;
        return session.until(
            `${ms} ms of audio`,
            () => session.closed || msOf(session.appendedBytes) >= ms * this.#scale,
            PATIENCE_MS,
        );
    }

    #wait(due) {
        const ms = due - performance.now();
        return ms > 0 ? new Promise((resolve) => this.#session.after(ms, resolve)) : undefined;
    }
}
