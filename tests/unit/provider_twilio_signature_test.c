/* provider_twilio_signature_test.c – X-Twilio-Signature: every vector and sample, and each of them spoilt. */
#include "provider_harness.h"

extern const provider_t provider_twilio;
#define P        (&provider_twilio)
#define OUR      "AC000000000000000000000000000000ac"
#define STRANGER "AC00000000000000000000000000000000"

static const char TOKEN[] = "00112233445566778899aabbccddeeff";

static header_t signature_header(str_t signature)
{
    return (header_t){STR("x-twilio-signature"), signature};
}

/* https://host:port + /path?query */
static void split_url(str_t url, str_t *origin, str_t *target)
{
    size_t host = str_find(url, ':') + 3;
    size_t path = host + str_find(str_slice(url, host, url.len), '/');

    *origin = str_slice(url, 0, path);
    *target = str_slice(url, path, url.len);
}

static void *token_keys(const char *tokens)
{
    return keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", tokens}));
}

/* A signed request as index and vectors have it. */
typedef struct signed_request {
    hook_request_t request;
    header_t header;
    form_t form;
} signed_request_t;

static void init_request(signed_request_t *s, str_t url, str_t signature)
{
    *s = (signed_request_t){.header = signature_header(signature)};
    split_url(url, &s->request.origins[0], &s->request.target);
    s->request.n_origins = 1;
    s->request.headers = &s->header;
    s->request.n_headers = 1;
}

static void add_pair(form_t *form, str_t key, str_t value)
{
    form->pairs[form->count++] = (form_pair_t){key, value};
}

static void form_of_params(const cJSON *params, form_t *form)
{
    *form = (form_t){arena_alloc(test_arena, 32 * sizeof(form_pair_t)), 0};
    for (const cJSON *p = params->child; p; p = p->next) {
        str_t key = str_from(p->string);

        if (cJSON_IsArray(p))
            for (const cJSON *v = p->child; v; v = v->next)
                add_pair(form, key, str_from(v->valuestring));
        else
            add_pair(form, key, str_from(p->valuestring));
    }
}

/* The vectors of JSON bodies tell the body in their note. */
static str_t json_body_of(const cJSON *vector)
{
    str_t note = json_str(vector, "note");

    return str_starts(note, STR("JSON body {}")) ? STR("{}") : STR("{\"property\": \"value\", \"boolean\": true}");
}

static void test_every_published_signature_is_accepted(void **state)
{
    size_t n = 0;

    (void)state;
    for (const cJSON *v = fixture_json("twilio/signature-vectors.json")->child; v; v = v->next, n++) {
        void *keys = token_keys(json_str(v, "auth_token").base);
        str_t url = json_str(v, "url");
        signed_request_t s;

        init_request(&s, url, json_str(v, "signature"));
        form_of_params(json_at(v, "params"), &s.form);
        if (strstr(url.base, "bodySHA256="))
            s.request.body = json_body_of(v);
        else
            s.request.form = &s.form;
        if (verdict_of(P, keys, &s.request) != ERR_NONE)
            fail_msg("refused: %s, %s", json_str(v, "origin").base, url.base);
        s.header.value = changed(test_arena, s.header.value, 3);
        assert_refused(P, keys, &s.request, ERR_SIGNATURE);
        P->keys_free(keys);
    }
    assert_int_equal(n, 28);
}

/* The parameters as the engine gives them: of the body, of a GET's query, or none. */
static void read_form(signed_request_t *s, str_t parameters)
{
    err_t err;

    assert_true(form_parse(test_arena, parameters, &s->form, &err));
    s->request.form = &s->form;
}

/* False: the request has no file (an upgrade to a WebSocket, which is no webhook). */
static bool read_signed(const cJSON *entry, signed_request_t *s)
{
    str_t file = json_str(entry, "file"), target;

    if (str_is_empty(file))
        return false;
    init_request(s, json_str(entry, "url"), json_str(entry, "signature"));
    target = s->request.target;
    s->request.is_get = str_eq(json_str(entry, "method"), STR("GET"));
    if (!s->request.is_get)
        s->request.body = fixture(arena_printf(test_arena, "twilio/%s", file.base).base);
    if (s->request.is_get)
        read_form(s, str_slice(target, str_find(target, '?') + 1, target.len));
    else if (str_ends_nocase(file, STR(".form")))
        read_form(s, s->request.body);
    return true;
}

