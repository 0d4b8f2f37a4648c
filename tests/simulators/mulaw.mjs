// mulaw.mjs – the telephone's sound: G.711 µ-law, 8000 bytes a second, one channel (ITU-T G.711; 0xFF is silence).
//
//     encode(Int16Array) → Buffer, decode(Buffer) → Int16Array
//     silence(ms), tone(ms, {hz, level}), speechLike(text)     Buffers of µ-law, the same every time
//     await speak(text)                                        by espeak-ng where it is installed, else speechLike
//     fromWav(Buffer)                                          of a WAV file: 16 bits, 8000 Hz or more, any channels
//     energy(Buffer)                                           how loud: 0 to 1 (root mean square)

import {execFile} from 'node:child_process';
import {promisify} from 'node:util';

export const RATE = 8000;
export const SILENCE = 0xff;
export const BYTES_PER_MS = RATE / 1000;
export const FRAME_MS = 20;
export const FRAME_BYTES = FRAME_MS * BYTES_PER_MS;

const BIAS = 0x84;
const CLIP = 32635;

function encodeSample(sample) {
    const sign = sample < 0 ? 0x80 : 0;
    const magnitude = Math.min(Math.abs(sample), CLIP) + BIAS;
    const exponent = 31 - Math.clz32(magnitude) - 7; // of a magnitude from 2^7 to 2^15
    return ~(sign | (exponent << 4) | ((magnitude >> (exponent + 3)) & 0x0f)) & 0xff;
}

function decodeByte(byte) {
    const bits = ~byte & 0xff;
    const magnitude = ((((bits & 0x0f) << 3) + BIAS) << ((bits >> 4) & 0x07)) - BIAS;
    return bits & 0x80 ? -magnitude : magnitude;
}

const DECODED = Int16Array.from({length: 256}, (_, byte) => decodeByte(byte));

export const encode = (samples) => Buffer.from(Uint8Array.from(samples, encodeSample));
export const decode = (bytes) => Int16Array.from(bytes, (byte) => DECODED[byte]);

export const msOf = (bytes) => bytes / BYTES_PER_MS;
export const silence = (ms) => Buffer.alloc(Math.round(ms * BYTES_PER_MS), SILENCE);

export function tone(ms, {hz = 440, level = 0.3} = {}) {
    const wave = (_, i) => Math.round(level * 32767 * Math.sin((2 * Math.PI * hz * i) / RATE));
    return encode(Int16Array.from({length: Math.round(ms * BYTES_PER_MS)}, wave));
}

export function energy(bytes) {
    if (bytes.length === 0) return 0;
    let sum = 0;
    for (const byte of bytes) sum += DECODED[byte] ** 2;
    return Math.sqrt(sum / bytes.length) / 32768;
}

/** Something that is heard as speech: a syllable for every three characters, 180 ms each, without a pause. */
export function speechLike(text) {
    const syllables = Math.max(2, Math.ceil(text.length / 3));
    const length = 180 * BYTES_PER_MS;
    const samples = new Int16Array(syllables * length);
    for (let i = 0; i < samples.length; i++) {
        const syllable = Math.floor(i / length);
        const within = (i % length) / length;
        const pitch = 110 + ((text.charCodeAt((syllable * 3) % text.length || 0) || 0) % 40);
        const voice = [1, 2, 3, 5, 9].reduce((sum, h) => sum + Math.sin((2 * Math.PI * pitch * h * i) / RATE) / h, 0);
        samples[i] = Math.round(6000 * (0.3 + 0.7 * Math.sin(Math.PI * within)) * voice);
    }
    return encode(samples);
}

/** voice: a name of espeak-ng's. */
export async function speak(text, {voice = 'en-us'} = {}) {
    try {
        const run = promisify(execFile);
        const {stdout} = await run('espeak-ng', ['--stdout', '-v', voice, '--', text], {
            encoding: 'buffer',
            maxBuffer: 64 << 20,
        });
        return fromWav(stdout);
    } catch (error) {
        if (error.code !== 'ENOENT') throw error;
        return speechLike(text);
    }
}

// ---- WAV ----

/** The chunks of a RIFF file: {id: bytes}. What says to be longer than the file ends with it, as in a stream. */
function chunksOf(file) {
    if (file.toString('latin1', 0, 4) !== 'RIFF' || file.toString('latin1', 8, 12) !== 'WAVE')
        throw new Error('no WAV file');
    const chunks = {};
    for (let at = 12; at + 8 <= file.length;) {
        const end = Math.min(at + 8 + file.readUInt32LE(at + 4), file.length);
        chunks[file.toString('latin1', at, at + 4)] ??= file.subarray(at + 8, end);
        at = end + (end & 1);
    }
    return chunks;
}

export function fromWav(file) {
    const {'fmt ': format, data} = chunksOf(file);
    if (!format || !data) throw new Error('a WAV file without sound');
    const channels = format.readUInt16LE(2);
    const rate = format.readUInt32LE(4);
    if (format.readUInt16LE(14) !== 16 || rate < RATE)
        throw new Error('a WAV file must have 16 bits and 8000 Hz or more');
    const samples = Int16Array.from({length: Math.floor(data.length / 2 / channels)}, (_, i) => {
        let sum = 0;
        for (let c = 0; c < channels; c++) sum += data.readInt16LE(2 * (i * channels + c));
        return Math.round(sum / channels);
    });
    return encode(resample(samples, rate));
}

const TAPS = 16; // on each side, in samples of 8000 Hz

/** To 8000 Hz, with what is above 3600 Hz taken out (a sinc in a Hann window). */
export function resample(samples, rate) {
    if (rate === RATE) return samples;
    const step = rate / RATE;
    const reach = TAPS * step;
    const cutoff = 3600 / rate;
    return Int16Array.from({length: Math.floor(samples.length / step)}, (_, n) => {
        const centre = n * step;
        let sum = 0;
        let weights = 0;
        for (let i = Math.ceil(centre - reach); i <= centre + reach; i++) {
            const x = i - centre;
            const sinc = x === 0 ? 2 * cutoff : Math.sin(2 * Math.PI * cutoff * x) / (Math.PI * x);
            const weight = sinc * (0.5 + 0.5 * Math.cos((Math.PI * x) / reach));
            weights += weight;
            sum += weight * (samples[i] ?? 0);
        }
        return Math.max(-32768, Math.min(32767, Math.round(sum / weights)));
    });
}
