// facts.mjs – what a delivery says, as partial rows whose columns carry versions: the rules of src/event/fact.h.
//
// A value wins by (version, value). Versions are BigInt: a rank above, a clock in microseconds below. The columns and
// their order are read from what `limit texts` prints, so that both sides write the same tables.

import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';

export const {
    version: VERSION,
    statements: STATEMENTS,
    tables: TABLES,
} = JSON.parse(readFileSync(process.env.BENCH_TEXTS, 'utf8'));

export const INFERRED = 1,
    EVENT = 2,
    REPORT = 3;

const CLOCK_BITS = 57n;
const CLOCK_MASK = (1n << CLOCK_BITS) - 1n;

/** clockUs: microseconds since 1970, as a number or BigInt; null where there is none. */
export function versionOf(rank, clockUs) {
    const clock = clockUs === null || clockUs === undefined ? 0n : BigInt(clockUs);
    return (BigInt(rank) << CLOCK_BITS) | (clock < 0n ? 0n : clock & CLOCK_MASK);
}

export const FLAT = [0n, versionOf(INFERRED, 0), versionOf(EVENT, 0), versionOf(REPORT, 0)]; // without a clock, by rank

export function versionOfSet(rank, count, hashHex) {
    return versionOf(rank, (BigInt(count & 0xffffff) << 32n) | BigInt(parseInt(hashHex.slice(0, 8), 16)));
}

const columnsOf = (table) => Object.fromEntries(TABLES[table].map(({name}, i) => [name, i]));
export const CALL = columnsOf('voice_calls');
export const STAY = columnsOf('call_participants');
export const LINE = columnsOf('voice_messages');

export class Row {
    constructor(table, callId, key) {
        this.columns = TABLES[table];
        this.callId = callId;
        this.key = key;
        this.values = new Array(this.columns.length).fill(null);
        this.versions = new Array(this.columns.length).fill(0n);
    }

    /** Text, numbers, times (milliseconds since 1970), booleans; absent values do nothing. */
    put(column, version, value) {
        if (value === null || value === undefined || value === '') return;
        const held = this.versions[column];
        if (version < held) return;
        if (
            version === held &&
            !(this.columns[column].least ? value < this.values[column] : value > this.values[column])
        )
            return;
        this.versions[column] = version;
        this.values[column] = value;
    }

    /** A JSON text: never a tie, see json_version in src/event/fact.c. */
    putJson(column, version, text) {
        if (text) this.put(column, (version & ~0xfffffn) | BigInt(fnv20(text)), text);
    }

    merge(other) {
        for (let i = 0; i < this.values.length; i++)
            if (other.versions[i] !== 0n) this.put(i, other.versions[i], other.values[i]);
    }
}

export const PENDING = 0,
    ACTIVE = 1,
    ENDED = 2;

export function ended(call, version, outcome, reason) {
    call.put(CALL.phase, FLAT[EVENT], ENDED);
    call.put(CALL.outcome, version, outcome);
    call.put(CALL.end_reason, version, reason);
}

/** The low 20 bits of (h ^ h >> 32), h being FNV-1a of 64 bits. */
function fnv20(text) {
    let high = 0xcbf29ce4,
        low = 0x84222325;
    for (const byte of Buffer.from(text)) {
        low = (low ^ byte) >>> 0;
        const product = low * 0x1b3; // times 0x100000001b3
        high = (high * 0x1b3 + Math.floor(product / 0x100000000) + low * 256) % 0x100000000;
        low = product % 0x100000000;
    }
    return ((low ^ high) >>> 0) & 0xfffff;
}

export const sha256Hex = (text) => createHash('sha256').update(text).digest('hex');

/** The canonical form of json_hash in src/base/json.h: keys sorted, some left out. */
export function canonicalHash(value, skip = () => false) {
    return sha256Hex(canonical(value, skip)).slice(0, 32);
}

function canonical(value, skip) {
    if (Array.isArray(value)) return `[${value.map((v) => canonical(v, skip)).join(',')}]`;
    if (value === null || typeof value !== 'object') return JSON.stringify(value);
    const members = Object.keys(value)
        .filter((key) => !skip(key))
        .sort()
        .map((key) => `${JSON.stringify(key)}:${canonical(value[key], skip)}`);
    return `{${members.join(',')}}`;
}

const NUMBER = /^\+[1-9][0-9]{6,14}$/;
export function e164(text) {
    if (!text) return null;
    if (NUMBER.test(text)) return text;
    const bare = text
        .trim()
        .replace(/^tel:/i, '')
        .replace(/^00/, '+')
        .replace(/[-\s().]/g, '');
    return NUMBER.test(bare) ? bare : null;
}

/** Milliseconds since 1970, or null. */
export function time(text) {
    const ms = text ? Date.parse(text) : NaN;
    return Number.isNaN(ms) ? null : ms;
}

/** Replaces secrets by "[redacted]" in place; true when there was one. */
export function redact(value, pattern) {
    let found = false;
    for (const key in value) {
        const child = value[key];
        if (pattern.test(key)) {
            value[key] = '[redacted]';
            found = true;
        } else if (child !== null && typeof child === 'object' && redact(child, pattern)) {
            found = true;
        }
    }
    return found;
}
