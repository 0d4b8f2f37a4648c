// generate.mjs – runs the generator against a subject.

import {run} from './processes.mjs';
import {BUILD, ENV, PUBLIC_URL} from './settings.mjs';

/** onPhase: "begin" and "end" of what is counted. */
export async function generate(url, args, onPhase = () => {}) {
    const output = await run(
        `${BUILD}/tests/generator`,
        ['--url', url, '--public-url', PUBLIC_URL, ...args],
        ENV,
        onPhase,
    );
    return JSON.parse(output.trim().split('\n').pop());
}
