/* openai_test.c – OpenAI's dialect: what is read of every sample, what is written, and what strange values come to. */
#include "media/realtime.h"

#include "provider_harness.h"

#define P        (&REALTIME_OPENAI)
#define TIMELINE "openai-realtime/two-turn-barge-in.jsonl"
#define BETA     "openai-realtime/two-turn-barge-in.beta-dialect.jsonl"

/* ---- reading ---- */

static realtime_event_t read_text(str_t text)
{
    realtime_event_t e;
    err_t err = {.code = ERR_NONE};

    if (!P->read(test_arena, text, &e, &err))
        fail_msg(STR_FMT ": %s", STR_ARG(text), err.detail);
    return e;
}

static realtime_event_t read_one(const char *text)
{
    return read_text(str_from(text));
}

static str_t print(const cJSON *node)
{
    return json_print(test_arena, node);
}

static bool same_node(const cJSON *a, const cJSON *b)
{
    return str_eq(print(a), print(b));
}

/* The messages of one side of a timeline: at most `room` of them. */
static size_t timeline(const char *path, const char *from, const cJSON **out, size_t room)
{
    str_t rest = fixture(path), line;
    size_t n = 0;

    while (str_split(&rest, '\n', &line)) {
        const cJSON *entry = line.len ? json_parse(test_arena, line, NULL) : NULL;

        if (!str_eq(json_str(entry, "from"), str_from(from)) || !json_at(entry, "event"))
            continue;
        assert_true(n < room);
        out[n++] = json_at(entry, "event");
    }
    return n;
}

/* What the timeline comes to: all events but OTHER. */
static size_t events_of(const char *path, realtime_event_t *out, size_t room)
{
    const cJSON *messages[256];
    size_t n = timeline(path, "openai", messages, COUNT(messages)), kept = 0;

    for (size_t i = 0; i < n; i++) {
        realtime_event_t e = read_text(print(messages[i]));

        assert_true(str_eq(e.type, json_str(messages[i], "type")));
        if (e.kind != REALTIME_OTHER) {
            assert_true(kept < room);
            out[kept++] = e;
        }
    }
    return kept;
}

/* ---- the sample call ---- */

static size_t count_kind(const realtime_event_t *events, size_t n, realtime_kind_t kind)
{
    size_t found = 0;

    for (size_t i = 0; i < n; i++)
        found += events[i].kind == kind;
    return found;
}

static void test_every_event_of_a_call_has_its_kind(void **state)
{
    static const struct {
        realtime_kind_t kind;
        size_t count;
    } COUNTS[] = {
        {REALTIME_CREATED, 1},        {REALTIME_CONFIGURED, 1}, {REALTIME_SPEECH_BEGAN, 2},
        {REALTIME_SPEECH_ENDED, 2},   {REALTIME_TURN_TAKEN, 2}, {REALTIME_TURN_EMPTY, 0},
        {REALTIME_ITEM_ADDED, 5},     {REALTIME_HEARD_PART, 8}, {REALTIME_HEARD, 2},
        {REALTIME_HEARD_FAILED, 0},   {REALTIME_AUDIO, 35},     {REALTIME_SAID_PART, 33},
        {REALTIME_RESPONSE_BEGAN, 3}, {REALTIME_SAID, 3},       {REALTIME_RESPONSE_ENDED, 3},
        {REALTIME_ERROR, 0},
    };
    realtime_event_t events[256];
    size_t n = events_of(TIMELINE, events, COUNT(events)), sum = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(COUNTS); i++) {
        assert_int_equal(count_kind(events, n, COUNTS[i].kind), COUNTS[i].count);
        sum += COUNTS[i].count;
    }
    assert_int_equal(n, sum);
}

static void test_the_session_is_told(void **state)
{
    realtime_event_t events[256];

    (void)state;
    events_of(TIMELINE, events, COUNT(events));
    assert_int_equal(events[0].kind, REALTIME_CREATED);
    assert_str(events[0].session, "sess_DcS0twoturnbargein0001");
    assert_str(events[0].model, "gpt-realtime-2.1");
    assert_int_equal(events[0].expires_s, 1767003600);
    assert_false(events[0].telephone);
    assert_int_equal(events[1].kind, REALTIME_CONFIGURED);
    assert_true(events[1].telephone);
}

/* Its parts, one after the other, are the whole; and the whole is what the sample's own account of the call has. */
static void test_the_words_are_those_of_the_account(void **state)
{
    const cJSON *account =
        json_at(fixture_json("openai-realtime/two-turn-barge-in.expect.json"), "voice_messages_in_conversation_order");
    realtime_event_t events[256];
    size_t n = events_of(TIMELINE, events, COUNT(events)), told = 0;

    (void)state;
    for (const cJSON *m = account->child; m; m = m->next, told++) {
        str_t key = json_str(m, "message_key"), item = str_slice(key, 0, str_find(key, ':'));
        buf_t parts = BUF_EMPTY;
        str_t whole = STR_NONE;

        for (size_t i = 0; i < n; i++) {
            const realtime_event_t *e = &events[i];

            if (!str_eq(e->item, item))
                continue;
            assert_int_equal(e->part, 0);
            if (e->kind == REALTIME_SAID_PART || e->kind == REALTIME_HEARD_PART)
                buf_add(&parts, e->text);
            if (e->kind == REALTIME_SAID || e->kind == REALTIME_HEARD)
                whole = e->text;
            if (e->kind == REALTIME_ITEM_ADDED) {
                assert_true(e->message);
                assert_true(str_eq(e->role, json_str(m, "role")));
            }
            if (e->kind == REALTIME_SAID || e->kind == REALTIME_AUDIO || e->kind == REALTIME_SAID_PART)
                assert_true(str_eq(e->response, json_str(m, "response_id")));
        }
        assert_true(str_eq(whole, json_str(m, "content")));
        assert_true(str_eq(buf_str(&parts), whole));
        buf_clear(&parts);
    }
    assert_int_equal(told, 5);
}

