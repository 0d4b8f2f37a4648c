// ws.mjs – the WebSocket library `ws`: npm's where tests/node_modules is there, else Debian's (package node-ws).

import {createRequire} from 'node:module';

const require = createRequire(import.meta.url);
const PLACES = ['ws', '/usr/share/nodejs/ws'];

function load() {
    for (const place of PLACES) {
        try {
            return require(place);
        } catch (error) {
            if (error.code !== 'MODULE_NOT_FOUND') throw error;
        }
    }
    throw new Error('the WebSocket library ws is missing: npm ci --prefix tests, or apt-get install node-ws');
}

const ws = load();
export const WebSocket = ws.WebSocket ?? ws;
export const WebSocketServer = ws.WebSocketServer ?? ws.Server;
