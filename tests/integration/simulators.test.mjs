// simulators.test.mjs – the tests' own two ends of a bridged call (tests/simulators): that they keep the rules they judge
// by, and see when somebody does not. No hookline is needed.

import assert from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {once} from 'node:events';
import {readFileSync} from 'node:fs';
import http from 'node:http';
import {join} from 'node:path';
import {after, afterEach, before, describe, it} from 'node:test';
import {
    SILENCE,
    decode,
    encode,
    energy,
    fromWav,
    msOf,
    resample,
    silence,
    speechLike,
    tone,
} from '../simulators/mulaw.mjs';
import {startRealtime} from '../simulators/realtime.mjs';
import {TwilioCall, placeCall, signatureOf} from '../simulators/twilio_call.mjs';
import {WebSocket, WebSocketServer} from '../simulators/ws.mjs';
import {parseXml} from '../simulators/xml.mjs';
import {ROOT} from './lib/hookline.mjs';
import {makeCertificates} from './lib/nginx.mjs';
import {until} from './lib/wait.mjs';

const FIXTURES = join(ROOT, 'tests/fixtures');
const fixture = (name) => readFileSync(join(FIXTURES, name), 'utf8');

describe('sound', () => {
    it('is the same after decoding and encoding, whichever byte it is', () => {
        const bytes = Buffer.from(Array.from({length: 256}, (_, i) => i).filter((byte) => byte !== 0x7f)); // minus nothing
        assert.deepEqual(encode(decode(bytes)), bytes);
        assert.deepEqual([...encode(Int16Array.of(0, -32768, 32767))], [SILENCE, 0x00, 0x80]);
        assert.deepEqual([...decode(Buffer.of(0xff, 0x00, 0x80, 0x8f))], [0, -32124, 32124, 16764]);
    });

    it('has an energy, and none where there is silence', () => {
        assert.equal(energy(silence(20)), 0);
        assert.ok(Math.abs(energy(tone(200, {level: 0.5})) - 0.5 / Math.SQRT2) < 0.01);
        assert.ok(energy(speechLike('Hello.')) > 0.05);
        assert.equal(msOf(tone(340).length), 340);
    });

    /** How often the wave rises through zero in a second. */
    const pitch = (samples, rate) => {
        let rises = 0;
        for (let i = 1; i < samples.length; i++) if (samples[i - 1] < 0 && samples[i] >= 0) rises++;
        return (rises * rate) / samples.length;
    };
    const wave = (hz, rate) =>
        Int16Array.from({length: rate}, (_, i) => 16000 * Math.sin(0.3 + (2 * Math.PI * hz * i) / rate));

    it('is brought to 8000 Hz: what a telephone carries stays, what it does not is taken out', () => {
        for (const rate of [16000, 22050, 44100]) {
            const heard = resample(wave(1000, rate), rate);
            assert.ok(Math.abs(heard.length - 8000) <= 1);
            assert.ok(Math.abs(pitch(heard, 8000) - 1000) < 3, `${pitch(heard, 8000)}`);
            assert.ok(energy(encode(resample(wave(6000, rate), rate))) < 0.01);
        }
    });

    it('is read from a WAV file, by its chunks', () => {
        const samples = wave(440, 16000);
        const head = Buffer.alloc(44 + 12);
        head.write('RIFF....WAVEfmt ', 'latin1');
        head.writeUInt32LE(16, 16);
        head.writeUInt16LE(1, 20);
        head.writeUInt16LE(1, 22);
        head.writeUInt32LE(16000, 24);
        head.writeUInt16LE(16, 34);
        head.write('LIST', 36, 'latin1');
        head.writeUInt32LE(4, 40);
        head.write('data', 48, 'latin1');
        head.writeUInt32LE(0xffffffff, 52); // as a program says that writes to a pipe
        const heard = fromWav(Buffer.concat([head, Buffer.from(samples.buffer)]));
        assert.equal(heard.length, 8000);
        assert.ok(Math.abs(pitch(decode(heard), 8000) - 440) < 3);
        assert.throws(() => fromWav(Buffer.from('OggS')), /no WAV/);
    });
});

describe('XML', () => {
    it('is read, with its entities', () => {
        const root = parseXml('<?xml version="1.0"?>\n<!-- c --><a b="1 &lt; &#x32;" c=\'"\'>x &amp; y<d/></a>\n');
        assert.deepEqual(root, {
            name: 'a',
            attributes: {b: '1 < 2', c: '"'},
            children: ['x & y', {name: 'd', attributes: {}, children: []}],
        });
    });

    it('is refused where it is not well-formed', () => {
        const wrong = [
            '',
            'x',
            '<a>',
            '<a></b>',
            '<a b=c/>',
            '<a b="<"/>',
            '<a b="1"c="2"/>',
            '<a b="1" b="2"/>',
            '<a/>x',
        ];
        const worse = [
            '<a>&</a>',
            '<a>&nbsp;</a>',
            '<a>&#0;</a>',
            '<!DOCTYPE a><a/>',
            '<a><!-- -- --></a>',
            ' <?xml version="1.0"?><a/>',
        ];
        for (const text of [...wrong, ...worse]) assert.throws(() => parseXml(text), /not well-formed/, text);
    });
});

