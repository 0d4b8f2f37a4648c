// realtime_session.mjs – what a Realtime session may be told to be, and what it then is: the fields of session.update,
// checked as the API checks them (github.com/openai/openai-openapi, schemas Realtime*, 2026-08-21).
//
//     defaultSession({id, model})            a session before any update: PCM both ways, no transcription
//     sessionFault(current, update)          null, or {code, message, param}: why the update is refused as a whole
//     updatedSession(current, update)        the session after it

const VOICES = ['alloy', 'ash', 'ballad', 'coral', 'echo', 'sage', 'shimmer', 'verse', 'marin', 'cedar'];
export const MODELS = [
    'gpt-realtime',
    'gpt-realtime-mini',
    'gpt-realtime-1.5',
    'gpt-realtime-2.1',
    'gpt-realtime-2.1-mini',
];
const TRANSCRIBERS = [
    'whisper-1',
    'gpt-4o-transcribe',
    'gpt-4o-mini-transcribe',
    'gpt-4o-transcribe-diarize',
    'gpt-transcribe',
    'gpt-live-transcribe',
    'gpt-realtime-whisper',
];

// ---- checks: (value, path) → null or {code, message, param} ----

const fault = (code, param, message) => ({code, param, message});
const wrongType = (path, wanted, value) =>
    fault('invalid_type', path, `Invalid type for '${path}': expected ${wanted}, but got ${kindOf(value)} instead.`);
const kindOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'an array' : `a ${typeof value}`);
const unknown = (path) => fault('unknown_parameter', path, `Unknown parameter: '${path}'.`);
const invalid = (path, value, allowed) =>
    fault(
        'invalid_value',
        path,
        `Invalid value: '${value}'. Supported values are: ${allowed.map((a) => `'${a}'`).join(', ')}.`,
    );

const text = (value, path) => (typeof value === 'string' ? null : wrongType(path, 'a string', value));
const bool = (value, path) => (typeof value === 'boolean' ? null : wrongType(path, 'a boolean', value));
const oneOf =
    (...words) =>
    (value, path) =>
        text(value, path) ?? (words.includes(value) ? null : invalid(path, value, words));
const orNull = (check) => (value, path) => (value === null ? null : check(value, path));
const list = (check) => (value, path) => {
    if (!Array.isArray(value)) return wrongType(path, 'an array', value);
    return value.map((each, i) => check(each, `${path}[${i}]`)).find(Boolean) ?? null;
};
const number =
    (least, most, {whole = true} = {}) =>
    (value, path) => {
        const kind = whole ? 'integer' : 'decimal';
        if (typeof value !== 'number' || (whole && !Number.isInteger(value)))
            return wrongType(path, `an ${kind}`, value);
        if (value >= least && value <= most) return null;
        const low = value < least;
        const expected = `Expected a value ${low ? `>= ${least}` : `<= ${most}`}, but got ${value} instead.`;
        const where = low ? 'below minimum' : 'above maximum';
        return fault(
            `${kind}_${low ? 'below_min' : 'above_max'}_value`,
            path,
            `Invalid '${path}': ${kind} ${where} value. ${expected}`,
        );
    };
const missing = (path) => fault('missing_required_parameter', path, `Missing required parameter: '${path}'.`);

const object =
    (fields, required = []) =>
    (value, path) => {
        if (value === null || typeof value !== 'object' || Array.isArray(value))
            return wrongType(path, 'an object', value);
        for (const name of Object.keys(value)) {
            if (!Object.hasOwn(fields, name)) return unknown(`${path}.${name}`);
            const found = fields[name](value[name], `${path}.${name}`);
            if (found) return found;
        }
        const lacking = required.find((name) => value[name] === undefined);
        return lacking ? missing(`${path}.${lacking}`) : null;
    };
/** One of several objects, told apart by their `type`. */
const byType = (kinds) => (value, path) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return wrongType(path, 'an object', value);
    if (value.type === undefined) return missing(`${path}.type`);
    return oneOf(...Object.keys(kinds))(value.type, `${path}.type`) ?? kinds[value.type](value, path);
};

const type = () => null; // looked at by byType
const format = byType({
    'audio/pcmu': object({type}),
    'audio/pcma': object({type}),
    'audio/pcm': object({type, rate: number(24000, 24000)}, ['rate']),
});
const common = {type, create_response: bool, interrupt_response: bool};
const turnDetection = byType({
    server_vad: object({
        ...common,
        threshold: number(0, 1, {whole: false}),
        prefix_padding_ms: number(0, 10_000),
        silence_duration_ms: number(0, 10_000),
        idle_timeout_ms: orNull(number(5000, 30_000)),
    }),
    semantic_vad: object({...common, eagerness: oneOf('low', 'medium', 'high', 'auto')}),
});

/** Which fields a transcription may have depends on its model. */
function transcription(value, path) {
    const model = value?.model;
    const keywords = ['gpt-transcribe', 'gpt-live-transcribe'].includes(model);
    return object(
        {
            model: oneOf(...TRANSCRIBERS),
            ...(keywords ? {languages: list(text), keywords: list(text)} : {language: text}),
            ...(model === 'gpt-realtime-whisper'
                ? {delay: oneOf('minimal', 'low', 'medium', 'high', 'xhigh')}
                : {prompt: text}),
        },
        ['model'],
    )(value, path);
}

