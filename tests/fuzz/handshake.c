/* handshake.c – how a WebSocket is asked for: a line that is its address, two that are a header field, and the answer.
 * The request is read by what reads requests here (src/http/head.h), which is stricter than others. */
#include "fuzz.h"

#include "http/head.h"
#include "net/websocket_handshake.h"

#define KEY    "dGhlIHNhbXBsZSBub25jZQ==" /* RFC 6455 section 1.3, as is what follows */
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
#define HOST   "api.example.com"

static void check_request(str_t address, const websocket_field_t *field)
{
    websocket_url_t url;
    buf_t request = BUF_EMPTY;
    head_t head;
    err_t err = {.code = ERR_NONE};

    if (!websocket_url_read(address, &url, &err)) {
        CHECK(err.code == ERR_CONFIG, address);
        return;
    }
    CHECK(url.host.len && url.port, address);
    if (websocket_request_make(&request, &url, STR(KEY), field, 1, &err)) {
        CHECK(head_read(buf_str(&request), &head, &err), buf_str(&request));
        CHECK(head.len == request.len && !head.has_length && !head.chunked, buf_str(&request));
        CHECK(str_eq(head.host, url.authority), buf_str(&request));
    } else {
        CHECK(err.code == ERR_CONFIG && !request.len, field->name);
    }
    buf_clear(&request);
}

static websocket_answer_t read_answer(arena_t *a, str_t bytes, size_t *head_bytes)
{
    err_t err = {.code = ERR_NONE};
    websocket_answer_t answer = websocket_answer_read(exact_copy(a, bytes), STR(HOST), STR(KEY), head_bytes, &err);

    CHECK((answer == WEBSOCKET_ANSWER_REFUSAL) == (err.code == ERR_IO || err.code == ERR_CONFIG), bytes);
    return answer;
}

static void check_answer(arena_t *a, str_t bytes)
{
    size_t len, again;
    str_t head;

    switch (read_answer(a, bytes, &len)) {
    case WEBSOCKET_ANSWER_OPEN:
        head = str_slice(bytes, 0, len);
        CHECK(len == head.len && len <= WEBSOCKET_HEAD_MAX && memmem(head.base, len, STR(ACCEPT).base, 28), bytes);
        CHECK(str_starts(head, STR("HTTP/1.")) && memcmp(head.base + len - 4, "\r\n\r\n", 4) == 0, bytes);
        CHECK(read_answer(a, head, &again) == WEBSOCKET_ANSWER_OPEN && again == len, bytes);
        CHECK(read_answer(a, str_slice(head, 0, len - 1), &again) == WEBSOCKET_ANSWER_PART, bytes);
        break;
    case WEBSOCKET_ANSWER_PART:
        CHECK(bytes.len < WEBSOCKET_HEAD_MAX, bytes);
        break;
    case WEBSOCKET_ANSWER_REFUSAL:
        break;
    }
}

void fuzz_begin(void)
{
}

void fuzz_one(arena_t *a, str_t input)
{
    str_t address = take_line(a, &input), name = take_line(a, &input), value = take_line(a, &input);

    check_request(address, &(websocket_field_t){name, value});
    check_answer(a, input);
}
