/* text.c – the small forms of text: telephone numbers, times, base64, hex, ids, numbers. */
#include "fuzz.h"

#include "base/crypto.h"
#include "base/phone.h"
#include "base/utf8.h"

static void check_phone(arena_t *a, str_t text)
{
    str_t number = phone_e164(a, text);

    if (!number.base)
        return;
    CHECK(number.len >= 8 && number.len <= 16 && number.base[0] == '+' && number.base[1] != '0', number);
    for (size_t i = 1; i < number.len; i++)
        CHECK(number.base[i] >= '0' && number.base[i] <= '9', number);
    CHECK(str_eq(phone_e164(a, number), number), number);
}

static void check_times(str_t text)
{
    int64_t iso = time_from_iso8601(text), rfc = time_from_rfc2822(text), number;
    char made[40];

    if (iso != TIME_NONE)
        CHECK(time_from_iso8601((str_t){made, time_to_iso8601(iso, made)}) == iso, text);
    if (rfc != TIME_NONE)
        CHECK(time_from_rfc2822((str_t){made, time_to_rfc2822(rfc, made)}) == rfc, text);
    if (str_to_int(text, &number)) {
        int64_t at = time_from_seconds(number);

        CHECK(at == TIME_NONE || at == number * US_PER_S, text);
        (void)time_from_ms((double)number);
    }
}

static void check_codings(arena_t *a, str_t text)
{
    uint8_t *bytes = arena_alloc(a, text.len + 3);
    char *made = arena_alloc(a, 2 * text.len + 8);
    size_t len;

    len = base64_decode(text, bytes);
    if (len != SIZE_MAX)
        CHECK(str_eq(text, (str_t){made, base64_encode(bytes, len, made)}), text);
    len = base64url_decode(text, bytes);
    if (len != SIZE_MAX)
        CHECK(str_eq(text, (str_t){made, base64url_encode(bytes, len, made)}), text);
    len = hex_decode(text, bytes);
    if (len != SIZE_MAX)
        CHECK(str_eq_nocase(text, (str_t){made, hex_encode(bytes, len, made)}), text);
}

static void check_uuid(str_t text)
{
    char made[UUID_TEXT_BYTES + 1];
    uuid_t_ u;

    if (uuid_from_text(text, &u))
        CHECK(str_eq_nocase(text, (str_t){made, uuid_to_text(u, made)}), text);
}

void fuzz_begin(void)
{
    CHECK(phone_set_region(STR("US"), NULL), STR("US"));
}

void fuzz_one(arena_t *a, str_t input)
{
    check_phone(a, input);
    check_times(input);
    check_codings(a, input);
    check_uuid(input);
    CHECK(is_storable(utf8_scrub(a, input)), input);
}
