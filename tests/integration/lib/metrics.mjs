// metrics.mjs – reads GET /metrics (Prometheus' text format), so that tests can expect counters.

import assert from 'node:assert/strict';
import {get} from './send.mjs';

const LINE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"/g;

export async function fetchMetrics(url) {
    const reply = await get(url, '/metrics');
    assert.equal(reply.status, 200);
    return parseMetrics(reply.body);
}

function parseMetrics(text) {
    const samples = [];
    for (const line of text.split('\n')) {
        if (line === '' || line.startsWith('#')) continue;
        const [, name, labelText = '', value] = LINE.exec(line) ?? assert.fail(`not a metrics line: ${line}`);
        const labels = Object.fromEntries([...labelText.matchAll(LABEL)].map(([, key, text]) => [key, text]));
        samples.push({name, labels, value: Number(value)});
    }
    return {
        samples,
        /** The sum of all series of that name whose labels include these; 0 when there is none. */
        sum(name, labels = {}) {
            return samples
                .filter((s) => s.name === name && Object.entries(labels).every(([k, v]) => s.labels[k] === String(v)))
                .reduce((total, s) => total + s.value, 0);
        },
    };
}