// ---- Twilio's side, against a server that does what a test tells it ----

const PUBLIC = 'https://calls.example.com';
const CALL = {
    voiceUrl: `${PUBLIC}/voice`,
    authToken: 'token',
    accountSid: 'ACx',
    from: '+12025550143',
    to: '+12025550100',
};
const STREAM =
    '<Connect><Stream url="wss://calls.example.com/media/t"><Parameter name="a" value="b &amp; c"/></Stream></Connect>';

/** {via, posts, messages, upgrades, twiml(…)}: each test says what is answered, and what is done on `start`. */
class Answering {
    posts = [];
    messages = [];
    closes = [];
    upgrade = null;
    answer = {};
    onStart = () => {};

    async listen() {
        this.http = http.createServer((request, response) => this.#take(request, response));
        this.wss = new WebSocketServer({
            server: this.http,
            verifyClient: ({req}, done) => done(!this.refuse, this.refuse),
        });
        this.wss.on('connection', (socket, request) => this.#connect(socket, request));
        this.http.listen(0, '127.0.0.1');
        await once(this.http, 'listening');
        this.via = `http://127.0.0.1:${this.http.address().port}`;
        return this;
    }

    async #take(request, response) {
        let body = '';
        for await (const part of request) body += part;
        this.posts.push({
            url: request.url,
            headers: request.headers,
            form: Object.fromEntries(new URLSearchParams(body)),
        });
        if (request.url !== '/voice') return response.writeHead(204).end();
        const {
            status = 200,
            type = 'text/xml',
            twiml = `<Response>${STREAM}<Say>Sorry.</Say></Response>`,
            chunked,
        } = this.answer;
        response.writeHead(status, {
            'Content-Type': type,
            ...(!chunked && {'Content-Length': Buffer.byteLength(twiml)}),
        });
        return response.end(twiml);
    }

    #connect(socket, request) {
        this.upgrade = request;
        this.socket = socket;
        socket.on('close', (code) => this.closes.push(code));
        socket.on('message', (data) => {
            const message = JSON.parse(data);
            this.messages.push(message);
            if (message.event === 'start') {
                this.streamSid = message.streamSid;
                this.onStart();
            }
        });
    }

    say(event, body) {
        this.socket.send(JSON.stringify({event, streamSid: this.streamSid, ...(body && {[event]: body})}));
    }
    play(ms, mark) {
        this.say('media', {payload: tone(ms).toString('base64')});
        if (mark) this.say('mark', {name: mark});
    }
    of(event) {
        return this.messages.filter((message) => message.event === event);
    }
    close() {
        this.wss.close();
        this.wss.clients.forEach((client) => client.terminate());
        return new Promise((resolve) => this.http.close(resolve));
    }
}

