// trim.mjs – of a provider's OpenAPI document what hookline asks for, small enough to keep beside the tests:
//
//     node tests/contracts/trim.mjs FOLDER-OF-THE-WHOLE-DOCUMENTS
//
// writes tests/fixtures/contracts/*.json (where the documents come from: tests/fixtures/README.md). Requests stay as they
// are, to the letter. Of answers the texts for people go, and what lies deeper than DEPTH schemas becomes anything at all:
// in a call of Vapi's that is what an assistant is made of.

import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';

const TARGET = fileURLToPath(new URL('../fixtures/contracts', import.meta.url));
const DEPTH = 2;
const ACCOUNT = '/2010-04-01/Accounts/{AccountSid}';
const DOCUMENTS = [
    {
        file: 'twilio_api_v2010.json',
        paths: [
            `${ACCOUNT}/Calls.json`,
            `${ACCOUNT}/Calls/{Sid}.json`,
            `${ACCOUNT}/Calls/{CallSid}/Events.json`,
            `${ACCOUNT}/Recordings.json`,
            `${ACCOUNT}/Recordings/{Sid}.json`,
            `${ACCOUNT}/Transcriptions.json`,
            `${ACCOUNT}/Transcriptions/{Sid}.json`,
        ],
    },
    {file: 'vapi-openapi.json', paths: ['/call', '/call/{id}', '/assistant']},
    {
        file: 'beyond-presence-openapi.json',
        paths: ['/v1/calls', '/v1/calls/{id}', '/v1/calls/{id}/messages', '/v1/auth/verify'],
    },
];

const isObject = (node) => node !== null && typeof node === 'object';
const follow = (document, ref) =>
    ref
        .slice('#/'.length)
        .split('/')
        .reduce((node, key) => node[key.replaceAll('~1', '/').replaceAll('~0', '~')], document);

/** What a node refers to: name → schema, down to DEPTH; beyond it a schema that is anything. */
function gather(document, node, depth, into) {
    if (!isObject(node)) return;
    if (typeof node.$ref === 'string') {
        const known = into.get(node.$ref);
        if (known !== undefined && known.depth <= depth) return;
        const schema = depth < DEPTH ? follow(document, node.$ref) : {};
        into.set(node.$ref, {depth, schema});
        gather(document, schema, depth + 1, into);
    }
    for (const value of Object.values(node)) gather(document, value, depth, into);
}

/** Without texts for people; a property may be called "description", too. */
function withoutTexts(node, isNames = false) {
    if (Array.isArray(node)) return node.map((item) => withoutTexts(item));
    if (!isObject(node)) return node;
    const isText = ([key, value]) => !isNames && /^(description|title|summary|x-.*)$/.test(key) && !isProperties(value);
    return Object.fromEntries(
        Object.entries(node)
            .filter((entry) => !isText(entry))
            .map(([key, value]) => [key, key === 'example' ? value : withoutTexts(value, key === 'properties')]),
    );
}
const isProperties = (value) => isObject(value) && !Array.isArray(value) && ('type' in value || '$ref' in value);

/** An OpenAPI document says of every answer what it is. */
function describeAnswers(path) {
    for (const answer of Object.values(path.get.responses)) answer.description = '';
    return path;
}

function trim(document, paths) {
    const referred = new Map();
    const kept = paths.map((path) => {
        if (!document.paths[path]?.get) throw new Error(`GET ${path} is not in the document`);
        const {get, parameters} = document.paths[path];
        gather(document, get, 0, referred);
        return [path, describeAnswers(withoutTexts({...(parameters && {parameters}), get}))];
    });
    const components = {securitySchemes: document.components.securitySchemes};
    for (const [ref, {schema}] of referred) {
        const [, , kind, name] = ref.split('/');
        components[kind] = {...components[kind], [name]: withoutTexts(schema)};
    }
    const {openapi, info, servers} = document;
    return {openapi, info: {title: info.title, version: info.version}, servers, paths: Object.fromEntries(kept), components};
}

const [folder] = process.argv.slice(2);
if (!folder) {
    console.error('usage: node tests/contracts/trim.mjs FOLDER-OF-THE-WHOLE-DOCUMENTS');
    process.exit(2);
}
for (const {file, paths} of DOCUMENTS) {
    const document = JSON.parse(readFileSync(join(folder, file), 'utf8'));
    writeFileSync(join(TARGET, file), `${JSON.stringify(trim(document, paths), null, 1)}\n`);
}