static void each_signed(void (*check)(const void *keys, signed_request_t *s))
{
    const cJSON *index = fixture_json("twilio/signed-requests-index.json");
    void *keys = token_keys(TOKEN);
    signed_request_t s;
    size_t n = 0;

    for (const cJSON *r = json_at(index, "requests")->child; r; r = r->next) {
        if (!read_signed(r, &s))
            continue;
        check(keys, &s);
        n++;
    }
    assert_int_equal(n, 33);
    P->keys_free(keys);
}

static void accept_it(const void *keys, signed_request_t *s)
{
    assert_genuine(P, keys, &s->request);
}

static void test_every_sample_request_is_accepted(void **state)
{
    (void)state;
    each_signed(accept_it);
}

static void tamper_with_body(const void *keys, signed_request_t *s)
{
    str_t body = s->request.body;
    bool is_form = s->request.form != NULL;

    for (size_t i = 0; i < body.len; i++) {
        s->request.body = changed(test_arena, body, i);
        if (is_form)
            read_form(s, s->request.body);
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
    }
}

static void test_any_byte_of_the_body_changed_is_refused(void **state)
{
    (void)state;
    each_signed(tamper_with_body);
}

static void try_other_secrets(const void *keys, signed_request_t *s)
{
    void *another = token_keys("00112233445566778899aabbccddeefe");
    void *others = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNT_SID", STRANGER}));

    (void)keys;
    assert_refused(P, another, &s->request, ERR_SIGNATURE);
    if (s->request.form || holds(s->request.body, OUR)) /* not every JSON body names an account */
        assert_refused(P, others, &s->request, ERR_SIGNATURE);
    else
        assert_genuine(P, others, &s->request);
    P->keys_free(another);
    P->keys_free(others);
}

static void test_another_token_or_account_is_refused(void **state)
{
    (void)state;
    each_signed(try_other_secrets);
}

static void tamper_with_parameters(const void *keys, signed_request_t *s)
{
    if (s->request.is_get) /* they stand in the address: see below */
        return;
    for (size_t i = 0; i < s->form.count; i++) {
        form_pair_t was = s->form.pairs[i];

        s->form.pairs[i].value = arena_printf(test_arena, STR_FMT "x", STR_ARG(was.value));
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
        s->form.pairs[i] = (form_pair_t){arena_printf(test_arena, "%sx", was.key.base ? "k" : ""), was.value};
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
        s->form.pairs[i] = s->form.pairs[s->form.count - 1]; /* left out */
        s->form.count--;
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
        s->form.count++;
        s->form.pairs[i] = was;
    }
    assert_genuine(P, keys, &s->request);
}

static void test_any_parameter_changed_or_left_out_is_refused(void **state)
{
    (void)state;
    each_signed(tamper_with_parameters);
}

static void tamper_with_address(const void *keys, signed_request_t *s)
{
    str_t target = s->request.target, origin = s->request.origins[0], header = s->header.value;

    for (size_t i = 0; i < target.len; i++) {
        s->request.target = changed(test_arena, target, i);
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
    }
    s->request.target = target;
    s->request.origins[0] = changed(test_arena, origin, origin.len - 1);
    assert_refused(P, keys, &s->request, ERR_SIGNATURE);
    s->request.origins[0] = origin;
    for (size_t i = 0; i < header.len; i++) {
        s->header.value = changed(test_arena, header, i);
        assert_refused(P, keys, &s->request, ERR_SIGNATURE);
    }
    s->header.value = STR("");
    assert_refused(P, keys, &s->request, ERR_NO_SIGNATURE);
    s->request.n_headers = 0;
    assert_refused(P, keys, &s->request, ERR_NO_SIGNATURE);
}

static void test_another_address_or_signature_is_refused(void **state)
{
    (void)state;
    each_signed(tamper_with_address);
}

static void first_sample(signed_request_t *s)
{
    assert_true(read_signed(json_at(fixture_json("twilio/signed-requests-index.json"), "requests.0"), s));
}

static void vector(size_t n, signed_request_t *s)
{
    const cJSON *v = json_at(fixture_json("twilio/signature-vectors.json"), arena_printf(test_arena, "%zu", n).base);

    init_request(s, json_str(v, "url"), json_str(v, "signature"));
    form_of_params(json_at(v, "params"), &s->form);
    s->request.form = &s->form;
}