describe('a caller on Twilio’s side', () => {
    let server;
    before(async () => (server = await new Answering().listen()));
    afterEach(() =>
        Object.assign(server, {posts: [], messages: [], closes: [], answer: {}, refuse: undefined, onStart: () => {}}),
    );
    after(() => server.close());

    const place = (options) => placeCall({...CALL, via: server.via, ...options});

    it('signs as Twilio’s own vectors say', () => {
        const vectors = JSON.parse(fixture('twilio/signature-vectors.json'));
        const plain = vectors.filter(({params}) =>
            Object.values(params ?? {}).every((value) => typeof value === 'string'),
        );
        assert.ok(plain.length > 20);
        for (const {auth_token: token, url, params, signature, note} of plain)
            assert.equal(signatureOf(token, url, params ?? {}), signature, `${url}: ${note}`);
    });

    it('asks the voice URL, opens the stream that it names, and sends audio in time', async () => {
        const call = await place({statusCallback: `${PUBLIC}/status`});
        const stream = await call.streamOpen();
        await stream.speak(tone(100));
        stream.dtmf('1');
        await call.until('10 frames', () => stream.sentFrames >= 10);
        assert.equal((await call.hangUp()).how, 'caller hung up');
        assert.deepEqual(call.allFaults, []);

        const [voice, status] = server.posts;
        assert.equal(voice.form.From, CALL.from);
        assert.equal(voice.form.FromCity, '');
        assert.equal(voice.headers['x-twilio-signature'], signatureOf('token', CALL.voiceUrl, voice.form));
        assert.equal(
            server.upgrade.headers['x-twilio-signature'],
            signatureOf('token', 'wss://calls.example.com/media/t'),
        );
        assert.equal(server.upgrade.headers['sec-websocket-extensions'], undefined);
        assert.deepEqual([status.url, status.form.CallStatus], ['/status', 'completed']);

        const [connected, start, ...rest] = server.messages;
        assert.equal(connected.event, 'connected');
        assert.deepEqual(start.start.customParameters, {a: 'b & c'});
        assert.equal(start.start.callSid, call.callSid);
        assert.deepEqual(
            [start, ...rest].map(({sequenceNumber}) => Number(sequenceNumber)),
            [start, ...rest].map((_, i) => i + 1),
        );
        const media = server.of('media').map((message) => message.media);
        media.slice(1).forEach(({timestamp}, i) => assert.equal(timestamp - media[i].timestamp, 20));
        assert.equal(media.filter(({payload}) => energy(Buffer.from(payload, 'base64')) > 0.1).length, 5);
        assert.equal(server.of('dtmf')[0].dtmf.digit, '1');
        assert.equal(rest.at(-1).event, 'stop');
    });

    it('returns a mark when what came before it was heard, and all of them at once when nothing more will be', async () => {
        server.onStart = () => {
            server.say('mark', {name: 'nothing before'});
            server.play(200, 'first');
            server.play(200);
            server.play(5000, 'second');
            server.say('mark', {name: 'third'});
        };
        const call = await place();
        await call.until('the first mark', () => call.stream?.marks.length === 2);
        const {marks} = call.stream;
        assert.deepEqual(marks[0], {at: marks[0].at, name: 'nothing before', playedMs: 0, cleared: false});
        assert.deepEqual([marks[1].name, marks[1].playedMs], ['first', 200]);
        await call.played(450);
        server.say('clear');
        const cleared = await call.cleared();
        assert.deepEqual(cleared.marks, ['second', 'third']);
        assert.equal(cleared.playedMs + cleared.clearedMs, 5400);
        assert.deepEqual(
            marks.slice(2).map((mark) => mark.cleared),
            [true, true],
        );
        server.say('clear'); // of nothing
        server.play(100, 'after');
        await call.until('the last mark', () => marks.length === 5);
        assert.equal(call.stream.audioPlayed().length, call.stream.playedBytes);
        assert.equal(call.stream.playedBytes + call.stream.clearedBytes, call.stream.receivedBytes);
        await call.hangUp();
        assert.deepEqual(
            server.of('mark').map(({mark}) => mark.name),
            ['nothing before', 'first', 'second', 'third', 'after'],
        );
        assert.deepEqual(call.allFaults, []);
    });

    it('finds fault with what Twilio would', async () => {
        server.onStart = () => {
            server.socket.send(Buffer.from([1, 2]), {binary: true});
            server.socket.send('no JSON');
            server.socket.send(JSON.stringify({event: 'clear', streamSid: 'MZother'}));
            server.say('start', {});
            server.say('media', {payload: 'not base64!'});
            server.say('media', {});
            server.say('mark', {name: ''});
        };
        const call = await place();
        await call.until('faults', () => call.allFaults.length === 7);
        assert.ok(call.allFaults.every(({code}) => code === 31924));
        assert.equal(call.stream.receivedBytes, 0);
        await call.hangUp();
    });

    it('goes on with the TwiML when the stream is closed by the other side, and with a callback for each end', async () => {
        const attribute = `statusCallback="${PUBLIC}/stream"`;
        server.answer = {
            twiml: `<Response>${STREAM.replace('url=', `${attribute} url=`)}<Say>Sorry.</Say><Hangup/></Response>`,
        };
        server.onStart = () => server.socket.close(1000);
        const call = await place();
        assert.deepEqual((await call.ended).how, 'hung up');
        assert.deepEqual(call.said, ['Sorry.']);
        assert.deepEqual({by: 'them', code: 1000, reason: '', error: 31921}, call.stream.closed);
        assert.deepEqual(
            server.posts.slice(1).map(({form}) => form.StreamEvent),
            ['stream-started', 'stream-stopped'],
        );
        assert.deepEqual(server.of('stop'), []);
        assert.deepEqual(call.allFaults, []);
    });

    it('is silent when it is muted, behind when it is held up, and gone without a word when it drops', async () => {
        const call = await place({signStream: false});
        const stream = await call.streamOpen();
        assert.equal(server.upgrade.headers['x-twilio-signature'], undefined);
        await call.until('a frame', () => stream.sentFrames > 0);
        stream.mute(150);
        const muted = stream.sentFrames;
        await call.until('more frames', () => stream.sentFrames > muted);
        stream.hold(150);
        const held = stream.sentFrames;
        await call.until('all that was held up', () => stream.sentFrames >= held + 7);
        assert.equal((await call.drop()).how, 'connection dropped');
        await until('the end', () => server.closes.includes(1006));
        assert.deepEqual(server.of('stop'), []);
        const times = server.of('media').map(({media}) => Number(media.timestamp));
        const gaps = times.slice(1).map((time, i) => time - times[i]);
        assert.equal(gaps.filter((gap) => gap > 20).length, 1, `${gaps}`);
    });

    it('says what is wrong with an answer', async () => {
        const cases = [
            [{status: 500}, 11200],
            [{type: 'text/html'}, 12300],
            [{chunked: true, twiml: '<Response/>'}, 12100],
            [{twiml: '<Response><Say>a</Response>'}, 12100],
            [{twiml: '<response/>'}, 12100],
            [{twiml: '<Response><say>a</say></Response>'}, 12200],
            [{twiml: '<Response><Connect><Stream url="ws://calls.example.com/m"/></Connect></Response>'}, 31920],
            [{twiml: '<Response><Connect><Stream url="wss://calls.example.com/m?a=b"/></Connect></Response>'}, 31920],
        ];
        for (const [answer, code] of cases) {
            server.answer = answer;
            const call = await place();
            if (answer.type) (await call.streamOpen()).hangUp();
            await call.ended;
            assert.deepEqual(
                call.allFaults.map((fault) => fault.code),
                [code],
                JSON.stringify(answer),
            );
        }
        Object.assign(server, {answer: {}, refuse: 401});
        const call = await place();
        await call.ended;
        assert.deepEqual(
            call.allFaults.map((fault) => fault.code),
            [31920],
        );
        assert.equal(call.streamRefused.status, 401);
        assert.deepEqual(call.said, ['Sorry.']);
    });

    it('is rejected, or hears nothing but words', async () => {
        server.answer = {twiml: '<Response><Reject reason="busy"/></Response>'};
        assert.deepEqual((await (await place()).ended).status, 'busy');
        server.answer = {twiml: '<Response><Say>a &lt; b</Say><Pause length="0"/></Response>'};
        const call = await place();
        assert.equal((await call.ended).how, 'nothing more to do');
        assert.deepEqual(
            call.verbs.map(({verb, text}) => [verb, text]),
            [
                ['Say', 'a < b'],
                ['Pause', ''],
            ],
        );
        assert.ok(call instanceof TwilioCall);
    });
});

