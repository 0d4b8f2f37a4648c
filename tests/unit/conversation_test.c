/* conversation_test.c – what is told of a call: a whole sample conversation, and turns that go wrong. */
#include "media/conversation.h"

#include "base/clock.h"
#include "unit.h"

#include <stdio.h>

#define SAMPLE FIXTURES "/openai-realtime/two-turn-barge-in.jsonl"

/* What was told, as last revised: by item, or by response where there is no item. */
typedef struct told {
    char key[64], state[16], role[16], text[256], model[64];
    int64_t revision, position, tokens, began_us, ended_us;
    bool interrupted;
    const cJSON *details;
} told_t;

static arena_t *arena;
static conversation_t *c;
static told_t told[32];
static size_t n_told;
static char order[1024]; /* of tellings: "item/state " … */

static void copy(char *out, size_t room, str_t text)
{
    (void)snprintf(out, room, STR_FMT, STR_ARG(text));
}

static void on_told(void *ctx, const utterance_t *u)
{
    char key[64];
    told_t *t = NULL;
    err_t err;

    assert_ptr_equal(ctx, told);
    if (str_is_empty(u->item))
        copy(key, sizeof(key), u->response);
    else
        (void)snprintf(key, sizeof(key), STR_FMT ":%d", STR_ARG(u->item), u->part);
    for (size_t i = 0; i < n_told; i++)
        if (strcmp(told[i].key, key) == 0)
            t = &told[i];
    if (!t) {
        assert_true(n_told < COUNT(told));
        t = &told[n_told++];
        assert_int_equal(u->revision, 1);
        (void)snprintf(t->key, sizeof(t->key), "%s", key);
    } else {
        assert_int_equal(u->revision, t->revision + 1);
        assert_int_equal(u->position, t->position);
    }
    t->revision = u->revision;
    t->position = u->position;
    t->tokens = u->tokens;
    t->interrupted = u->interrupted;
    t->began_us = u->began_us;
    t->ended_us = u->ended_us;
    (void)snprintf(t->state, sizeof(t->state), "%s", u->state);
    (void)snprintf(t->role, sizeof(t->role), "%s", u->role);
    copy(t->text, sizeof(t->text), u->text);
    copy(t->model, sizeof(t->model), u->model);
    t->details = json_parse(arena, arena_dup(arena, u->details), &err);
    assert_non_null(t->details);
    (void)snprintf(order + strlen(order), sizeof(order) - strlen(order), "%s/%s ", key, u->state);
}

