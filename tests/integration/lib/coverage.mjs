// coverage.mjs – reads the tables of tests/coverage/, which say of every field of every provider's messages where it
// goes (README.md there), and holds them against the rows that a fixture made.

import {isDeepStrictEqual} from 'node:util';

/** What stands in a payload for what was redacted. */
const REDACTED = '[redacted]';

// ---- the fields of a body ----

// Keys may hold dots ("sip.callID"), so a path is kept as a list of keys; a number is a place in an array.

/** Every value in a body, itself left out: {keys, value, parent, isLeaf}. What is empty counts as a leaf. */
function* nodes(value, keys = []) {
    for (const [key, child] of entriesOf(value)) {
        const path = [...keys, key];
        yield {keys: path, value: child, parent: value, isLeaf: entriesOf(child).length === 0};
        yield* nodes(child, path);
    }
}

function entriesOf(value) {
    if (Array.isArray(value)) return [...value.entries()];
    return value !== null && typeof value === 'object' ? Object.entries(value) : [];
}

/** As in a table: "messages[].text". */
function spell(keys, dot = '.') {
    return keys.reduce((text, key) => {
        if (typeof key === 'number') return `${text}[]`;
        return text === '' ? key : `${text}${dot}${key}`;
    }, '');
}

/** A field's name as a pattern over paths spelled with NUL between keys: its dots stand between keys, or within one. */
function patternOf(field) {
    const pieces = field.split(/(\.?\*\*|\*|\.)/).map((piece) => {
        if (piece === '**') return '.+';
        if (piece === '.**') return '(?:[\\0[].*)?';
        if (piece === '*') return '[^\\0[]+';
        if (piece === '.') return '[.\\0]';
        return piece.replace(/[[\](){}+?^$|\\/]/g, '\\$&');
    });
    return new RegExp(`^${pieces.join('')}$`, 's');
}

const isPattern = (field) => field.includes('*');

/** Whether a row speaks for an object or array as a whole, and so for everything in it. */
const takesWhole = ([, target, how]) => target === 'redacted' || how === 'json' || typeof how === 'function';

/**
 * Which row speaks for which value: {claims: [{row, node}], unclaimed: [node]}. A row with wildcards takes what no row
 * of another field before it has taken; rows of the same field all speak.
 */
export function claimFields(fields, body) {
    const all = [...nodes(body)].map((node) => ({...node, spelled: spell(node.keys, '\0')}));
    const claims = [];
    const owner = new Map(); // of each leaf: the field that has it
    for (const row of fields) {
        const [field] = row;
        const pattern = patternOf(field);
        for (const node of all) {
            if (!pattern.test(node.spelled) || !(node.isLeaf || takesWhole(row))) continue;
            const leaves = all.filter((other) => other.isLeaf && isWithin(other.keys, node.keys));
            if (isPattern(field) && leaves.every((leaf) => owner.has(leaf) && owner.get(leaf) !== field)) continue;
            claims.push({row, node});
            for (const leaf of leaves) if (!owner.has(leaf)) owner.set(leaf, field);
        }
    }
    return {claims, unclaimed: all.filter((node) => node.isLeaf && !owner.has(node))};
}

function isWithin(keys, outer) {
    return outer.every((key, i) => keys[i] === key);
}

/** Lines to paste into a table, one for each field, with the first value seen. */
export function linesFor(unclaimed) {
    const samples = new Map();
    for (const {keys, value} of unclaimed) {
        const field = spell(keys);
        if (!samples.has(field)) samples.set(field, JSON.stringify(value));
    }
    const shortened = (text) => (text.length > 60 ? `${text.slice(0, 60)}…` : text);
    return [...samples].map(([field, sample]) => `['${field}', '', ''], // ${shortened(sample)}`);
}

// ---- one claim against what is stored ----

/**
 * Whether the value is where its row says: {problem} says what is wrong; {tested: false}: this fixture cannot tell,
 * there being nothing to store. stored: {table: [row, …]}, body: the fixture's.
 */