// ---- OpenAI's side, against a client that does what a test tells it ----

const CONFIG = {
    type: 'realtime',
    output_modalities: ['audio'],
    instructions: 'Be brief.',
    audio: {
        input: {
            format: {type: 'audio/pcmu'},
            transcription: {model: 'gpt-4o-mini-transcribe', language: 'en'},
            turn_detection: {type: 'server_vad', threshold: 0.5, prefix_padding_ms: 300, silence_duration_ms: 500},
        },
        output: {format: {type: 'audio/pcmu'}, voice: 'marin'},
    },
};
const FAST = {
    speed: 50,
    turns: [{heard: 'I have a leaking tap.', says: 'Sure. Ninety dollars.', audioMs: 1000, tokens: 100}],
};

/** Everything that is said to it: {events, send(event), hear(bytes), of(type), next(type, n), closed}. */
class Client {
    events = [];

    static async open(server, {key = 'sk-test', model = 'gpt-realtime-2.1', headers = {}, configured = true} = {}) {
        const client = new Client();
        const query = model ? `?model=${model}` : '';
        const authorization = key && {Authorization: `Bearer ${key}`};
        client.socket = new WebSocket(server.url + query, {
            perMessageDeflate: false,
            rejectUnauthorized: false,
            headers: {...authorization, ...headers},
        });
        client.socket.on('message', (data) => client.events.push(JSON.parse(data)));
        client.socket.on('error', () => {});
        client.closed = once(client.socket, 'close').then(([code, reason]) => ({code, reason: reason.toString()}));
        await once(client.socket, 'open');
        client.session = await server.session(server.sessions.length - 1);
        if (configured) await client.configure();
        return client;
    }

    async configure(session = CONFIG) {
        await this.next('session.created');
        const before_ = this.of('session.updated').length;
        this.send({type: 'session.update', event_id: 'cfg', session});
        return this.next('session.updated', before_ + 1);
    }
    send(event) {
        this.socket.send(typeof event === 'string' || Buffer.isBuffer(event) ? event : JSON.stringify(event));
    }
    /** In pieces of 20 ms, faster than real time. */
    hear(...parts) {
        for (const bytes of parts)
            for (let at = 0; at < bytes.length; at += 160)
                this.send({type: 'input_audio_buffer.append', audio: bytes.subarray(at, at + 160).toString('base64')});
    }
    of(type) {
        return this.events.filter((event) => event.type === type);
    }
    next(type, nth = 1) {
        return until(`${nth} ${type}`, () => this.of(type)[nth - 1]);
    }
    /** The types in their order, each once where it comes several times in a row; deltas left out. */
    order(from = 'session.updated') {
        const types = this.events.map(({type}) => type).filter((type) => !/delta$|^rate_limits|^error/.test(type));
        return types.slice(types.indexOf(from) + 1);
    }
}