static const cJSON *account_of(const char *field, str_t value)
{
    const cJSON *account = fixture_json("openai-realtime/two-turn-barge-in.expect.json");

    for (const cJSON *m = json_at(account, "voice_messages_in_conversation_order")->child; m; m = m->next)
        if (str_starts(json_str(m, field), value))
            return m;
    fail_msg("nothing of " STR_FMT, STR_ARG(value));
    return NULL;
}

static int64_t number_of(const cJSON *node, const char *path)
{
    int64_t n = -1;

    assert_true(json_int(node, path, &n));
    return n;
}

static void test_times_tokens_and_outcomes_are_those_of_the_account(void **state)
{
    realtime_event_t events[256];
    size_t n = events_of(TIMELINE, events, COUNT(events));
    int64_t tokens = 0, heard = 0, audio = 0;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const realtime_event_t *e = &events[i];

        if (e->kind == REALTIME_SPEECH_BEGAN)
            assert_int_equal(e->at_ms, number_of(account_of("message_key", e->item), "audio_start_ms"));
        if (e->kind == REALTIME_SPEECH_ENDED)
            assert_int_equal(e->at_ms, number_of(account_of("message_key", e->item), "audio_end_ms"));
        if (e->kind == REALTIME_AUDIO) {
            assert_int_equal(e->bytes, 1600);
            audio++;
        }
        if (e->kind == REALTIME_HEARD)
            heard += e->tokens;
        if (e->kind == REALTIME_RESPONSE_ENDED) {
            bool interrupted = cJSON_IsTrue(json_at(account_of("response_id", e->response), "interrupted"));

            assert_int_equal(e->outcome, interrupted ? OUTCOME_INTERRUPTED : OUTCOME_COMPLETED);
            assert_int_equal(e->fault.kind, FAULT_HARMLESS);
            assert_int_equal(e->tokens, number_of(account_of("response_id", e->response), "tokens_used"));
            assert_int_equal(number_of(e->usage, "total_tokens"), e->tokens);
            assert_true(cJSON_IsArray(e->output));
            tokens += e->tokens;
        }
    }
    assert_int_equal(tokens, 754);
    assert_int_equal(heard, 77);
    assert_int_equal(audio, 35);
}

static void test_places_are_a_chain(void **state)
{
    realtime_event_t events[256];
    size_t n = events_of(TIMELINE, events, COUNT(events));
    str_t last = STR_NONE;

    (void)state;
    for (size_t i = 0; i < n; i++)
        if (events[i].kind == REALTIME_ITEM_ADDED) {
            assert_true(str_eq(events[i].previous, last));
            last = events[i].item;
        } else if (events[i].kind == REALTIME_TURN_TAKEN) {
            assert_true(str_eq(events[i].previous, last));
        }
}

static void assert_same_events(const realtime_event_t *a, const realtime_event_t *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(str_eq(a->session, b->session));
    assert_true(str_eq(a->item, b->item));
    assert_true(str_eq(a->previous, b->previous));
    assert_true(str_eq(a->response, b->response));
    assert_true(str_eq(a->role, b->role));
    assert_true(str_eq(a->text, b->text));
    assert_int_equal(a->telephone, b->telephone);
    assert_int_equal(a->message, b->message);
    assert_int_equal(a->part, b->part);
    assert_int_equal(a->bytes, b->bytes);
    assert_int_equal(a->at_ms, b->at_ms);
    assert_int_equal(a->outcome, b->outcome);
    assert_int_equal(a->tokens, b->tokens);
    assert_int_equal(a->fault.kind, b->fault.kind);
    assert_true(str_eq(a->fault.code, b->fault.code));
}

static void assert_same_output(const cJSON *a, const cJSON *b)
{
    realtime_said_t x, y;

    for (a = a->child, b = b->child; a && b; a = a->next, b = b->next) {
        assert_int_equal(P->said(a, &x), P->said(b, &y));
        assert_true(str_eq(x.item, y.item) && str_eq(x.text, y.text) && x.part == y.part);
    }
    assert_true(!a && !b);
}

static void test_the_beta_says_the_same(void **state)
{
    realtime_event_t now[256], beta[256] = {{.kind = REALTIME_OTHER}};
    size_t n = events_of(TIMELINE, now, COUNT(now));

    (void)state;
    assert_int_equal(events_of(BETA, beta, COUNT(beta)), n);
    for (size_t i = 0; i < n; i++) {
        assert_same_events(&now[i], &beta[i]);
        if (now[i].output)
            assert_same_output(now[i].output, beta[i].output);
    }
}

static void test_the_telephone_is_both_directions(void **state)
{
#define PCMU "{\"format\":{\"type\":\"audio/pcmu\"}}"
#define PCM  "{\"format\":{\"type\":\"audio/pcm\",\"rate\":24000}}"
#define UPDATED(in, out)                                                                                               \
    "{\"type\":\"session.updated\",\"session\":{\"id\":\"s\",\"audio\":{\"input\":" in ",\"output\":" out "}}}"
    (void)state;
    assert_true(read_one(UPDATED(PCMU, PCMU)).telephone);
    assert_false(read_one(UPDATED(PCMU, PCM)).telephone);
    assert_false(read_one(UPDATED(PCM, PCMU)).telephone);
    assert_false(read_one(UPDATED(PCMU, "null")).telephone);
    assert_false(read_one("{\"type\":\"session.updated\",\"session\":{\"input_audio_format\":\"g711_ulaw\","
                          "\"output_audio_format\":\"pcm16\"}}")
                     .telephone);
    assert_false(read_one("{\"type\":\"session.updated\",\"session\":null}").telephone);
}