export function checkClaim({row: [field, target, how], node}, stored, body) {
    if (target === 'payload') return checkKept(node, stored, how);
    if (target === 'redacted') return checkRedacted(node, stored, how);

    const [, table, column] = /^(\w+)\.(.+)$/.exec(target) ?? [];
    if (!stored[table]) return {problem: `${field}: there is no table "${target}"`};
    const expected = expectedOf(node, how, body);
    if (expected.problem) return {problem: `${field}: ${expected.problem}`};
    if (isNothing(expected.value)) return {tested: false};

    const found = stored[table].map((columns) => dig(columns, column));
    if (found.some((value) => isSame(value, expected.value, how))) return {tested: true};
    const values = found.map((value) => JSON.stringify(value) ?? 'no such column').join(', ');
    return {problem: `${field}: ${JSON.stringify(expected.value)} is not in ${target}: ${values || 'no rows'}`};
}

function isNothing(value) {
    return value === null || value === undefined || value === '';
}

/** What should be in the column: the value itself, unless the row has words or a function for it. */
function expectedOf({value, parent}, how, body) {
    if (isNothing(value)) return {value: null};
    if (typeof how === 'function') return {value: how(value, body, parent)};
    if (typeof how !== 'object') return {value};
    return value in how ? {value: how[value]} : {problem: `no word for ${JSON.stringify(value)}`};
}

const COMPARE = {
    equal: (found, expected) => asText(found) === asText(expected),
    time: (found, expected) => microseconds(found) === microseconds(expected),
    number: (found, expected) => Number(found) === Number(expected),
    contains: (found, expected) => asText(found).includes(asText(expected)),
    json: isDeepStrictEqual,
};

function isSame(found, expected, how) {
    if (isNothing(found)) return false;
    if (expected instanceof Date) return COMPARE.time(found, expected.toISOString());
    if (typeof expected === 'object') return COMPARE.json(found, expected);
    return (COMPARE[how] ?? COMPARE.equal)(found, expected);
}