const QUESTION = [silence(200), tone(600), silence(600)];
const USER_TURN = [
    'input_audio_buffer.speech_started',
    'input_audio_buffer.speech_stopped',
    'input_audio_buffer.committed',
    'conversation.item.added',
    'conversation.item.done',
];
const ANSWER = [
    'response.created',
    'response.output_item.added',
    'conversation.item.added',
    'response.content_part.added',
    'response.output_audio.done',
    'response.output_audio_transcript.done',
    'response.content_part.done',
    'conversation.item.done',
    'response.output_item.done',
    'response.done',
];

describe('OpenAI’s side', () => {
    /** A server of its own for each test, and a client. */
    async function talk(t, options = {}, how = {}) {
        const server = await startRealtime({...FAST, ...options});
        const client = await Client.open(server, how);
        t.after(async () => {
            client.socket.terminate();
            await server.close();
        });
        return {server, client, session: client.session};
    }

    it('refuses after 101 what cannot be a session', async (t) => {
        const cases = [
            [{key: null}, {code: null, close: 3000}],
            [{key: 'sk-wrong'}, {code: 'invalid_api_key', close: 3000}],
            [{model: 'gpt-nope'}, {code: 'invalid_model', close: 4000}],
            [{model: null}, {code: 'missing_model', close: 4000}],
            [{headers: {'OpenAI-Beta': 'realtime=v1'}}, {code: 'beta_api_shape_disabled', close: 4000}],
        ];
        const server = await startRealtime({apiKey: 'sk-test'});
        t.after(() => server.close());
        for (const [how, {code, close}] of cases) {
            const client = await Client.open(server, {...how, configured: false});
            assert.equal((await client.closed).code, close);
            assert.deepEqual(
                client.events.map(({type, error}) => [type, error.code]),
                [['error', code]],
            );
        }
        assert.deepEqual(server.faults, ['the query has ', 'OpenAI-Beta was sent']);
    });

    it('refuses an update as a whole where one field of it is wrong, and goes on as before', async (t) => {
        const {client, session} = await talk(t, {refuseTranscription: ['whisper-1']}, {configured: false});
        await client.next('session.created');
        const {audio} = CONFIG;
        const cases = [
            [{...CONFIG, bogus_field: 1}, 'session.bogus_field', 'unknown_parameter'],
            [{audio}, 'session.type', 'missing_required_parameter'],
            [{...CONFIG, temperature: 0.8}, 'session.temperature', 'unknown_parameter'],
            [{...CONFIG, output_modalities: ['audio', 'text']}, 'session.output_modalities', 'invalid_value'],
            [{...CONFIG, audio: {input: {format: 'g711_ulaw'}}}, 'session.audio.input.format', 'invalid_type'],
            [
                {...CONFIG, audio: {output: {format: {type: 'audio/pcmu', rate: 8000}}}},
                'session.audio.output.format.rate',
                'unknown_parameter',
            ],
            [
                {...CONFIG, audio: {input: {format: {type: 'audio/pcm', rate: 16000}}}},
                'session.audio.input.format.rate',
                'integer_below_min_value',
            ],
            [{...CONFIG, audio: {output: {voice: 'nobody'}}}, 'session.audio.output.voice', 'invalid_value'],
            [
                {...CONFIG, audio: {input: {turn_detection: {type: 'server_vad', threshold: 2}}}},
                'session.audio.input.turn_detection.threshold',
                'decimal_above_max_value',
            ],
            [
                {...CONFIG, audio: {input: {transcription: {model: 'whisper-1'}}}},
                'session.audio.input.transcription.model',
                'invalid_value',
            ],
        ];
        for (const [i, [update, param, code]] of cases.entries()) {
            client.send({type: 'session.update', event_id: `cfg_${i}`, session: update});
            const {error} = await client.next('error', i + 1);
            assert.deepEqual([error.param, error.code, error.event_id], [param, code, `cfg_${i}`]);
        }
        assert.equal(session.faults.length, cases.length - 1, 'a model that this account may not use is no fault');
        client.hear(tone(20));
        await until('noise', () => session.noiseBytes === 160);
        assert.equal(session.appendedBytes, 0);
        client.send({
            type: 'session.update',
            session: {...CONFIG, audio: {...audio, input: {...audio.input, turn_detection: null}}},
        });
        const {session: effective} = await client.next('session.updated');
        assert.equal(effective.audio.input.turn_detection, null);
        assert.deepEqual(effective.audio.output, {format: {type: 'audio/pcmu'}, voice: 'marin', speed: 1});
    });

    it('hears a turn, answers it, and writes down what was said, in the documented order', async (t) => {
        const {client, session} = await talk(t);
        client.send({type: 'response.create', response: {instructions: 'Greet the caller.'}});
        await client.next('response.done');
        client.hear(...QUESTION);
        await client.next('response.done', 2);
        const {transcript} = await client.next('conversation.item.input_audio_transcription.completed');
        assert.equal(transcript, 'I have a leaking tap.');
        assert.deepEqual(
            client.order().filter((type) => !/transcription/.test(type)),
            [...ANSWER, ...USER_TURN, ...ANSWER],
        );
        assert.deepEqual(
            [client.of(USER_TURN[0])[0].audio_start_ms, client.of(USER_TURN[1])[0].audio_end_ms],
            [0, 1300], // 300 ms before it began, which is before there was anything; and 500 ms of silence
        );
        const [greeting, question, answer] = session.order;
        assert.deepEqual(
            client
                .of('conversation.item.added')
                .map(({item, previous_item_id}) => [item.id, item.role, previous_item_id]),
            [
                [greeting, 'assistant', null],
                [question, 'user', greeting],
                [answer, 'assistant', question],
            ],
        );
        assert.deepEqual(client.of('conversation.item.done')[1].item.content, [
            {type: 'input_audio', transcript: null},
        ]);
        const deltas = client.of('response.output_audio.delta').filter(({item_id}) => item_id === answer);
        assert.deepEqual(Buffer.concat(deltas.map(({delta}) => Buffer.from(delta, 'base64'))), session.audioOf(answer));
        assert.equal(msOf(session.audioOf(answer).length), 1000);
        assert.equal(client.of('response.done')[1].response.usage.total_tokens, 100);
        assert.equal(session.tokens, 100 + client.of('response.done')[0].response.usage.total_tokens);
        assert.deepEqual(session.appended(), Buffer.concat(QUESTION));
        assert.deepEqual([session.faults, session.errors], [[], []]);
    });

    it('is interrupted, and takes a truncation of what was sent, no more', async (t) => {
        const {client, session} = await talk(t, {
            speed: 4,
            turns: [{heard: 'One.', says: 'A long answer, it is.', audioMs: 4000}],
        });
        client.hear(...QUESTION);
        const {item_id} = await client.next('response.output_audio.delta', 3);
        client.hear(tone(200));
        const {response} = await client.next('response.done');
        assert.deepEqual([response.status, response.status_details.reason], ['cancelled', 'turn_detected']);
        const types = client.events.map(({type}) => type);
        assert.equal(
            types[types.lastIndexOf('input_audio_buffer.speech_started') + 1],
            'response.output_audio.delta',
            'a late one',
        );
        assert.equal(session.interruptions[0].itemId, item_id);
        const sent = msOf(session.audioOf(item_id).length);
        const truncate = {type: 'conversation.item.truncate', item_id, content_index: 0};
        const [, {item: asked}] = [0, client.of('conversation.item.added')[0]];
        const wrong = [
            [
                {...truncate, audio_end_ms: sent + 60},
                null,
                `Audio content of ${sent}ms is already shorter than ${sent + 60}ms`,
            ],
            [{...truncate, audio_end_ms: 0}, 'invalid_value'],
            [{...truncate, audio_end_ms: 1.5}, 'invalid_value'],
            [{...truncate, content_index: 1, audio_end_ms: 1}, 'invalid_value'],
            [{...truncate, item_id: 'item_nobody', audio_end_ms: 1}, 'item_truncate_invalid_item_id'],
            [{...truncate, item_id: asked.id, audio_end_ms: 1}, 'unsupported_content_type'],
        ];
        for (const [i, [event, code, message]] of wrong.entries()) {
            client.send(event);
            const {error} = await client.next('error', i + 1);
            assert.equal(error.code, code, JSON.stringify(event));
            if (message) assert.equal(error.message, message);
        }
        client.send({...truncate, audio_end_ms: 450});
        assert.equal((await client.next('conversation.item.truncated')).audio_end_ms, 450);
        client.send({...truncate, audio_end_ms: 451});
        assert.match((await client.next('error', wrong.length + 1)).error.message, /^Audio content of 450ms/);
        assert.equal(session.truncates.filter(({refused}) => !refused).length, 1);
    });

    it('knows who may speak: one response at a time, a turn by hand, a history', async (t) => {
        const {client, session} = await talk(t, {speed: 4});
        client.send({type: 'response.cancel', event_id: 'c'});
        assert.equal((await client.next('error')).error.code, 'response_cancel_not_active');
        client.send({type: 'response.create'});
        await client.next('response.created');
        client.send({type: 'response.create', event_id: 'again'});
        assert.equal((await client.next('error', 2)).error.code, 'conversation_already_has_active_response');
        client.send({type: 'response.cancel'});
        assert.equal((await client.next('response.done')).response.status_details.reason, 'client_cancelled');
        client.send({type: 'input_audio_buffer.commit'});
        assert.equal((await client.next('error', 3)).error.code, 'input_audio_buffer_commit_empty');
        await client.configure({type: 'realtime', audio: {input: {turn_detection: null}}});
        client.hear(tone(500), silence(1000));
        client.send({type: 'input_audio_buffer.commit'});
        await client.next('conversation.item.input_audio_transcription.completed');
        assert.deepEqual([client.of('response.created').length, client.of(USER_TURN[0]).length], [1, 0]);
        const message = (id, role, type) => ({id, type: 'message', role, content: [{type, text: 'Hello.'}]});
        const create = (item) => client.send({type: 'conversation.item.create', item});
        create(message('mine_1', 'user', 'input_text'));
        create(message('mine_2', 'assistant', 'output_text'));
        create(message('mine_3', 'assistant', 'text'));
        create(message('m'.repeat(33), 'user', 'input_text'));
        await client.next('error', 5);
        assert.deepEqual(session.order.slice(-2), ['mine_1', 'mine_2']);
        client.send({type: 'conversation.item.delete', item_id: 'mine_2'});
        await client.next('conversation.item.deleted');
        assert.equal(session.order.at(-1), 'mine_1');
    });

    it('finds fault with what is no message of the API', async (t) => {
        const {client, session} = await talk(t);
        client.send(Buffer.from('{}'));
        client.send('{');
        client.send({type: 'response.audio.delta'});
        client.send({type: 'input_audio_buffer.append', audio: '!'});
        await client.next('error', 4);
        assert.deepEqual(
            session.errors.map(({code}) => code),
            ['invalid_event', 'invalid_json', 'invalid_value', 'invalid_value'],
        );
        assert.equal(session.faults.length, 4);
    });

    it('writes down late, swapped, wrongly, twice, or not at all', async (t) => {
        const turns = [
            {heard: 'One two.', answer: false, written: {when: 'with the next turn'}},
            {heard: 'Three four.', answer: false},
            {heard: 'Five.', answer: false, written: {outcome: 'failed'}},
            {heard: 'Six.', answer: false, written: {outcome: 'empty'}},
            {heard: 'Seven.', says: 'Well.', written: {outcome: 'twice', when: 'after the answer'}},
        ];
        const {client, session} = await talk(t, {turns, vad: {silenceMs: 120}});
        for (const _ of turns) client.hear(tone(200), silence(200));
        await client.next('conversation.item.input_audio_transcription.completed', 5);
        const users = session.order.filter((id) => session.items.get(id).role === 'user');
        const place = (id) => users.indexOf(id) + 1;
        const written = client.events.filter(
            ({type, item_id}) => /input_audio_transcription/.test(type) && place(item_id) <= 2,
        );
        assert.deepEqual(
            written.map(({type, item_id, delta, transcript}) => [
                type.split('.').at(-1),
                place(item_id),
                delta ?? transcript,
            ]),
            [
                ['delta', 1, 'One'],
                ['delta', 2, 'Three'],
                ['delta', 1, ' two.'],
                ['delta', 2, ' four.'],
                ['completed', 2, 'Three four.'],
                ['completed', 1, 'One two.'],
            ],
        );
        assert.equal(client.of('conversation.item.input_audio_transcription.failed').length, 1);
        const texts = client
            .of('conversation.item.input_audio_transcription.completed')
            .map(({transcript}) => transcript);
        assert.deepEqual(texts.sort(), ['', 'One two.', 'Seven.', 'Seven.', 'Three four.']);
        const at = (find) => client.events.findIndex(find);
        assert.ok(at(({type}) => type === 'response.done') < at(({delta}) => delta === 'Seven.'));
    });

    it('is hostile where it is asked to be', async (t) => {
        const big = await talk(t, {
            fragments: 3,
            unknownEvents: true,
            bigEventBytes: 1 << 20,
            pingMs: 20,
            turns: [{fails: 'insufficient_quota'}],
        });
        big.client.hear(...QUESTION);
        const {response} = await big.client.next('response.done');
        assert.deepEqual(
            [response.status, response.status_details.error.code, response.usage.total_tokens],
            ['failed', 'insufficient_quota', 0],
        );
        assert.equal(big.client.of('error').length, 0);
        assert.equal(big.client.of('response.future_thing').length, 1);
        assert.equal(big.client.of('session.future_thing')[0].padding.length, 1 << 20);
        await until('a pong', () => big.session.pongs > 0);
        assert.deepEqual(big.session.faults, []);

        const pcm = await talk(t, {updatedAs: 'pcm'});
        assert.equal(pcm.client.of('session.updated')[0].session.audio.input.format.type, 'audio/pcm');

        const dropped = await talk(t, {turns: [{says: 'Well, well.', dropAfterDeltas: 2, audioMs: 1000}]});
        dropped.client.hear(...QUESTION);
        assert.equal((await dropped.client.closed).code, 1006);
        assert.equal(dropped.client.of('response.output_audio.delta').length, 2);

        const old = await talk(t, {closeAfter: {ms: 50, error: true}});
        assert.deepEqual(await old.client.closed, {
            code: 1001,
            reason: 'Your session hit the maximum duration of 60 minutes.',
        });
        assert.equal(old.client.of('error')[0].error.code, 'session_expired');

        const slow = await talk(t, {slowReadMs: 500});
        assert.equal(slow.session.socket.isPaused, true);
        slow.client.hear(...QUESTION);
        await slow.client.next('response.done');

        const silent = await talk(t, {created: false}, {configured: false});
        const refused = await talk(t, {refuse: 'insufficient_quota'}, {configured: false});
        assert.equal((await refused.client.closed).code, 4000);
        assert.deepEqual(silent.client.events, []);
    });

    it('has one voice from its first word to its last', async (t) => {
        const {client} = await talk(t);
        client.send({type: 'session.update', session: {...CONFIG, audio: {output: {voice: 'cedar'}}}});
        await client.next('session.updated', 2);
        client.send({type: 'response.create'});
        await client.next('response.done');
        client.send({type: 'session.update', session: CONFIG});
        assert.equal((await client.next('error')).error.param, 'session.audio.output.voice');
    });

    it('is there by TLS too', async (t) => {
        const certificates = makeCertificates();
        t.after(() => certificates.remove());
        const [key, cert] = ['server.key', 'server.pem'].map((name) => readFileSync(join(certificates.folder, name)));
        const {server, session} = await talk(t, {tls: {key, cert}});
        assert.match(server.url, /^wss:/);
        assert.ok(session.ready);
    });

    it('replays a call as it is written, waiting for what each line waits for', async (t) => {
        const timeline = fixture('openai-realtime/two-turn-barge-in.jsonl')
            .trim()
            .split('\n')
            .map((line) => JSON.parse(line));
        const {client, session} = await talk(t, {timeline, timeScale: 0.1});
        client.send({type: 'response.create', response: {}});
        client.hear(silence(1300));
        const {item_id} = await client.next('response.output_audio.delta', 11);
        client.send({type: 'conversation.item.truncate', item_id, content_index: 0, audio_end_ms: 100});
        await until('the end', () => session.conductor.done);
        await client.next('conversation.item.truncated');
        const types = (list) =>
            list.map(({event}) => event.type).filter((type) => type !== 'conversation.item.truncated');
        assert.deepEqual(types(session.sent), types(timeline.filter(({from, event}) => from === 'openai' && event)));
        assert.equal(session.tokens, 754);
        assert.equal(session.id, 'sess_DcS0twoturnbargein0001');
        assert.deepEqual([session.faults, session.errors], [[], []]);
    });
});