static void test_port_may_be_in_the_address_or_not(void **state)
{
    void *keys = token_keys(TOKEN), *other;
    signed_request_t s;

    (void)state;
    first_sample(&s);
    s.request.origins[0] = STR("https://calls.example.com:443");
    assert_genuine(P, keys, &s.request);
    s.request.origins[0] = STR("https://calls.example.com:8443");
    assert_genuine(P, keys, &s.request);
    s.request.origins[0] = STR("http://calls.example.com");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    other = token_keys("12345");
    vector(2, &s); /* official: signed with :443 */
    s.request.origins[0] = STR("https://mycompany.com");
    assert_genuine(P, other, &s.request);
    s.request.origins[0] = STR("https://mycompany.com:8443");
    assert_genuine(P, other, &s.request);
    vector(3, &s); /* http, signed with :80 */
    s.request.origins[0] = STR("http://mycompany.com");
    assert_genuine(P, other, &s.request);
    vector(4, &s); /* http, signed with :1234 */
    assert_genuine(P, other, &s.request);
    s.request.origins[0] = STR("http://mycompany.com");
    assert_refused(P, other, &s.request, ERR_SIGNATURE);
    P->keys_free(other);
    P->keys_free(keys);
}

static void test_name_and_password_may_be_in_the_address_or_not(void **state)
{
    void *keys = token_keys("12345");
    signed_request_t s;

    (void)state;
    vector(1, &s);
    s.request.origins[0] = STR("https://user:pass@mycompany.com");
    assert_genuine(P, keys, &s.request);
    s.request.origins[0] = STR("https://user:pass@mycompany.com:443");
    assert_genuine(P, keys, &s.request);
    vector(5, &s); /* signed with them */
    assert_genuine(P, keys, &s.request);
    s.request.origins[0] = STR("https://mycompany.com");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    P->keys_free(keys);
}

#define SIP_WIRE   "/twilio/voice?From=sip%3aalice%40pbx.example.com"
#define SIP_SIGNED "GjDyBTQkkY/Az6fMFA1wYVoY0Rg="

static void test_query_of_a_get_may_be_signed_unescaped(void **state)
{
    void *keys = token_keys(TOKEN);
    signed_request_t s;

    (void)state;
    init_request(&s, STR("https://calls.example.com" SIP_WIRE), STR(SIP_SIGNED));
    read_form(&s, STR("From=sip%3aalice%40pbx.example.com"));
    s.request.is_get = true;
    assert_genuine(P, keys, &s.request);
    s.request.origins[0] = STR("https://calls.example.com:443");
    assert_genuine(P, keys, &s.request);
    s.request.is_get = false; /* of a POST the query is never touched */
    s.form.count = 0;
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    P->keys_free(keys);
}