/* ---- what goes wrong ---- */

typedef struct edge {
    const char *name;
    realtime_kind_t kind;
    realtime_fault_kind_t fault;
} edge_t;

/* Of each edge case the last event. */
static const edge_t EDGES[] = {
    {"bad_api_key", REALTIME_ERROR, FAULT_MISCONFIGURED},
    {"no_authorization", REALTIME_ERROR, FAULT_MISCONFIGURED},
    {"beta_header", REALTIME_ERROR, FAULT_MISCONFIGURED},
    {"bad_model", REALTIME_ERROR, FAULT_MISCONFIGURED},
    {"missing_model", REALTIME_ERROR, FAULT_MISCONFIGURED},
    {"unknown_parameter", REALTIME_ERROR, FAULT_SETTINGS},
    {"pcm_rate", REALTIME_ERROR, FAULT_SETTINGS},
    {"truncate_too_long", REALTIME_ERROR, FAULT_HARMLESS},
    {"truncate_no_audio_yet", REALTIME_ERROR, FAULT_HARMLESS},
    {"cancel_nothing", REALTIME_ERROR, FAULT_HARMLESS},
    {"response_already_active", REALTIME_ERROR, FAULT_HARMLESS},
    {"commit_empty", REALTIME_ERROR, FAULT_HARMLESS},
    {"invalid_json", REALTIME_ERROR, FAULT_HARMLESS},
    {"binary_frame", REALTIME_ERROR, FAULT_HARMLESS},
    {"session_expired", REALTIME_ERROR, FAULT_EXPIRED},
    {"server_error", REALTIME_ERROR, FAULT_SERVER},
    {"transcription_failed", REALTIME_HEARD_FAILED, FAULT_SERVER},
    {"transcription_empty", REALTIME_HEARD, FAULT_HARMLESS},
    {"transcription_usage_by_duration", REALTIME_HEARD, FAULT_HARMLESS},
    {"response_failed_quota", REALTIME_RESPONSE_ENDED, FAULT_QUOTA},
    {"response_incomplete", REALTIME_RESPONSE_ENDED, FAULT_HARMLESS},
    {"response_done_without_created", REALTIME_RESPONSE_ENDED, FAULT_HARMLESS},
    {"function_call_after_message", REALTIME_RESPONSE_ENDED, FAULT_HARMLESS},
    {"duplicate_final", REALTIME_RESPONSE_ENDED, FAULT_HARMLESS},
    {"unknown_event", REALTIME_OTHER, FAULT_HARMLESS},
};

static realtime_event_t last_of(const cJSON *edge)
{
    const cJSON *event = json_at(edge, "events")->child;

    while (event->next)
        event = event->next;
    return read_text(print(event));
}

static realtime_event_t read_edge(const char *name)
{
    for (const cJSON *edge = fixture_json("openai-realtime/edge-cases.json")->child; edge; edge = edge->next)
        if (str_eq(json_str(edge, "name"), str_from(name)))
            return last_of(edge);
    fail_msg("no edge case %s", name);
    return (realtime_event_t){.kind = REALTIME_OTHER};
}

static void test_every_edge_case_has_its_class(void **state)
{
    size_t n = 0;

    (void)state;
    for (const cJSON *edge = fixture_json("openai-realtime/edge-cases.json")->child; edge; edge = edge->next, n++) {
        realtime_event_t e = last_of(edge);

        assert_str(json_str(edge, "name"), EDGES[n].name);
        if (e.kind != EDGES[n].kind || e.fault.kind != EDGES[n].fault)
            fail_msg("%s: kind %d, fault %d", EDGES[n].name, e.kind, e.fault.kind);
        if (json_at(edge, "then_close"))
            assert_int_equal(P->closed((int)number_of(edge, "then_close.code")), EDGES[n].fault);
    }
    assert_int_equal(n, COUNT(EDGES));
}

static void test_what_edge_cases_tell_besides(void **state)
{
    realtime_event_t e = read_edge("unknown_parameter");

    (void)state;
    assert_str(e.of_event, "cfg_1");
    assert_str(e.fault.code, "unknown_parameter");
    assert_str(e.fault.param, "session.bogus_field");
    assert_absent(read_edge("bad_model").of_event);
    e = read_edge("transcription_failed");
    assert_str(e.item, "item_DcEdgeFail0000000001");
    assert_absent(e.fault.code);
    e = read_edge("transcription_empty");
    assert_true(str_is_empty(e.text));
    assert_int_equal(e.tokens, 7);
    e = read_edge("transcription_usage_by_duration");
    assert_str(e.text, "Hello.");
    assert_int_equal(e.tokens, 0);
    assert_str(json_str(e.usage, "type"), "duration");
    e = read_edge("response_failed_quota");
    assert_int_equal(e.outcome, OUTCOME_FAILED);
    assert_str(e.fault.code, "insufficient_quota");
    e = read_edge("response_incomplete");
    assert_int_equal(e.outcome, OUTCOME_CUT);
    assert_str(e.fault.code, "max_output_tokens");
    assert_int_equal(e.tokens, 330);
    e = read_edge("response_done_without_created");
    assert_int_equal(e.outcome, OUTCOME_INTERRUPTED);
    assert_int_equal(e.tokens, 170);
    assert_null(e.output->child);
    assert_str(read_edge("unknown_event").type, "response.future_thing");
}