function asText(value) {
    return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Of ISO 8601, RFC 2822, or a number since 1970 in whatever unit makes it a year of ours. NaN: not a time. */
function microseconds(value) {
    if (/^\d+(\.\d+)?$/.test(value)) {
        const unit = [1e11, 1e14, 1e17, Infinity].findIndex((limit) => Number(value) < limit);
        return Math.floor(Number(value) * [1e6, 1e3, 1, 1e-3][unit] + 1e-3);
    }
    const fraction = /\.(\d+)/.exec(value)?.[1] ?? '';
    return Math.floor(Date.parse(value) / 1000) * 1e6 + Number(fraction.padEnd(6, '0').slice(0, 6));
}

/** A column, or what is at a path in a column of JSON. */
function dig(value, path) {
    if (value === null || typeof value !== 'object') return undefined;
    if (path in value) return value[path];
    const dot = path.indexOf('.');
    return dot < 0 ? undefined : dig(value[path.slice(0, dot)], path.slice(dot + 1));
}

function at(value, keys) {
    return keys.reduce((inner, key) => inner?.[key], value);
}

function checkKept({keys, value}, stored, why) {
    if (!why) return {problem: `${spell(keys)}: say why it stays in the payload only`};
    const kept = stored.call_events.map(({payload}) => at(payload, keys));
    if (kept.some((found) => isDeepStrictEqual(found, value))) return {tested: true};
    return {problem: `${spell(keys)}: ${JSON.stringify(value)} is not in the payload: ${JSON.stringify(kept)}`};
}

function checkRedacted({keys, value}, stored, why) {
    if (!why) return {problem: `${spell(keys)}: say why it is not stored`};
    if (isNothing(value)) return {tested: false};
    const kept = stored.call_events.map(({payload}) => at(payload, keys));
    const left = kept.find((found) => found !== undefined && found !== REDACTED);
    if (left !== undefined) return {problem: `${spell(keys)}: is in the payload: ${JSON.stringify(left)}`};
    // A shorter text may be in another field by chance.
    if (typeof value === 'string' && value.length >= 8 && JSON.stringify(stored).includes(JSON.stringify(value)))
        return {problem: `${spell(keys)}: ${JSON.stringify(value)} is stored`};
    return {tested: true};
}

// ---- for people ----

/** The tables as Markdown. */
export function toMarkdown(tables) {
    return `# Where every field goes

Written by tests/integration/coverage.test.mjs (COVERAGE=write) from tests/coverage/*.mjs, where there is more on it: that
test sends every fixture to a real hookline, and finds each of its fields where this page says. What several messages
share (Vapi's \`call\` is in nearly all of them) is found in those fixtures that have it.

"payload" is kept in \`call_events.payload\` and nowhere else; what is not stored is taken out before anything sees it. In
a field's name \`[]\` is every element, \`*\` one key, \`**\` everything below that no other line of that message has.
${tables.map(providerMarkdown).join('')}`;
}

function providerMarkdown({title, messages}) {
    const numbered = messages.map(({name, stored = true, why}, i) => {
        const remark = stored ? '' : ` (counted, not stored: ${why})`;
        return `${i + 1}. ${code(name)}${remark}\n`;
    });
    const rows = mergedLines(messages).map(
        ({fields, numbers, goesTo}) => `| ${fields.map(code).join(', ')} | ${numbers} | ${goesTo} |\n`,
    );
    return `\n## ${title}\n\n${numbered.join('')}\n| field | message | goes to |\n| --- | --- | --- |\n${rows.join('')}`;
}

/** One line a field and all that becomes of it; neighbours of which the same is to be said are one line. */
function mergedLines(messages) {
    const stored = messages.filter(({stored = true}) => stored);
    const merged = [];
    for (const [field, destinations] of destinationsOf(messages))
        for (const [goesTo, list] of destinations) {
            const numbers = list.length === stored.length ? 'all' : spans(list);
            const last = merged.at(-1);
            if (last?.goesTo === goesTo && last.numbers === numbers) last.fields.push(field);
            else merged.push({fields: [field], numbers, goesTo});
        }
    return merged;
}

/** field → what becomes of it → the numbers of the messages where it does. */
function destinationsOf(messages) {
    const fields = new Map();
    for (const [i, message] of messages.entries())
        for (const [field, targets] of targetsOf(message)) {
            const goesTo = targets.join('; ');
            if (!fields.has(field)) fields.set(field, new Map());
            fields.get(field).set(goesTo, [...(fields.get(field).get(goesTo) ?? []), i + 1]);
        }
    return fields;
}

function targetsOf({fields = []}) {
    const targets = new Map();
    for (const row of fields) targets.set(row[0], [...(targets.get(row[0]) ?? []), describeTarget(row)]);
    return targets;
}

/** "1-3, 7" */
function spans(numbers) {
    const list = [];
    for (const n of numbers) {
        if (list.at(-1)?.to === n - 1) list.at(-1).to = n;
        else list.push({from: n, to: n});
    }
    return list.map(({from, to}) => (from === to ? `${from}` : `${from}-${to}`)).join(', ');
}

function describeTarget([, target, how, note]) {
    if (target === 'payload') return `payload: ${cell(how)}`;
    if (target === 'redacted') return `not stored: ${cell(how)}`;
    const words = how !== null && typeof how === 'object' ? wordsOf(how) : '';
    const remark = note ?? words;
    return remark ? `${code(target)} (${cell(remark)})` : code(target);
}

function wordsOf(map) {
    return Object.entries(map)
        .map(([from, to]) => `${from} → ${to ?? 'nothing'}`)
        .join(', ');
}

const code = (text) => `\`${text}\``;
const cell = (text) => String(text).replaceAll('|', '\\|');