static void test_apostrophe_of_a_get_may_be_signed_unescaped(void **state)
{
    void *keys = token_keys(TOKEN);
    header_t headers[HOOK_MAX_SIGNED];
    signed_request_t s;

    (void)state;
    P->sign(keys, STR("https://calls.example.com/twilio/voice?Body=It's+100%25+a:b@c"), BODY_QUERY, STR_NONE, 0,
            test_arena, headers);
    init_request(&s, STR("https://calls.example.com/twilio/voice?Body=It%27s+100%25+a%3Ab%40c"), headers[0].value);
    read_form(&s, STR("Body=It%27s+100%25+a%3Ab%40c"));
    s.request.is_get = true;
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

static void test_what_is_tried_is_explained_without_secrets(void **state)
{
    void *keys = token_keys("a-newer-token,"
                            "00112233445566778899aabbccddeefe");
    buf_t tried = BUF_EMPTY;
    signed_request_t s;

    (void)state;
    init_request(&s, STR("https://user:pass@calls.example.com" SIP_WIRE), STR(SIP_SIGNED));
    read_form(&s, STR("From=sip%3aalice%40pbx.example.com"));
    s.request.is_get = true;
    s.request.explain = &tried;
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    for (size_t i = 0; i < 2; i++) {
        static const char *const LINES[] = {
            "URL https://[name:password]@calls.example.com/twilio/voice?… with token %d of 2 of any account: no",
            "URL https://calls.example.com/twilio/voice?… with token %d of 2 of any account: no",
            "URL https://calls.example.com:443/twilio/voice?… with token %d of 2 of any account: no",
            "URL https://calls.example.com/twilio/voice?… (' @ : unescaped) with token %d of 2 of any account: no",
        };

        for (size_t j = 0; j < COUNT(LINES); j++) {
            char line[160];

            (void)snprintf(line, sizeof(line), LINES[j], (int)i + 1);
            if (!holds(buf_str(&tried), line))
                fail_msg("not explained: %s", line);
        }
    }
    assert_false(holds(buf_str(&tried), "a-newer-token"));
    assert_false(holds(buf_str(&tried), "00112233"));
    assert_false(holds(buf_str(&tried), "pass@"));
    assert_false(holds(buf_str(&tried), "alice"));
    assert_false(holds(buf_str(&tried), "="));
    buf_clear(&tried);
    P->keys_free(keys);
}

static void test_every_known_address_is_tried(void **state)
{
    void *keys = token_keys(TOKEN);
    signed_request_t s;

    (void)state;
    first_sample(&s);
    s.request.origins[0] = STR("https://inside.example.net");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    s.request.origins[1] = STR("https://[2001:db8::1]:8443");
    s.request.origins[2] = STR("https://calls.example.com");
    s.request.n_origins = 3;
    assert_genuine(P, keys, &s.request);
    s.request.target = STR("/voice"); /* a proxy took the prefix off */
    s.request.origins[2] = STR("https://calls.example.com:443/twilio");
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

static void test_two_tokens_are_valid_at_once(void **state)
{
    signed_request_t s;

    (void)state;
    first_sample(&s);
    for (int i = 0; i < 3; i++) {
        static const char *const LISTS[] = {"new-token, 00112233445566778899aabbccddeeff",
                                            "00112233445566778899aabbccddeeff,old-token", "neither,of-these"};
        void *keys = token_keys(LISTS[i]);

        assert_int_equal(verdict_of(P, keys, &s.request), i < 2 ? ERR_NONE : ERR_SIGNATURE);
        P->keys_free(keys);
    }
}

static err_t refusal_of(const void *keys, const hook_request_t *r)
{
    arena_t *scratch = arena_new(4096);
    err_t err = {.code = ERR_NONE};

    assert_false(P->verify(keys, r, scratch, &err));
    arena_free(scratch);
    return err;
}

static void test_another_account_is_refused_where_ours_is_set(void **state)
{
    void *keys = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNT_SID", OUR}));
    void *others = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNT_SID", STRANGER}));
    signed_request_t s;
    err_t err;

    (void)state;
    first_sample(&s);
    assert_genuine(P, keys, &s.request);
    err = refusal_of(others, &s.request);
    assert_int_equal(err.code, ERR_SIGNATURE);
    assert_non_null(strstr(err.detail, OUR));
    assert_non_null(strstr(err.hint, "TWILIO_ACCOUNTS"));
    assert_str(P->account(keys), OUR);
    P->keys_free(keys);
    P->keys_free(others);
}

/* The sample is of OUR, signed with TOKEN. */
static void test_token_is_chosen_by_account(void **state)
{
    static const struct {
        const char *accounts;
        bool genuine;
    } CASES[] = {
        {OUR ":00112233445566778899aabbccddeeff", true},
        {STRANGER ":another , " OUR " : 00112233445566778899aabbccddeeff,", true},
        {OUR ":its-new-token," STRANGER ":another," OUR ":00112233445566778899aabbccddeeff", true},
        {STRANGER ":00112233445566778899aabbccddeeff", false},
        {OUR ":another," STRANGER ":00112233445566778899aabbccddeeff", false},
    };
    signed_request_t s;

    (void)state;
    first_sample(&s);
    for (size_t i = 0; i < COUNT(CASES); i++) {
        void *keys = keys_of(P, SETTINGS({"TWILIO_ACCOUNTS", CASES[i].accounts}));

        assert_int_equal(verdict_of(P, keys, &s.request), CASES[i].genuine ? ERR_NONE : ERR_SIGNATURE);
        P->keys_free(keys);
    }
}

static void test_a_token_of_no_account_goes_for_all_beside_those_of_others(void **state)
{
    void *any = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", TOKEN}, {"TWILIO_ACCOUNTS", STRANGER ":another"}));
    void *ours = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", "first"}, {"TWILIO_ACCOUNT_SID", STRANGER},
                                     {"TWILIO_ACCOUNTS", OUR ":00112233445566778899aabbccddeeff"}));
    signed_request_t s;

    (void)state;
    first_sample(&s);
    assert_genuine(P, any, &s.request);
    assert_absent(P->account(any));
    assert_genuine(P, ours, &s.request);
    assert_str(P->account(ours), STRANGER); /* whose token signs */
    P->keys_free(any);
    P->keys_free(ours);
}