static void test_only_messages_are_said(void **state)
{
    const cJSON *output = read_edge("function_call_after_message").output;
    realtime_said_t s;

    (void)state;
    assert_true(P->said(output->child, &s));
    assert_str(s.item, "item_DcEdgeToolMsg000001");
    assert_str(s.text, "Let me check.");
    assert_int_equal(s.part, 0);
    assert_false(P->said(output->child->next, &s));
    assert_false(P->said(NULL, &s));
    assert_true(P->said(json_parse(test_arena,
                                   STR("{\"type\":\"message\",\"id\":\"i\",\"content\":[{\"type\":\"output_audio\","
                                       "\"transcript\":null},7,{\"type\":\"text\",\"text\":\"So.\"}]}"),
                                   NULL),
                        &s));
    assert_str(s.text, "So.");
    assert_int_equal(s.part, 2);
    assert_true(P->said(json_parse(test_arena, STR("{\"type\":\"message\",\"content\":null}"), NULL), &s));
    assert_absent(s.text);
    assert_absent(s.item);
}

static realtime_fault_t fault_of(const char *error)
{
    return read_text(arena_printf(test_arena, "{\"type\":\"error\",\"error\":%s}", error)).fault;
}

static void test_a_fault_is_classed_by_code_then_type_then_message(void **state)
{
    static const struct {
        const char *error;
        realtime_fault_kind_t kind;
    } CASES[] = {
        {"{\"code\":\"invalid_value\",\"param\":\"session.audio.input.transcription.model\"}", FAULT_TRANSCRIBER},
        {"{\"code\":\"model_not_found\",\"param\":\"session.audio.input.transcription\"}", FAULT_TRANSCRIBER},
        {"{\"code\":\"invalid_value\",\"param\":\"session.input_audio_transcription.model\"}", FAULT_TRANSCRIBER},
        {"{\"code\":\"invalid_value\",\"param\":\"session.audio.input.transcription_of_others\"}", FAULT_SETTINGS},
        {"{\"message\":\"Turn detection is not supported for this transcription model.\","
         "\"param\":\"session.audio.input.turn_detection\"}",
         FAULT_TRANSCRIBER},
        {"{\"code\":\"invalid_value\",\"param\":\"session.audio.output.voice\"}", FAULT_SETTINGS},
        {"{\"code\":\"missing_required_parameter\",\"param\":\"session.type\"}", FAULT_SETTINGS},
        {"{\"code\":\"invalid_type\",\"param\":\"session\"}", FAULT_SETTINGS},
        {"{\"code\":\"invalid_model\",\"param\":\"session.model\"}", FAULT_MISCONFIGURED},
        {"{\"code\":\"invalid_value\",\"param\":\"item.content[0].type\"}", FAULT_HARMLESS},
        {"{\"code\":\"invalid_value\",\"param\":\"sessions\"}", FAULT_HARMLESS},
        {"{\"type\":\"insufficient_quota\",\"code\":null}", FAULT_QUOTA},
        {"{\"type\":\"invalid_request_error\",\"code\":\"rate_limit_exceeded\"}", FAULT_BUSY},
        {"{\"type\":\"server_error\",\"code\":\"new_in_2027\"}", FAULT_SERVER},
        {"{\"message\":\"Your session hit the maximum duration of 60 minutes.\"}", FAULT_EXPIRED},
        {"{\"code\":\"item_truncate_invalid_item_id\"}", FAULT_HARMLESS},
        {"{}", FAULT_HARMLESS},
        {"null", FAULT_HARMLESS},
        {"\"invalid_api_key\"", FAULT_HARMLESS},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        if (fault_of(CASES[i].error).kind != CASES[i].kind)
            fail_msg("%s: %d", CASES[i].error, fault_of(CASES[i].error).kind);
}

static void test_a_transcriber_that_is_not_ours_is_no_fault_of_the_session(void **state)
{
    realtime_event_t e = read_one("{\"type\":\"conversation.item.input_audio_transcription.failed\",\"item_id\":\"i\","
                                  "\"error\":{\"code\":\"model_not_found\",\"message\":\"No access.\"}}");

    (void)state;
    assert_int_equal(e.kind, REALTIME_HEARD_FAILED);
    assert_int_equal(e.fault.kind, FAULT_TRANSCRIBER);
    assert_str(e.fault.message, "No access.");
}

static realtime_event_t ended(const char *response)
{
    return read_text(arena_printf(test_arena, "{\"type\":\"response.done\",\"response\":%s}", response));
}

static void test_how_a_response_failed(void **state)
{
    realtime_event_t e =
        ended("{\"status\":\"failed\",\"status_details\":{\"error\":{\"code\":\"rate_limit_exceeded\"}}}");

    (void)state;
    assert_int_equal(e.outcome, OUTCOME_FAILED);
    assert_int_equal(e.fault.kind, FAULT_BUSY);
    e = ended("{\"status\":\"failed\",\"status_details\":\"upstream sk-abc gone\"}");
    assert_int_equal(e.fault.kind, FAULT_SERVER);
    assert_str(e.fault.message, "upstream [redacted] gone");
    e = ended("{\"status\":\"failed\",\"status_details\":\"insufficient_quota\"}");
    assert_int_equal(e.fault.kind, FAULT_QUOTA);
    assert_int_equal(ended("{\"status\":\"failed\",\"status_details\":null}").fault.kind, FAULT_SERVER);
    e = ended("{\"status\":\"failed\",\"status_details\":{\"error\":{\"code\":\"invalid_api_key\"}}}");
    assert_int_equal(e.fault.kind, FAULT_SERVER);
    e = ended("{\"status\":null,\"status_details\":{\"error\":{\"message\":\"no\"}}}");
    assert_int_equal(e.outcome, OUTCOME_FAILED);
    assert_int_equal(ended("{\"status\":\"new\"}").outcome, OUTCOME_COMPLETED);
    e = ended("{\"status\":\"cancelled\",\"status_details\":\"turn_detected\"}");
    assert_int_equal(e.outcome, OUTCOME_INTERRUPTED);
    assert_absent(e.fault.code);
}

static void test_what_a_close_means(void **state)
{
    (void)state;
    assert_int_equal(P->closed(3000), FAULT_MISCONFIGURED);
    assert_int_equal(P->closed(4000), FAULT_MISCONFIGURED);
    assert_int_equal(P->closed(1001), FAULT_EXPIRED);
    assert_int_equal(P->closed(1000), FAULT_SERVER);
    assert_int_equal(P->closed(1006), FAULT_SERVER);
    assert_int_equal(P->closed(1013), FAULT_SERVER);
    assert_int_equal(P->closed(0), FAULT_SERVER);
}

static void test_no_part_of_a_key_is_told(void **state)
{
    static const struct {
        const char *told, *kept;
    } CASES[] = {
        {"provided: sk-test***. You can", "provided: [redacted]. You can"},
        {"sk-proj-aB_c-9", "[redacted]"},
        {"(sk-ab...yz), 'sk-ab…yz'; key=sk-1 sk-", "([redacted]), '[redacted]'; key=[redacted] [redacted]"},
        {"x.sk-abc _sk-abc", "x.[redacted] _[redacted]"},
        {"whsec_12******89 is no key", "[redacted] is no key"},
        {"the task-force of disk-1, “sk”", "the task-force of disk-1, “sk”"},
        {"“sk-abc“ é sk-é", "“[redacted]“ é [redacted]é"},
        {"a * b... c…", "a * b... c…"},
        {"sk-abc...", "[redacted]..."},
        {"... ...sk-abc.... ..", "... ...[redacted].... .."},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        const char *error = arena_printf(test_arena, "{\"code\":\"%s\",\"message\":\"%s\",\"param\":\"%s\"}",
                                         CASES[i].told, CASES[i].told, CASES[i].told)
                                .base;
        realtime_fault_t f = fault_of(error);

        assert_str(f.message, CASES[i].kept);
        assert_str(f.code, CASES[i].kept);
        assert_str(f.param, CASES[i].kept);
    }
    assert_str(read_edge("bad_api_key").fault.message,
               "Incorrect API key provided: [redacted]. You can find your API key at "
               "https://platform.openai.com/account/api-keys.");
}

/* ---- strange values ---- */

/* UTF-8 without NUL: cleaning finds nothing to do. */
static void assert_text(str_t s)
{
    buf_t quoted = BUF_EMPTY;
    str_t clean;

    json_escape(&quoted, s);
    assert_true(json_clean(test_arena, buf_str(&quoted), (json_redact_t){NULL}, &clean, NULL));
    assert_true(str_eq(clean, buf_str(&quoted)));
    assert_null(s.len ? memchr(s.base, '\0', s.len) : NULL);
    buf_clear(&quoted);
}

static void assert_bounds(const realtime_event_t *e)
{
    const str_t texts[] = {e->type, e->session, e->model,    e->item,       e->previous,      e->response,
                           e->role, e->text,    e->of_event, e->fault.code, e->fault.message, e->fault.param};

    for (size_t i = 0; i < COUNT(texts); i++)
        assert_text(texts[i]);
    assert_false(holds(e->fault.code, "sk-") || holds(e->fault.message, "sk-") || holds(e->fault.param, "sk-"));
    assert_true(e->kind >= REALTIME_OTHER && e->kind <= REALTIME_ERROR);
    assert_true(e->fault.kind >= FAULT_HARMLESS && e->fault.kind <= FAULT_SERVER);
    assert_true(e->part >= 0 && e->at_ms >= 0 && e->at_ms <= INT32_MAX);
    assert_true(e->tokens >= 0 && e->tokens <= INT32_MAX);
    assert_true(e->expires_s >= 0 && e->expires_s <= INT64_C(253402300799));
    assert_true(e->bytes <= e->text.len);
    assert_true(!e->usage || cJSON_IsObject(e->usage));
    assert_true(!e->output || cJSON_IsArray(e->output));
}

static void read_strange(const cJSON *root)
{
    realtime_event_t e;
    realtime_said_t s;

    if (!P->read(test_arena, print(root), &e, NULL)) {
        assert_true(!cJSON_IsObject(root) || str_is_empty(json_str(root, "type")));
        return;
    }
    assert_bounds(&e);
    for (const cJSON *item = e.output ? e.output->child : NULL; item; item = item->next)
        if (P->said(item, &s)) {
            assert_text(s.text);
            assert_true(s.part >= 0);
        }
}

/* Every value, once in place of each node of the tree. */
static void make_strange(const cJSON *root, cJSON *node)
{
    static char text[] = "\xef\xbf\xbd sk-x";
    cJSON empty_object = {.type = cJSON_Object}, empty_array = {.type = cJSON_Array};
    const cJSON values[] = {
        {.type = cJSON_NULL},
        {.type = cJSON_True},
        {.type = cJSON_Number, .valuedouble = 1e308},
        {.type = cJSON_Number, .valuedouble = -1},
        {.type = cJSON_Number, .valuedouble = 0.5},
        {.type = cJSON_Number, .valuedouble = 9007199254740993.0},
        {.type = cJSON_String, .valuestring = text},
        {.type = cJSON_Object},
        {.type = cJSON_Array},
        {.type = cJSON_Array, .child = &empty_object},
        {.type = cJSON_Object, .child = &empty_array},
    };
    cJSON kept = *node;

    empty_array.string = text;
    for (size_t i = 0; i < COUNT(values); i++) {
        *node = values[i];
        node->next = kept.next;
        node->prev = kept.prev;
        node->string = kept.string;
        read_strange(root);
    }
    *node = kept;
    for (cJSON *child = node->child; child; child = child->next)
        make_strange(root, child);
}

static void strange(const cJSON *event)
{
    cJSON *copy = json_parse(test_arena, print(event), NULL);

    assert_non_null(copy);
    make_strange(copy, copy);
}

static void strange_events(const char *path)
{
    const cJSON *messages[256];
    size_t n = timeline(path, "openai", messages, COUNT(messages));

    for (size_t i = 0; i < n; i++) {
        str_t type = json_str(messages[i], "type");
        bool seen = false;

        for (size_t j = 0; j < i; j++)
            seen = seen || str_eq(type, json_str(messages[j], "type"));
        if (!seen) /* one of each type */
            strange(messages[i]);
    }
}

static void test_whatever_stands_in_the_place_of_a_value(void **state)
{
    (void)state;
    strange_events(TIMELINE);
    strange_events(BETA);
    for (const cJSON *edge = fixture_json("openai-realtime/edge-cases.json")->child; edge; edge = edge->next)
        for (const cJSON *event = json_at(edge, "events")->child; event; event = event->next)
            strange(event);
}

static void test_what_cannot_be_used_is_absent(void **state)
{
    realtime_event_t e = read_one("{\"type\":\"response.output_audio.delta\",\"delta\":\"no base64\"}");

    (void)state;
    assert_int_equal(e.kind, REALTIME_OTHER);
    assert_absent(e.text);
    assert_str(e.type, "response.output_audio.delta");
    e = read_one("{\"type\":\"response.output_audio.delta\",\"delta\":null}");
    assert_int_equal(e.kind, REALTIME_AUDIO);
    assert_int_equal(e.bytes, 0);
    e = read_one("{\"type\":\"response.output_audio.delta\",\"delta\":\"AAA=\",\"content_index\":4294967296}");
    assert_int_equal(e.bytes, 2);
    assert_int_equal(e.part, 0);
    e = read_one("{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":-5,\"item_id\":7}");
    assert_int_equal(e.at_ms, 0);
    assert_absent(e.item);
    e = read_one("{\"type\":\"session.created\",\"session\":{\"expires_at\":1e18}}");
    assert_int_equal(e.expires_s, 0);
    e = read_one("{\"type\":\"conversation.item.added\",\"item\":{\"id\":\"i\",\"type\":\"function_call\"}}");
    assert_int_equal(e.kind, REALTIME_ITEM_ADDED);
    assert_false(e.message);
    assert_int_equal(read_one("{\"type\":\"input_audio_buffer.timeout_triggered\",\"item_id\":\"i\"}").kind,
                     REALTIME_TURN_EMPTY);
    assert_str(
        read_one("{\"type\":\"conversation.item.input_audio_transcription.delta\",\"delta\":\"a\\ud800\\u0000\"}").text,
        "a\xef\xbf\xbd\xef\xbf\xbd");
}

static str_t nested(size_t depth)
{
    buf_t out = BUF_EMPTY;
    str_t text;

    buf_add(&out, STR("{\"type\":\"response.done\",\"response\":"));
    for (size_t i = 0; i < depth; i++)
        buf_add(&out, STR("{\"output\":["));
    for (size_t i = 0; i < depth; i++)
        buf_add(&out, STR("]}"));
    buf_addc(&out, '}');
    text = arena_dup(test_arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

static void test_what_is_no_event_is_refused(void **state)
{
    const str_t none[] = {STR(""),
                          STR("x"),
                          STR("[]"),
                          STR("5"),
                          STR("null"),
                          STR("{}"),
                          STR("\"type\""),
                          STR("{\"type\":5}"),
                          STR("{\"type\":\"\"}"),
                          STR("{\"type\":\"error\""),
                          nested(200),
                          nested(100000)};
    realtime_event_t e;

    (void)state;
    for (size_t i = 0; i < COUNT(none); i++) {
        err_t err = {.code = ERR_NONE};

        assert_false(P->read(test_arena, none[i], &e, &err));
        assert_int_equal(err.code, ERR_UNPARSABLE);
        assert_true(err.detail[0]);
    }
    assert_int_equal(read_text(nested(20)).kind, REALTIME_RESPONSE_ENDED);
}

/* ---- audio, by hand ---- */

#define DELTA                                                                                                          \
    "{\"type\":\"response.output_audio.delta\",\"event_id\":\"event_1\",\"response_id\":\"resp_1\",\"item_id\":"       \
    "\"item-2\","                                                                                                      \
    "\"output_index\":0,\"content_index\":3,\"delta\":\"/76vqKOfnp6foQ==\"}"

/* A blank before it, and cJSON reads it. */
static bool read_slowly(str_t text, realtime_event_t *out)
{
    return P->read(test_arena, arena_concat(test_arena, (const str_t[]){STR(" "), text}, 2), out, NULL);
}

static void assert_same_audio(const realtime_event_t *a, const realtime_event_t *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_true(str_eq(a->type, b->type));
    assert_true(str_eq(a->response, b->response));
    assert_true(str_eq(a->item, b->item));
    assert_int_equal(a->part, b->part);
    assert_true(str_eq(a->text, b->text));
    assert_int_equal(a->bytes, b->bytes);
}

/* With any of its bytes another one, or left out: by hand and by cJSON it is the same, or no event both times. */
static void test_audio_is_read_by_hand_as_by_cjson(void **state)
{
    static const char OTHERS[] = "\"\\{}:,0129-+. /=aZ_\x01\x7f\xc3";
    realtime_event_t fast = read_one(DELTA), slow;

    (void)state;
    assert_int_equal(fast.kind, REALTIME_AUDIO);
    assert_str(fast.response, "resp_1");
    assert_str(fast.item, "item-2");
    assert_int_equal(fast.part, 3);
    assert_str(fast.text, "/76vqKOfnp6foQ==");
    assert_int_equal(fast.bytes, 10);
    for (size_t at = 0; at < sizeof(DELTA) - 1; at++)
        for (size_t i = 0; i < sizeof(OTHERS); i++) {
            char text[] = DELTA;
            size_t len = sizeof(DELTA) - 1;

            if (OTHERS[i])
                text[at] = OTHERS[i];
            else
                memmove(text + at, text + at + 1, --len - at);
            if (P->read(test_arena, (str_t){text, len}, &fast, NULL)) {
                assert_true(read_slowly((str_t){text, len}, &slow));
                assert_same_audio(&fast, &slow);
            } else {
                assert_false(read_slowly((str_t){text, len}, &slow));
            }
        }
}

/* ---- writing ---- */

static const cJSON *written(buf_t *out)
{
    err_t err = {.code = ERR_NONE};
    const cJSON *root = json_parse(test_arena, arena_dup(test_arena, buf_str(out)), &err);

    if (!root)
        fail_msg("%s", err.detail);
    buf_clear(out);
    return root;
}

static void assert_written_(buf_t *out, const char *expected, int line)
{
    const cJSON *want = json_parse(test_arena, str_from(expected), NULL), *root = written(out);

    assert_non_null(want);
    if (!cJSON_Compare(root, want, true))
        fail_msg("line %d: wrote " STR_FMT, line, STR_ARG(print(root)));
}
#define assert_written(out, expected) assert_written_(out, expected, __LINE__)

/* The message of the sample's bridge with this type. */
static const char *sample_of(const char *type)
{
    const cJSON *messages[64];
    size_t n = timeline(TIMELINE, "bridge_to_openai", messages, COUNT(messages));

    for (size_t i = 0; i < n; i++)
        if (str_eq(json_str(messages[i], "type"), str_from(type)))
            return print(messages[i]).base;
    fail_msg("no %s", type);
    return NULL;
}

#define VAD                                                                                                            \
    "\"noise_reduction\":null,\"turn_detection\":{\"type\":\"server_vad\",\"threshold\":0.5,\"prefix_padding_ms\":"    \
    "300,"                                                                                                             \
    "\"silence_duration_ms\":500,\"create_response\":true,\"interrupt_response\":true}"

static void test_the_session_is_configured_as_in_the_sample(void **state)
{
    realtime_config_t c = {.model = STR("gpt-realtime-2.1"),
                           .voice = STR("marin"),
                           .instructions = STR("You answer the phone for Acme Plumbing. Be brief."),
                           .transcriber = STR("gpt-4o-mini-transcribe"),
                           .language = STR("en")};
    cJSON *sample = json_parse(test_arena, str_from(sample_of("session.update")), NULL), *input;
    buf_t out = BUF_EMPTY;

    (void)state;
    P->configure(&out, &c, STR("cfg_1"));
    input = cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetObjectItem(sample, "session"), "audio"), "input");
    arena_set_current(test_arena);
    cJSON_AddNullToObject(input, "noise_reduction");
    arena_set_current(NULL);
    assert_written(&out, print(sample).base);
}

static void test_what_is_not_set_is_left_to_the_provider(void **state)
{
    realtime_config_t c = {.transcriber = STR_NONE, .language = STR("en")};
    buf_t out = BUF_EMPTY;

    (void)state;
    P->configure(&out, &c, STR_NONE);
    assert_written(&out,
                   "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"output_modalities\":[\"audio\"],"
                   "\"audio\":{\"input\":{\"format\":{\"type\":\"audio/pcmu\"},\"transcription\":null," VAD
                   "},\"output\":{\"format\":{\"type\":\"audio/pcmu\"}}}}}");
}

static void test_a_transcriber_is_told_the_language_in_its_own_way(void **state)
{
    static const struct {
        const char *model, *language, *transcription;
    } CASES[] = {
        {"whisper-1", "de", "{\"model\":\"whisper-1\",\"language\":\"de\"}"},
        {"gpt-4o-transcribe", "de", "{\"model\":\"gpt-4o-transcribe\",\"language\":\"de\"}"},
        {"gpt-realtime-whisper", "de", "{\"model\":\"gpt-realtime-whisper\",\"language\":\"de\"}"},
        {"gpt-transcribe", "de", "{\"model\":\"gpt-transcribe\",\"languages\":[\"de\"]}"},
        {"gpt-transcribe-2026-09-01", "de", "{\"model\":\"gpt-transcribe-2026-09-01\",\"languages\":[\"de\"]}"},
        {"gpt-live-transcribe", "de", "{\"model\":\"gpt-live-transcribe\",\"languages\":[\"de\"]}"},
        {"gpt-transcribe", NULL, "{\"model\":\"gpt-transcribe\"}"},
        {"whisper-1", NULL, "{\"model\":\"whisper-1\"}"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        realtime_config_t c = {.transcriber = str_from(CASES[i].model), .language = str_from(CASES[i].language)};
        buf_t out = BUF_EMPTY;
        const cJSON *root;

        P->configure(&out, &c, STR("e"));
        root = written(&out);
        assert_true(same_node(json_at(root, "session.audio.input.transcription"),
                              json_parse(test_arena, str_from(CASES[i].transcription), NULL)));
    }
}

static void test_the_others_are_written_as_in_the_sample(void **state)
{
    buf_t out = BUF_EMPTY;

    (void)state;
    P->speak(&out, STR("Greet the caller and ask how you can help."), STR("greet_1"));
    assert_written(&out, sample_of("response.create"));
    P->truncate(&out, STR("item_DcA1longanswer0000001"), 0, 800, STR("trunc_1"));
    assert_written(&out, sample_of("conversation.item.truncate"));
    P->speak(&out, STR_NONE, STR_NONE);
    assert_written(&out, "{\"type\":\"response.create\"}");
    P->forget(&out, STR("item_1"));
    assert_written(&out, "{\"type\":\"conversation.item.delete\",\"item_id\":\"item_1\"}");
    P->recall(&out, STR("hk_1"), STR("user"), STR("I have a leak."));
    assert_written(&out,
                   "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"id\":\"hk_1\",\"role\":"
                   "\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"I have a leak.\"}]}}");
    P->recall(&out, STR("hk_2"), STR("assistant"), STR("Sure."));
    assert_written(&out,
                   "{\"type\":\"conversation.item.create\",\"item\":{\"type\":\"message\",\"id\":\"hk_2\",\"role\":"
                   "\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"Sure.\"}]}}");
    P->stop_answering(&out);
    assert_written(&out, "{\"type\":\"session.update\",\"session\":{\"type\":\"realtime\",\"audio\":{\"input\":"
                         "{\"turn_detection\":null}}}}");
    P->end_turn(&out, STR_NONE);
    assert_written(&out, "{\"type\":\"input_audio_buffer.commit\"}");
    P->hear(&out, STR("//+AAA=="));
    assert_written(&out, "{\"type\":\"input_audio_buffer.append\",\"audio\":\"//+AAA==\"}");
}

static void test_a_message_is_added_behind_what_is_there(void **state)
{
    buf_t out = BUF_EMPTY;

    (void)state;
    buf_add(&out, STR("before "));
    P->hear(&out, STR("AAAA"));
    P->end_turn(&out, STR_NONE);
    assert_str(buf_str(&out), "before {\"type\":\"input_audio_buffer.append\",\"audio\":\"AAAA\"}"
                              "{\"type\":\"input_audio_buffer.commit\"}");
    buf_clear(&out);
}

static void test_text_is_escaped(void **state)
{
    static const char HOSTILE[] = "a\"b\\c\n\x01 \xff é";
    realtime_config_t c = {.model = STR(HOSTILE),
                           .voice = STR(HOSTILE),
                           .instructions = STR(HOSTILE),
                           .transcriber = STR(HOSTILE),
                           .language = STR(HOSTILE)};
    buf_t out = BUF_EMPTY;

    (void)state;
    P->configure(&out, &c, STR(HOSTILE));
    assert_str(json_str(written(&out), "session.instructions"), "a\"b\\c\n\x01 \xef\xbf\xbd é");
    P->speak(&out, STR(HOSTILE), STR(HOSTILE));
    assert_str(json_str(written(&out), "event_id"), "a\"b\\c\n\x01 \xef\xbf\xbd é");
    P->truncate(&out, STR(HOSTILE), 1, 2, STR(HOSTILE));
    assert_str(json_str(written(&out), "item_id"), "a\"b\\c\n\x01 \xef\xbf\xbd é");
    P->forget(&out, STR(HOSTILE));
    assert_str(json_str(written(&out), "item_id"), "a\"b\\c\n\x01 \xef\xbf\xbd é");
    P->recall(&out, STR(HOSTILE), STR(HOSTILE), STR(HOSTILE));
    assert_str(json_str(written(&out), "item.content.0.text"), "a\"b\\c\n\x01 \xef\xbf\xbd é");
}

static void test_where_a_session_is_opened(void **state)
{
    static const struct {
        const char *base, *model, *address;
    } CASES[] = {
        {"wss://api.openai.com/v1/realtime", "gpt-realtime-2.1",
         "wss://api.openai.com/v1/realtime?model=gpt-realtime-2.1"},
        {"wss://h/v1/realtime?api-version=1", "m", "wss://h/v1/realtime?api-version=1&model=m"},
        {"wss://h/r", "a&b=c/d?e#f+g%h", "wss://h/r?model=a%26b%3Dc%2Fd%3Fe%23f%2Bg%25h"},
        {"wss://h/r", NULL, "wss://h/r"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++)
        assert_str(P->address(test_arena, str_from(CASES[i].base), str_from(CASES[i].model)), CASES[i].address);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_event_of_a_call_has_its_kind),
        provider_test(test_the_session_is_told),
        provider_test(test_the_words_are_those_of_the_account),
        provider_test(test_times_tokens_and_outcomes_are_those_of_the_account),
        provider_test(test_places_are_a_chain),
        provider_test(test_the_beta_says_the_same),
        provider_test(test_the_telephone_is_both_directions),
        provider_test(test_every_edge_case_has_its_class),
        provider_test(test_what_edge_cases_tell_besides),
        provider_test(test_only_messages_are_said),
        provider_test(test_a_fault_is_classed_by_code_then_type_then_message),
        provider_test(test_a_transcriber_that_is_not_ours_is_no_fault_of_the_session),
        provider_test(test_how_a_response_failed),
        provider_test(test_what_a_close_means),
        provider_test(test_no_part_of_a_key_is_told),
        provider_test(test_whatever_stands_in_the_place_of_a_value),
        provider_test(test_what_cannot_be_used_is_absent),
        provider_test(test_what_is_no_event_is_refused),
        provider_test(test_audio_is_read_by_hand_as_by_cjson),
        provider_test(test_the_session_is_configured_as_in_the_sample),
        provider_test(test_what_is_not_set_is_left_to_the_provider),
        provider_test(test_a_transcriber_is_told_the_language_in_its_own_way),
        provider_test(test_the_others_are_written_as_in_the_sample),
        provider_test(test_a_message_is_added_behind_what_is_there),
        provider_test(test_text_is_escaped),
        provider_test(test_where_a_session_is_opened),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