static int set_up(void **state)
{
    (void)state;
    json_init();
    arena = arena_new(65536);
    c = conversation_new(&REALTIME_OPENAI, on_told, told);
    conversation_begin(c, STR("sess_1"), STR("gpt-x"), STR("writer-x"));
    memset(told, 0, sizeof(told));
    n_told = 0;
    order[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    conversation_free(c);
    arena_free(arena);
    return 0;
}

static const told_t *find(const char *key)
{
    for (size_t i = 0; i < n_told; i++)
        if (strcmp(told[i].key, key) == 0)
            return &told[i];
    fail_msg("nothing was told of %s; but: %s", key, order);
    return NULL;
}

static int64_t detail(const told_t *t, const char *name)
{
    int64_t n;

    if (!json_int(t->details, name, &n))
        fail_msg("%s: no %s", t->key, name);
    return n;
}

static void take_at(str_t json, int64_t wall_us)
{
    realtime_event_t e;
    err_t err;

    if (!REALTIME_OPENAI.read(arena, arena_dup(arena, json), &e, &err))
        fail_msg("%s: " STR_FMT, err.detail, STR_ARG(json));
    conversation_take(c, &e, wall_us);
}

static void take(const char *json)
{
    take_at(str_from(json), US_PER_S);
}

/* ---- the sample ---- */

static str_t read_file(const char *path)
{
    buf_t out = BUF_EMPTY;
    FILE *f = fopen(path, "r");
    int ch;
    str_t text;

    assert_non_null(f);
    while ((ch = fgetc(f)) != EOF)
        buf_addc(&out, (char)ch);
    (void)fclose(f);
    text = arena_dup(arena, buf_str(&out));
    buf_clear(&out);
    return text;
}

static void test_the_sample(void **state)
{
    str_t rest, line;
    err_t err;

    (void)state;
    rest = read_file(SAMPLE);
    while (str_split(&rest, '\n', &line)) {
        const cJSON *root = line.len ? json_parse(arena, line, &err) : NULL;
        const cJSON *event = json_at(root, "event");
        int64_t t;

        if (!event || !json_int(root, "t", &t) || !str_eq(json_str(root, "from"), STR("openai")))
            continue;
        if (str_eq(json_str(event, "type"), STR("input_audio_buffer.speech_started")) && t > 7000) {
            const playback_cut_t cut = {STR("item_DcA1longanswer0000001"), 0, 800, 3200};

            conversation_interrupted(c, &cut, t * US_PER_MS);
        }
        take_at(json_print(arena, event), t * US_PER_MS);
    }
    assert_string_equal(order, "item_DcA0greeting000000001:0/final item_DcA0greeting000000001:0/counted "
                               "item_DcU1firstquestion0001:0/final "
                               "item_DcA1longanswer0000001:0/final item_DcA1longanswer0000001:0/counted "
                               "item_DcA2shortanswer000001:0/final item_DcA2shortanswer000001:0/counted "
                               "item_DcU2interruption00001:0/final ");
    assert_int_equal(find("item_DcA0greeting000000001:0")->position, 1);
    assert_int_equal(find("item_DcU1firstquestion0001:0")->position, 2);
    assert_int_equal(find("item_DcA1longanswer0000001:0")->position, 3);
    assert_int_equal(find("item_DcU2interruption00001:0")->position, 4);
    assert_int_equal(find("item_DcA2shortanswer000001:0")->position, 5);
    assert_int_equal(find("item_DcA0greeting000000001:0")->tokens, 173);
    assert_int_equal(find("item_DcA1longanswer0000001:0")->tokens, 288);
    assert_int_equal(conversation_tokens(c), 754);
    assert_int_equal(conversation_count(c), 5);
    assert_int_equal(conversation_awaited(c), 0);
    assert_true(find("item_DcA1longanswer0000001:0")->interrupted);
    assert_int_equal(detail(find("item_DcA1longanswer0000001:0"), "heard_ms"), 800);
    assert_int_equal(detail(find("item_DcA1longanswer0000001:0"), "forwarded_ms"), 3200);
    assert_int_equal(detail(find("item_DcA1longanswer0000001:0"), "generated_ms"), 3400);
    assert_int_equal(detail(find("item_DcU1firstquestion0001:0"), "audio_start_ms"), 3600);
    assert_int_equal(detail(find("item_DcU1firstquestion0001:0"), "audio_end_ms"), 6580);
    assert_int_equal(detail(find("item_DcU1firstquestion0001:0"), "transcription_tokens"), 39);
    assert_string_equal(find("item_DcU2interruption00001:0")->text, "Can you come tomorrow?");
    assert_string_equal(find("item_DcU2interruption00001:0")->role, "user");
    assert_string_equal(find("item_DcU2interruption00001:0")->model, "writer-x");
    assert_string_equal(find("item_DcA2shortanswer000001:0")->model, "gpt-x");
    assert_int_equal(find("item_DcU2interruption00001:0")->began_us, 7840 * US_PER_MS);
    assert_int_equal(find("item_DcU2interruption00001:0")->ended_us, 10400 * US_PER_MS);
}

/* ---- turns that go wrong ---- */

#define TAKEN(item, previous)                                                                                          \
    "{\"type\":\"input_audio_buffer.committed\",\"previous_item_id\":" previous ",\"item_id\":\"" item "\"}"
#define HEARD(item, text)                                                                                              \
    "{\"type\":\"conversation.item.input_audio_transcription.completed\",\"item_id\":\"" item                          \
    "\",\"content_index\":0,\"transcript\":\"" text "\"}"
#define ADDED(item, previous, role)                                                                                    \
    "{\"type\":\"conversation.item.added\",\"previous_item_id\":" previous ",\"item\":{\"id\":\"" item                 \
    "\",\"type\":\"message\",\"role\":\"" role "\",\"content\":[]}}"
#define SAID_PART(item, text)                                                                                          \
    "{\"type\":\"response.output_audio_transcript.delta\",\"response_id\":\"r_" item "\",\"item_id\":\"" item          \
    "\",\"content_index\":0,\"delta\":\"" text "\"}"
#define SAID(item, text)                                                                                               \
    "{\"type\":\"response.output_audio_transcript.done\",\"response_id\":\"r_" item "\",\"item_id\":\"" item           \
    "\",\"content_index\":0,\"transcript\":\"" text "\"}"
#define DONE(item, status, output)                                                                                     \
    "{\"type\":\"response.done\",\"response\":{\"id\":\"r_" item "\",\"status\":\"" status "\",\"output\":[" output    \
    "],\"usage\":{\"total_tokens\":10,\"input_tokens\":7}}}"

static void test_previous_decides_the_place(void **state)
{
    (void)state;
    take("{\"type\":\"input_audio_buffer.speech_started\",\"audio_start_ms\":0,\"item_id\":\"u\"}");
    take(ADDED("a", "\"u\"", "assistant")); /* before it is told that u was taken */
    take(TAKEN("u", "null"));
    take(SAID("a", "Yes."));
    take(HEARD("u", "Are you there?"));
    assert_int_equal(find("u:0")->position, 1);
    assert_int_equal(find("a:0")->position, 2);
}

static void test_swapped_and_doubled(void **state)
{
    (void)state;
    take(TAKEN("u1", "null"));
    take(TAKEN("u2", "\"u1\""));
    assert_int_equal(conversation_awaited(c), 2);
    take(HEARD("u2", "second"));
    take(HEARD("u1", "first"));
    take(HEARD("u1", "first"));
    take(HEARD("u2", "another"));
    assert_string_equal(order, "u2:0/final u1:0/final ");
    assert_int_equal(find("u1:0")->position, 1);
    assert_string_equal(find("u2:0")->text, "second");
    assert_int_equal(conversation_awaited(c), 0);
}

static void test_noise_is_nobodys_turn(void **state)
{
    (void)state;
    take(TAKEN("u1", "null"));
    take(HEARD("u1", ""));
    take(TAKEN("u2", "\"u1\""));
    take(HEARD("u2", " \\n"));
    take("{\"type\":\"input_audio_buffer.timeout_triggered\",\"audio_start_ms\":1,\"audio_end_ms\":2,\"item_id\":"
         "\"u3\"}");
    take(TAKEN("u3", "\"u2\""));
    assert_int_equal(conversation_awaited(c), 0);
    take(HEARD("u3", "thanks for watching"));
    conversation_lost(c, "over");
    assert_string_equal(order, "");
}

static void test_not_written_down(void **state)
{
    (void)state;
    take(TAKEN("u", "null"));
    take("{\"type\":\"conversation.item.input_audio_transcription.failed\",\"item_id\":\"u\",\"content_index\":0,"
         "\"error\":{\"type\":\"server_error\",\"code\":null,\"message\":\"it failed\",\"param\":null}}");
    take(ADDED("a", "\"u\"", "assistant"));
    take(SAID("a", "Pardon?"));
    assert_string_equal(order, "u:0/failed a:0/final ");
    assert_string_equal(find("u:0")->text, "");
    assert_str(json_str(find("u:0")->details, "error"), "it failed");
    assert_int_equal(find("a:0")->position, 2);
}

static void test_interrupted_after_its_words(void **state)
{
    const playback_cut_t cut = {STR("a"), 0, 400, 900};

    (void)state;
    take(SAID("a", "A long story."));
    take(DONE("a", "completed", ""));
    conversation_interrupted(c, &cut, 5);
    conversation_interrupted(c, &cut, 6);
    assert_string_equal(order, "a:0/final a:0/counted a:0/interrupted ");
    assert_true(find("a:0")->interrupted);
    assert_int_equal(find("a:0")->tokens, 10);
    assert_int_equal(find("a:0")->ended_us, 5);
    assert_string_equal(find("a:0")->text, "A long story.");
}

static void test_the_session_dies_on_a_word(void **state)
{
    (void)state;
    take(TAKEN("u1", "null"));
    take("{\"type\":\"conversation.item.input_audio_transcription.delta\",\"item_id\":\"u1\",\"content_index\":0,"
         "\"delta\":\"I have a\"}");
    take(TAKEN("u2", "\"u1\""));
    take(ADDED("a", "\"u2\"", "assistant"));
    take(SAID_PART("a", "Let me "));
    take(SAID_PART("a", "see"));
    conversation_lost(c, "the session ended first");
    conversation_lost(c, "the session ended first");
    assert_string_equal(order, "u1:0/partial u2:0/failed a:0/partial ");
    assert_string_equal(find("u1:0")->text, "I have a");
    assert_string_equal(find("a:0")->text, "Let me see");
    assert_str(json_str(find("a:0")->details, "error"), "the session ended first");
    take(SAID("a", "Let me see that.")); /* too late: it is settled */
    assert_int_equal(find("a:0")->revision, 1);
}

static void test_words_only_in_the_response(void **state)
{
    (void)state;
    take(DONE("a", "incomplete",
              "{\"id\":\"a\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[{\"type\":\"output_audio\","
              "\"transcript\":\"And then you\"}]}"));
    assert_string_equal(order, "a:0/final a:0/counted ");
    assert_string_equal(find("a:0")->text, "And then you");
    assert_str(json_str(find("a:0")->details, "status"), "incomplete");
    assert_int_equal(detail(find("a:0"), "usage.input_tokens"), 7);
}

static void test_tokens_without_an_utterance(void **state)
{
    (void)state;
    take(DONE("x", "cancelled", ""));
    take(DONE("y", "completed", "{\"id\":\"f\",\"type\":\"function_call\",\"name\":\"n\",\"arguments\":\"{}\"}"));
    assert_string_equal(order, "r_x/counted r_y/counted ");
    assert_string_equal(find("r_x")->role, "system");
    assert_int_equal(find("r_x")->tokens, 10);
    assert_int_equal(conversation_tokens(c), 20);
    assert_int_equal(conversation_count(c), 0);
}

static void on_recalled(void *ctx, const char *role, str_t text)
{
    buf_t *out = ctx;

    buf_printf(out, "%s: " STR_FMT "|", role, STR_ARG(text));
}

static void test_another_session_goes_on(void **state)
{
    buf_t recalled = BUF_EMPTY;

    (void)state;
    take(TAKEN("u1", "null"));
    take(ADDED("a1", "\"u1\"", "assistant"));
    take(SAID("a1", "two"));
    take(HEARD("u1", "one"));
    conversation_recall(c, 20, on_recalled, &recalled);
    assert_str(buf_str(&recalled), "user: one|assistant: two|");
    recalled.len = 0;
    conversation_recall(c, 1, on_recalled, &recalled);
    assert_str(buf_str(&recalled), "assistant: two|");
    buf_clear(&recalled);

    conversation_begin(c, STR("sess_2"), STR("gpt-y"), STR("writer-x"));
    take(ADDED(CONVERSATION_RECALLED "1_1", "null", "user"));
    take(TAKEN("u2", "\"" CONVERSATION_RECALLED "1_2\""));
    take(HEARD("u2", "three"));
    assert_string_equal(order, "a1:0/final u1:0/final u2:0/final ");
    assert_int_equal(find("u2:0")->position, 3);
    assert_str(json_str(find("u2:0")->details, "session_id"), "sess_2");
}

/* Of 25 ms. */
static void make_sound(const char *item)
{
    char json[512], zeros[269];

    memset(zeros, 'A', sizeof(zeros) - 1);
    zeros[sizeof(zeros) - 1] = '\0'; /* 268 digits: 201 bytes */
    (void)snprintf(json, sizeof(json),
                   "{\"type\":\"response.output_audio.delta\",\"response_id\":\"r_%s\",\"item_id\":\"%s\","
                   "\"content_index\":0,\"delta\":\"%s\"}",
                   item, item, zeros);
    take(json);
}

static void test_what_nobody_heard_is_not_recalled(void **state)
{
    playback_cut_t cut = {.item = STR("a"), .heard_ms = 13, .sent_ms = 25};
    buf_t recalled = BUF_EMPTY;

    (void)state;
    take(TAKEN("u", "null"));
    take(HEARD("u", "Go on."));
    make_sound("a");
    make_sound("b");
    take(SAID("a", "I am telling you a story"));
    take(SAID("b", "and there is more of it"));
    conversation_interrupted(c, &cut, 5);
    cut = (playback_cut_t){.item = STR("b"), .heard_ms = 0, .sent_ms = 25};
    conversation_interrupted(c, &cut, 5);
    conversation_recall(c, 20, on_recalled, &recalled);
    assert_str(buf_str(&recalled), "user: Go on.|assistant: I am telling|");
    assert_string_equal(find("a:0")->text, "I am telling you a story");
    buf_clear(&recalled);
}

/* The caller speaks when everything that had been made was heard: nothing is cleared, and OpenAI breaks off. */
static void test_a_break_is_an_interruption(void **state)
{
    (void)state;
    make_sound("a");
    take(SAID("a", "I was about to"));
    assert_false(find("a:0")->interrupted);
    take(DONE("a", "cancelled", ""));
    assert_true(find("a:0")->interrupted);
    assert_string_equal(find("a:0")->text, "I was about to");
    assert_null(json_at(find("a:0")->details, "heard_ms"));
    assert_int_equal(find("a:0")->tokens, 10);
}

static void test_nobody_writes_down(void **state)
{
    (void)state;
    conversation_begin(c, STR("sess_2"), STR("gpt-y"), STR_NONE);
    take(TAKEN("u", "null"));
    assert_int_equal(conversation_awaited(c), 0);
    conversation_lost(c, "over");
    assert_string_equal(order, "");
}

/* A call of many turns remembers the last ones only, and is none the worse. */
static void test_many_turns(void **state)
{
    char json[256];

    (void)state;
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(json, sizeof(json), "{\"type\":\"input_audio_buffer.committed\",\"item_id\":\"n%d\"}", i);
        take(json);
    }
    assert_true(conversation_awaited(c) <= 1000);
    take(HEARD("n999", "the last"));
    assert_int_equal(find("n999:0")->position, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_sample, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_previous_decides_the_place, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_swapped_and_doubled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_noise_is_nobodys_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_not_written_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_interrupted_after_its_words, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_session_dies_on_a_word, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_words_only_in_the_response, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_tokens_without_an_utterance, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_another_session_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_nobody_heard_is_not_recalled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_break_is_an_interruption, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nobody_writes_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_many_turns, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
