// journal_files.mjs – the segment files of a data folder, to look at and to damage. What a record is, src/journal/record.h
// says: a header of 48 bytes, then records that begin with a magic and the length of their body.

import {spawnSync} from 'node:child_process';
import {closeSync, existsSync, openSync, readdirSync, readFileSync, writeSync} from 'node:fs';
import {dirname, join} from 'node:path';

const HEADER = 48;
const RECORD_HEADER = 24;
const RECORD_MAGIC = 0x52434b48;

/** Paths of the segments below a data folder, a slot's in their order; aside: of those that were set aside. */
export function segments(dataDir, {aside = false} = {}) {
    const folder = join(dataDir, 'journal');
    if (!existsSync(folder)) return [];
    return readdirSync(folder, {withFileTypes: true})
        .filter((slot) => slot.isDirectory())
        .flatMap((slot) => readdirSync(join(folder, slot.name)).map((name) => join(folder, slot.name, name)))
        .filter((path) => (aside ? /\.aside$/ : /\.journal$/).test(path))
        .sort();
}

/** [{at, length}] of its whole records. */
export function records(path) {
    const bytes = read(path);
    const found = [];
    for (let at = HEADER; at + RECORD_HEADER <= bytes.length;) {
        if (bytes.readUInt32LE(at) !== RECORD_MAGIC) break;
        const length = Math.ceil((RECORD_HEADER + bytes.readUInt32LE(at + 4)) / 8) * 8;
        if (at + length > bytes.length) break;
        found.push({at, length});
        at += length;
    }
    return found;
}

/** Nothing where it has just been removed. */
function read(path) {
    try {
        return readFileSync(path);
    } catch (error) {
        if (error.code === 'ENOENT') return Buffer.alloc(0);
        throw error;
    }
}

/** How many deliveries wait in the segments of a data folder, whosever they are. */
export function recordsIn(dataDir) {
    return segments(dataDir).reduce((sum, path) => sum + records(path).length, 0);
}

/** The same, in slots that no live process holds. */
export function recordsLeftBehind(dataDir) {
    const isFree = (path) => spawnSync('flock', ['-n', join(dirname(path), 'lock'), 'true']).status === 0;
    return segments(dataDir)
        .filter(isFree)
        .reduce((sum, path) => sum + records(path).length, 0);
}

/** As a write that was cut off leaves it: bytes behind the last whole record, which nobody was told of. */
export function append(path, bytes) {
    const file = openSync(path, 'a');
    writeSync(file, bytes);
    closeSync(file);
}

/** One bit of one byte is another. */
export function flip(path, at, bit = 0) {
    const byte = readFileSync(path).subarray(at, at + 1);
    const file = openSync(path, 'r+');
    writeSync(file, Buffer.from([byte[0] ^ (1 << bit)]), 0, 1, at);
    closeSync(file);
}