const voice = (value, path) =>
    typeof value === 'object' ? object({id: text}, ['id'])(value, path) : oneOf(...VOICES)(value, path);
const modalities = (value, path) => {
    const wrong = list(oneOf('audio', 'text'))(value, path);
    if (wrong || value.length === 1) return wrong;
    return fault(
        'invalid_value',
        path,
        `Invalid modalities: [${value}]. Supported combinations are: ['text'] and ['audio'].`,
    );
};
const anything = () => null;
const orWord = (word, check) => (value, path) => (value === word ? null : check(value, path));

const SESSION = object(
    {
        type: oneOf('realtime'),
        model: text,
        output_modalities: modalities,
        instructions: text,
        audio: object({
            input: object({
                format,
                transcription: orNull(transcription),
                noise_reduction: orNull(byType({near_field: object({type}), far_field: object({type})})),
                turn_detection: orNull(turnDetection),
            }),
            output: object({format, voice, speed: number(0.25, 1.5, {whole: false})}),
        }),
        tools: list(
            object({type: oneOf('function', 'mcp'), name: text, description: text, parameters: anything}, ['type']),
        ),
        tool_choice: anything,
        parallel_tool_calls: bool,
        reasoning: orNull(object({effort: oneOf('minimal', 'low', 'medium', 'high', 'xhigh')})),
        max_output_tokens: orWord('inf', number(1, 4096)),
        truncation: (value, path) =>
            typeof value === 'string'
                ? oneOf('auto', 'disabled')(value, path)
                : byType({
                      retention_ratio: object({
                          type,
                          retention_ratio: number(0, 1, {whole: false}),
                          token_limits: anything,
                      }),
                  })(value, path),
        tracing: orNull(anything),
        prompt: orNull(object({id: text, version: text, variables: anything}, ['id'])),
        include: orNull(list(oneOf('item.input_audio_transcription.logprobs'))),
    },
    ['type'],
);

/** refuseTranscription: models that this account may not use. audioOut: whether any has come out yet. */
export function sessionFault(current, update, {refuseTranscription = [], audioOut = false} = {}) {
    if (update === undefined) return missing('session');
    const wrong = SESSION(update, 'session');
    if (wrong) return wrong;
    const wanted = update.audio?.input?.transcription?.model;
    if (refuseTranscription === true ? wanted !== undefined : refuseTranscription.includes(wanted))
        return fault(
            'invalid_value',
            'session.audio.input.transcription.model',
            `The model '${wanted}' is not available.`,
        );
    if (update.model !== undefined && update.model !== current.model)
        return fault('invalid_value', 'session.model', 'The model of a session cannot be changed.');
    const newVoice = update.audio?.output?.voice;
    if (audioOut && newVoice !== undefined && newVoice !== current.audio.output.voice)
        return fault(
            'cannot_update_voice',
            'session.audio.output.voice',
            "Cannot update a conversation's voice if assistant audio is present.",
        );
    return null;
}

// ---- what it is then ----

const VAD_DEFAULTS = {
    server_vad: {
        type: 'server_vad',
        threshold: 0.5,
        prefix_padding_ms: 300,
        silence_duration_ms: 200,
        idle_timeout_ms: null,
        create_response: true,
        interrupt_response: true,
    },
    semantic_vad: {type: 'semantic_vad', eagerness: 'auto', create_response: true, interrupt_response: true},
};
const PCM = {type: 'audio/pcm', rate: 24000};

export function defaultSession({id, model, lifeSeconds = 3600}) {
    return {
        type: 'realtime',
        object: 'realtime.session',
        id,
        model,
        output_modalities: ['audio'],
        instructions: 'Your knowledge cutoff is 2024-06. (server default)',
        tools: [],
        tool_choice: 'auto',
        max_output_tokens: 'inf',
        tracing: null,
        truncation: 'auto',
        prompt: null,
        expires_at: Math.floor(Date.now() / 1000) + lifeSeconds,
        audio: {
            input: {format: PCM, transcription: null, noise_reduction: null, turn_detection: VAD_DEFAULTS.server_vad},
            output: {format: PCM, voice: 'marin', speed: 1},
        },
        include: null,
    };
}

export function updatedSession(current, {audio = {}, ...rest}) {
    const input = {...current.audio.input, ...audio.input};
    const vad = audio.input?.turn_detection;
    if (vad) input.turn_detection = {...VAD_DEFAULTS[vad.type], ...vad};
    if (audio.input?.transcription) input.transcription = {language: null, prompt: null, ...audio.input.transcription};
    return {...current, ...rest, audio: {input, output: {...current.audio.output, ...audio.output}}};
}

export const isTelephone = ({audio}) =>
    audio.input.format.type === 'audio/pcmu' && audio.output.format.type === 'audio/pcmu';
