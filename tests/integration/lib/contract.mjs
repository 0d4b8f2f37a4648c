// contract.mjs – a provider's API as its own OpenAPI document has it: Prism (tests/contracts) judges every request, and
// makes up the answers. Before it stands a door of ours that keeps what was asked and what was held against it.
//
//     const api = await openContract('vapi-openapi.json', {patch});
//     … hookline is given api.url …
//     api.asked()        ["GET /call/{id}", …]: which operations of the document, once each
//     api.violations()   what Prism, or the list of parameters, has against a request
//
// Prism lets parameters pass that the document does not know; the door does not. Without Prism's --errors: that would
// judge its own answers, too.

import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import {join} from 'node:path';
import {ROOT} from './hookline.mjs';
import {until} from './wait.mjs';

const PRISM = join(ROOT, 'tests/contracts/node_modules/@stoplight/prism-cli/dist/index.js');
const DOCUMENTS = join(ROOT, 'tests/fixtures/contracts');
const START_MS = 60_000;

/** The process dies with this one. */
async function startPrism(file) {
    const args = ['--pdeathsig', 'KILL', '--', process.execPath, PRISM, 'mock', '-p', '0', file];
    const child = spawn('setpriv', args, {stdio: ['ignore', 'pipe', 'pipe']});
    const closed = once(child, 'close');
    let log = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (log += text));
    const close = async () => {
        child.kill('SIGKILL');
        await closed;
    };
    const listens = () => {
        if (child.exitCode !== null) throw new Error(`Prism ended\n${log}`);
        return /listening on (http:\/\/[\d.:]+)/.exec(log)?.[1];
    };
    const url = await until('Prism listens', listens, START_MS).catch(async (error) => {
        await close();
        throw error;
    });
    return {url, close};
}

/** The operations of a document: [{name, matches(path), parameters}]. */
function operationsOf(document) {
    return Object.entries(document.paths).map(([path, {get, parameters = []}]) => ({
        name: `GET ${path}`,
        // What is fixed goes before what is not: /Calls.json is no /Calls/{Sid}.json.
        pattern: new RegExp(`^${path.replace(/[.]/g, '\\.').replace(/\{\w+\}/g, '[^/]+')}$`),
        parameters: new Set([...parameters, ...get.parameters ?? []].filter((p) => p.in === 'query').map((p) => p.name)),
    }));
}

/**
 * patch(name, answer): changes an answer before it is given, by the name of the operation. most: after so many requests
 * all that is heard is 401, which ends a run: what is made up may lead on for ever.
 */
export async function openContract(file, {patch = () => {}, most = 200} = {}) {
    const path = join(DOCUMENTS, file);
    const operations = operationsOf(JSON.parse(readFileSync(path, 'utf8')));
    const prism = await startPrism(path);
    const asked = new Set();
    const violations = [];
    let prefer = null;
    let left = most;

    const look = (request) => {
        const {pathname, searchParams} = new URL(request.url, prism.url);
        const operation = operations.find(({pattern}) => request.method === 'GET' && pattern.test(pathname));
        if (!operation) {
            violations.push(`${request.method} ${request.url}: no such operation`);
            return null;
        }
        for (const name of searchParams.keys())
            if (!operation.parameters.has(name)) violations.push(`${operation.name}: no parameter ${name} (${request.url})`);
        asked.add(operation.name);
        return operation;
    };
    const server = http.createServer(async (request, response) => {
        const operation = look(request);
        if (left-- <= 0) return void response.writeHead(401).end();
        const headers = {...request.headers, ...(prefer && {prefer})};
        delete headers.host;
        delete headers.connection;
        const answer = await fetch(prism.url + request.url, {headers});
        let body = await answer.text();
        if (answer.status >= 400) violations.push(`GET ${request.url}: ${answer.status} ${body.slice(0, 400)}`);
        if (operation && answer.ok && body) body = patched(patch, operation.name, body);
        response.writeHead(answer.status, {'content-type': answer.headers.get('content-type') ?? 'text/plain'}).end(body);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        url: `http://127.0.0.1:${server.address().port}`,
        asked: () => [...asked].sort(),
        violations: () => violations.slice(0, 10),
        /** From now on answers are made of the schemas, at random; else of the examples where there are any. */
        atRandom: (most) => {
            prefer = 'dynamic=true';
            left = most;
        },
        close: async () => {
            server.close();
            server.closeAllConnections();
            await prism.close();
        },
    };
}

function patched(patch, name, body) {
    const answer = JSON.parse(body);
    patch(name, answer);
    return JSON.stringify(answer);
}
