// streams.mjs – receiver of media streams: ws and JSON.parse, and a bridge to OpenAI's Realtime API.
//
// As a Node engineer writes it who knows ws (no compression, bufferutil for the masks) and has read both providers'
// examples: the upgrade's signature is checked by Twilio's SDK; frames, bytes and gaps in the sequence are counted; with
// {"action": "bridge"} in the start, each frame goes on to a session as input_audio_buffer.append, and each delta back as
// media with a mark behind it, which is remembered until it returns. What hookline does besides is left out: deliveries
// to a database, another session when one is lost, limits and deadlines.

import {createServer} from 'node:http';
import twilio from 'twilio';
import {WebSocket, WebSocketServer} from 'ws';

const {HOOKLINE_PUBLIC_URL, OPENAI_API_KEY, OPENAI_REALTIME_URL, PORT, TWILIO_AUTH_TOKEN} = process.env;
const SIGNED = HOOKLINE_PUBLIC_URL.replace(/^http/, 'ws');
const MOST_QUEUED = 256 * 1024; // bytes that wait to be sent: then the other side does not keep up

const counts = {frames: 0, bytes: 0, missing: 0, outOfOrder: 0, dropped: 0};

const SESSION = JSON.stringify({
    type: 'session.update',
    session: {
        type: 'realtime',
        model: 'gpt-realtime-2.1',
        output_modalities: ['audio'],
        instructions: 'You answer the telephone. Be brief.',
        audio: {
            input: {
                format: {type: 'audio/pcmu'},
                transcription: {model: 'gpt-4o-mini-transcribe'},
                turn_detection: {type: 'server_vad', threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500},
            },
            output: {format: {type: 'audio/pcmu'}, voice: 'marin'},
        },
    },
});
const GREET = JSON.stringify({
    type: 'response.create',
    response: {instructions: 'Greet the caller and ask how you can help.'},
});

// ---- the agent ----

class Agent {
    ready = false;
    marks = []; // that are not back yet: audio that is still being played
    serial = 0;
    item = null;
    itemMs = 0; // sent of it

    constructor(stream) {
        this.stream = stream;
        this.socket = new WebSocket(OPENAI_REALTIME_URL, {
            headers: {Authorization: `Bearer ${OPENAI_API_KEY}`},
            perMessageDeflate: false,
        });
        this.socket.on('message', (data) => this.take(JSON.parse(data)));
        this.socket.on('close', () => stream.socket.close(1011));
        this.socket.on('error', () => stream.socket.close(1011));
    }

    hear(payload) {
        if (!this.ready || this.socket.bufferedAmount > MOST_QUEUED) return;
        this.socket.send(JSON.stringify({type: 'input_audio_buffer.append', audio: payload}));
    }

    take(event) {
        switch (event.type) {
            case 'session.created':
                this.socket.send(SESSION);
                break;
            case 'session.updated':
                this.ready = true;
                this.socket.send(GREET);
                break;
            case 'response.output_audio.delta':
                this.play(event);
                break;
            case 'input_audio_buffer.speech_started':
                this.interrupt();
                break;
            case 'error':
                process.stderr.write(`${JSON.stringify(event.error)}\n`);
                break;
        }
    }

    play({delta, item_id}) {
        if (item_id !== this.item) {
            this.item = item_id;
            this.itemMs = 0;
        }
        this.itemMs += Buffer.byteLength(delta, 'base64') / 8;
        this.stream.say({event: 'media', streamSid: this.stream.sid, media: {payload: delta}});
        const name = `m${++this.serial}`;
        this.marks.push({name, item: item_id, ms: this.itemMs});
        this.stream.say({event: 'mark', streamSid: this.stream.sid, mark: {name}});
    }

    marked(name) {
        const at = this.marks.findIndex((mark) => mark.name === name);
        if (at >= 0) this.heard = this.marks.splice(0, at + 1).at(-1);
    }

    interrupt() {
        if (!this.marks.length) return;
        this.marks = [];
        this.stream.say({event: 'clear', streamSid: this.stream.sid});
        this.socket.send(
            JSON.stringify({
                type: 'conversation.item.truncate',
                item_id: this.item,
                content_index: 0,
                audio_end_ms: this.heard?.item === this.item ? this.heard.ms : 1,
            }),
        );
    }
}

// ---- a stream ----

class Stream {
    sid = null;
    next = null; // sequence number
    agent = null;
    frames = 0;
    bytes = 0;

    constructor(socket) {
        this.socket = socket;
        socket.on('message', (data, binary) => this.take(data, binary));
        socket.on('close', () => this.agent?.socket.close());
        socket.on('error', () => {});
    }

    say(message) {
        if (this.socket.bufferedAmount > MOST_QUEUED) this.socket.close(1008);
        else this.socket.send(JSON.stringify(message));
    }

    take(data, binary) {
        if (binary) return this.socket.close(1003);
        let message;
        try {
            message = JSON.parse(data);
        } catch {
            return this.socket.close(1007);
        }
        if (message.sequenceNumber !== undefined) this.countSequence(Number(message.sequenceNumber));
        switch (message.event) {
            case 'media':
                this.hear(message);
                break;
            case 'mark':
                this.agent?.marked(message.mark.name);
                break;
            case 'start':
                this.sid = message.start.streamSid;
                if (message.start.customParameters?.action === 'bridge') this.agent = new Agent(this);
                break;
            case 'stop':
                this.socket.close(1000);
                break;
        }
    }

    hear({streamSid, media}) {
        const bytes = Buffer.byteLength(media.payload, 'base64');
        if (streamSid !== this.sid || !bytes) {
            counts.dropped++;
            return;
        }
        this.frames++;
        this.bytes += bytes;
        counts.frames++;
        counts.bytes += bytes;
        if (media.track !== 'outbound') this.agent?.hear(media.payload);
    }

    countSequence(number) {
        if (this.next !== null && number < this.next) {
            counts.outOfOrder++;
            return;
        }
        if (this.next !== null) counts.missing += number - this.next;
        this.next = number + 1;
    }
}

// ---- the server ----

const wss = new WebSocketServer({noServer: true, perMessageDeflate: false, maxPayload: 64 * 1024});
const server = createServer((request, response) => response.writeHead(404).end());
server.on('upgrade', (request, socket, head) => {
    const signature = request.headers['x-twilio-signature'] ?? '';
    if (!twilio.validateRequest(TWILIO_AUTH_TOKEN, signature, SIGNED + request.url, {})) {
        socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
        return;
    }
    wss.handleUpgrade(request, socket, head, (ws) => new Stream(ws));
});
server.listen({host: '127.0.0.1', port: Number(PORT), backlog: 4096});
process.on('SIGTERM', () => {
    process.stdout.write(`${JSON.stringify(counts)}\n`);
    process.exit(0);
});