static void test_json_body_may_be_of_any_account_that_has_a_token(void **state)
{
    static const str_t JSON = {"{\"account_sid\":\"AC2\"}", 21};
    void *theirs = keys_of(P, SETTINGS({"TWILIO_ACCOUNTS", "AC2:two"}));
    void *all = keys_of(P, SETTINGS({"TWILIO_ACCOUNTS", "AC1:one,AC2:two"}));
    void *none = keys_of(P, SETTINGS({"TWILIO_ACCOUNTS", "AC1:one,AC3:three"}));
    str_t url = arena_printf(test_arena, "https://calls.example.com/webhooks/twilio?" STR_FMT,
                             STR_ARG(P->query(BODY_JSON, JSON, test_arena)));
    header_t headers[HOOK_MAX_SIGNED];
    signed_request_t s;

    (void)state;
    P->sign(theirs, url, BODY_JSON, JSON, 0, test_arena, headers);
    init_request(&s, url, headers[0].value);
    s.request.body = JSON;
    assert_genuine(P, all, &s.request);
    assert_refused(P, none, &s.request, ERR_SIGNATURE);
    P->keys_free(theirs);
    P->keys_free(all);
    P->keys_free(none);
}

/* Signed with the first token of `signer`, which need not be what `keys` are. */
static err_code_t verdict_of_signed(const void *keys, const test_setting_t *signer, body_kind_t kind, str_t body)
{
    void *theirs = keys_of(P, signer);
    str_t query = P->query(kind, body, test_arena);
    str_t url = arena_printf(test_arena, "https://calls.example.com/webhooks/twilio%s" STR_FMT,
                             str_is_empty(query) ? "" : "?", STR_ARG(query));
    header_t headers[HOOK_MAX_SIGNED];
    signed_request_t s;

    P->sign(theirs, url, kind, body, 0, test_arena, headers);
    P->keys_free(theirs);
    init_request(&s, url, headers[0].value);
    s.request.body = body;
    if (kind == BODY_FORM)
        read_form(&s, body);
    return verdict_of(P, keys, &s.request);
}

static void test_a_form_names_its_account_where_there_are_several(void **state)
{
    static const struct {
        const char *form;
        bool one, several, any; /* let in where this account's token is the only one, one of two, beside any other's */
    } CASES[] = {
        {"CallSid=CA1", true, false, false},
        {"CallSid=CA1&AccountSid=", true, false, false},
        {"CallSid=CA1&AccountSid=AC2", true, true, true},
        {"customer_key=CA1&account_sid=AC2", true, true, true},
        {"CallSid=CA1&AccountSid=AC1", false, false, false},
        {"customer_key=CA1&account_sid=AC1", false, false, false},
        {"CallSid=CA1&AccountSid=AC3", false, false, false},
    };
    const test_setting_t *two = SETTINGS({"TWILIO_ACCOUNTS", "AC2:tok2"});
    void *one = keys_of(P, two);
    void *several = keys_of(
        P, SETTINGS({"TWILIO_ACCOUNT_SID", "AC1"}, {"TWILIO_AUTH_TOKEN", "tok1"}, {"TWILIO_ACCOUNTS", "AC2:tok2"}));
    void *any = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", "tok1"}, {"TWILIO_ACCOUNTS", "AC2:tok2"}));

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        str_t form = str_from(CASES[i].form);

        assert_int_equal(verdict_of_signed(one, two, BODY_FORM, form), CASES[i].one ? ERR_NONE : ERR_SIGNATURE);
        assert_int_equal(verdict_of_signed(several, two, BODY_FORM, form), CASES[i].several ? ERR_NONE : ERR_SIGNATURE);
        assert_int_equal(verdict_of_signed(any, two, BODY_FORM, form), CASES[i].any ? ERR_NONE : ERR_SIGNATURE);
        /* the token of any account proves all */
        assert_int_equal(verdict_of_signed(any, SETTINGS({"TWILIO_AUTH_TOKEN", "tok1"}), BODY_FORM, form), ERR_NONE);
    }
    P->keys_free(one);
    P->keys_free(several);
    P->keys_free(any);
}