describe('the programs', () => {
    const program = (name) => join(ROOT, 'tests/simulators', name);
    const env = {PATH: process.env.PATH};
    const run = (...args) =>
        new Promise((resolve) => {
            execFile(process.execPath, [program('call.mjs'), ...args], {env}, (error, stdout) =>
                resolve({code: error?.code ?? 0, stdout}),
            );
        });

    it('call.mjs tells how a call goes, and whether it went well', async (t) => {
        const server = await new Answering().listen();
        t.after(() => server.close());
        const call = ['--url', server.via, '--public-url', PUBLIC, '--path', '/voice', '--auth-token', 'token'];
        server.onStart = () => {
            server.play(300);
            setTimeout(() => server.socket.close(1000), 600);
        };
        const well = await run(...call);
        assert.equal(well.code, 0, well.stdout);
        for (const words of [
            /answered: TwiML/,
            /stream is open/,
            /agent spoke 0\.3 s/,
            /greeting: “Sorry\.”/,
            /ended: nothing more/,
        ])
            assert.match(well.stdout, words);
        assert.deepEqual(
            server.posts.map(({url}) => url),
            ['/voice', '/webhooks/twilio'],
        );
        assert.ok(
            server.posts.every(
                ({headers, url, form}) => headers['x-twilio-signature'] === signatureOf('token', PUBLIC + url, form),
            ),
        );
        server.answer = {status: 503};
        assert.equal((await run(...call)).code, 1);
        assert.equal((await run('--auth-token', 'token')).code, 2);
    });

    it('realtime_server.mjs says where it is, and is there until it is told to end', async (t) => {
        const child = spawn(process.execPath, [program('realtime_server.mjs'), '--quiet'], {env});
        t.after(() => child.kill('SIGKILL'));
        const [line] = await once(child.stdout.setEncoding('utf8'), 'data');
        const [, url] = /^listening on (ws:\S+)\n$/.exec(line);
        const socket = new WebSocket(`${url}?model=gpt-realtime-2.1`, {headers: {Authorization: 'Bearer sk-test'}});
        const [data] = await once(socket, 'message');
        assert.equal(JSON.parse(data).type, 'session.created');
        child.kill('SIGTERM');
        assert.deepEqual(await once(child, 'exit'), [0, null]);
    });
});