static void test_a_form_of_no_account_is_refused_with_a_reason(void **state)
{
    void *several = keys_of(P, SETTINGS({"TWILIO_ACCOUNTS", "AC1:tok1,AC2:tok2"}));
    signed_request_t s;
    err_t err;

    (void)state;
    init_request(&s, STR("https://calls.example.com/webhooks/twilio"), STR("+HGCA+Y8Dpbqf3xsM+noOyyI9uw="));
    read_form(&s, STR("CallSid=CA1"));
    err = refusal_of(several, &s.request);
    assert_non_null(strstr(err.detail, "expected an AccountSid, as tokens of 2 accounts are set"));
    assert_true(err.hint[0]);
    P->keys_free(several);
}

static void test_a_json_body_names_no_other_account_than_its_token(void **state)
{
    static const struct {
        const char *json;
        bool genuine;
    } CASES[] = {
        {"{\"AccountSid\":\"AC1\"}", false},
        {"{\"account_sid\":\"AC1\"}", false},
        {"{\"accountSid\":\"AC1\"}", false},
        {"{\"AccountSid\":\"AC2\",\"account_sid\":\"AC1\"}", false},
        {"{\"AccountSid\":\"AC2\",\"AccountSid\":\"AC1\"}", false}, /* the last is what will be read */
        {"{\"AccountSid\":\"AC1\",\"AccountSid\\u0000\":\"AC2\"}", false},
        {"{\"AccountSid\":\"AC3\"}", false},
        {"{\"AccountSid\":\"AC2\",\"account_sid\":\"AC2\"}", true},
        {"{\"transcript_sid\":\"GT1\"}", true},
        {"[{\"AccountSid\":\"AC2\"}]", true},
        {"not JSON", true}, /* AC2's dead letter */
    };
    const test_setting_t *two = SETTINGS({"TWILIO_ACCOUNTS", "AC2:tok2"});
    void *several = keys_of(
        P, SETTINGS({"TWILIO_ACCOUNT_SID", "AC1"}, {"TWILIO_AUTH_TOKEN", "tok1"}, {"TWILIO_ACCOUNTS", "AC2:tok2"}));
    void *any = keys_of(P, SETTINGS({"TWILIO_AUTH_TOKEN", "tok2"}));

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        str_t json = str_from(CASES[i].json);

        assert_int_equal(verdict_of_signed(several, two, BODY_JSON, json), CASES[i].genuine ? ERR_NONE : ERR_SIGNATURE);
        assert_int_equal(verdict_of_signed(any, two, BODY_JSON, json), ERR_NONE);
    }
    P->keys_free(several);
    P->keys_free(any);
}

static void test_accounts_that_cannot_be_right_are_named(void **state)
{
    static const struct {
        const char *setting, *value, *told;
    } CASES[] = {
        {"TWILIO_ACCOUNTS", "AC1:one,s3cret", "entry 2"},
        {"TWILIO_ACCOUNTS", "AC1", "entry 1"},
        {"TWILIO_ACCOUNTS", "AC1:", "entry 1"},
        {"TWILIO_ACCOUNTS", ":s3cret", "entry 1"},
        {"TWILIO_ACCOUNTS", "SK1:s3cret", "entry 1"},
        {"TWILIO_ACCOUNTS", "s3cret:AC1", "entry 1"},
        {"TWILIO_ACCOUNT_SID", "SK1", "TWILIO_ACCOUNT_SID"},
    };
    err_t err;

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        assert_null(keys_or_null(P, SETTINGS({CASES[i].setting, CASES[i].value}), &err));
        assert_int_equal(err.code, ERR_CONFIG);
        assert_non_null(strstr(err.detail, CASES[i].setting));
        assert_non_null(strstr(err.detail, CASES[i].told));
        assert_null(strstr(err.detail, "s3cret"));
        assert_true(err.hint[0]);
    }
}

static void test_json_body_needs_its_hash_in_the_address(void **state)
{
    static const char HASH[] = "cbcc2a9a5b29294b313d57e12110a1f3d73960df3c9b663ac183fdc2c3c22818";
    void *keys = token_keys(TOKEN);
    signed_request_t s;

    (void)state;
    init_request(&s, arena_printf(test_arena, "https://calls.example.com/twilio/intelligence?bodySHA256=%s", HASH),
                 STR("+HGCA+Y8Dpbqf3xsM+noOyyI9uw="));
    s.request.body = fixture("twilio/intelligence-transcript-available.json");
    assert_genuine(P, keys, &s.request);
    for (size_t i = 0; i < s.request.body.len; i++) {
        hook_request_t r = s.request;

        r.body = changed(test_arena, r.body, i);
        assert_refused(P, keys, &r, ERR_SIGNATURE);
    }
    s.request.target = STR("/twilio/intelligence");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    s.request.target = STR("/twilio/intelligence?bodySHA256=");
    assert_refused(P, keys, &s.request, ERR_SIGNATURE);
    P->keys_free(keys);
}

static void test_what_we_sign_we_accept(void **state)
{
    static const str_t FORM = {"B=2&A=%C3%A9+1&A=&B=2&CallSid=CA1", 33}, JSON = {"{\"account_sid\":\"AC1\"}", 21};
    void *keys = token_keys("newest,older");
    header_t headers[HOOK_MAX_SIGNED];
    signed_request_t s;
    str_t url = STR("https://calls.example.com/webhooks/twilio");

    (void)state;
    assert_int_equal(P->sign(keys, url, BODY_FORM, FORM, 0, test_arena, headers), 1);
    init_request(&s, url, headers[0].value);
    read_form(&s, FORM);
    assert_genuine(P, keys, &s.request);

    assert_absent(P->query(BODY_FORM, FORM, test_arena));
    url = arena_printf(test_arena, "%s?" STR_FMT, url.base, STR_ARG(P->query(BODY_JSON, JSON, test_arena)));
    P->sign(keys, url, BODY_JSON, JSON, 0, test_arena, headers);
    init_request(&s, url, headers[0].value);
    s.request.body = JSON;
    assert_genuine(P, keys, &s.request);
    P->keys_free(keys);
}

static void test_without_a_token_it_is_off(void **state)
{
    static const char *const NONE[] = {"", " , "};
    err_t err;

    (void)state;
    assert_null(keys_or_null(P, SETTINGS({"TWILIO_ACCOUNT_SID", OUR}), &err));
    assert_int_equal(err.code, ERR_NONE);
    for (size_t i = 0; i < COUNT(NONE); i++) {
        assert_null(keys_or_null(P, SETTINGS({"TWILIO_AUTH_TOKEN", NONE[i]}), &err));
        assert_int_equal(err.code, ERR_NONE);
    }
    assert_null(keys_or_null(P, SETTINGS({"TWILIO_AUTH_TOKEN", "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17"}), &err));
    assert_int_equal(err.code, ERR_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        provider_test(test_every_published_signature_is_accepted),
        provider_test(test_every_sample_request_is_accepted),
        provider_test(test_any_byte_of_the_body_changed_is_refused),
        provider_test(test_another_token_or_account_is_refused),
        provider_test(test_any_parameter_changed_or_left_out_is_refused),
        provider_test(test_another_address_or_signature_is_refused),
        provider_test(test_port_may_be_in_the_address_or_not),
        provider_test(test_name_and_password_may_be_in_the_address_or_not),
        provider_test(test_query_of_a_get_may_be_signed_unescaped),
        provider_test(test_apostrophe_of_a_get_may_be_signed_unescaped),
        provider_test(test_what_is_tried_is_explained_without_secrets),
        provider_test(test_every_known_address_is_tried),
        provider_test(test_two_tokens_are_valid_at_once),
        provider_test(test_another_account_is_refused_where_ours_is_set),
        provider_test(test_token_is_chosen_by_account),
        provider_test(test_a_token_of_no_account_goes_for_all_beside_those_of_others),
        provider_test(test_json_body_may_be_of_any_account_that_has_a_token),
        provider_test(test_a_form_names_its_account_where_there_are_several),
        provider_test(test_a_form_of_no_account_is_refused_with_a_reason),
        provider_test(test_a_json_body_names_no_other_account_than_its_token),
        provider_test(test_accounts_that_cannot_be_right_are_named),
        provider_test(test_json_body_needs_its_hash_in_the_address),
        provider_test(test_what_we_sign_we_accept),
        provider_test(test_without_a_token_it_is_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
