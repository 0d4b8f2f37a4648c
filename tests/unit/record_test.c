#include "journal_harness.h"

#define SALT UINT64_C(0x1122334455667788)

/* A record as segment_append leaves it. */
static buf_t sealed(const journal_entry_t *e, uint64_t sequence)
{
    buf_t b = BUF_EMPTY;

    record_write(&b, e);
    assert_int_equal(b.len, record_bytes(e));
    record_seal((uint8_t *)b.base, SALT, sequence);
    return b;
}

static bool read_back(const buf_t *b, record_t *out)
{
    return record_read((const uint8_t *)b->base, b->len, SALT, out);
}

static void assert_bytes(const uint8_t *actual, const uint8_t *expected, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (actual[i] != expected[i])
            fail_msg("byte %zu is %02x, not %02x", i, actual[i], expected[i]);
}

/* ---- the layout, as record.h draws it; the checksums are by another program ---- */

static void test_header_of_a_segment_is_laid_out_as_drawn(void **state)
{
    static const uint8_t expected[SEGMENT_HEADER_BYTES] = {
        'H',  'O',  'O',  'K',  'L',  'I',  'N',  'J',  1,    0,    0,    0,    0x00, 0xb2, 0x09, 0xeb,
        0x08, 0x07, 0x06, 0x05, 0x04, 0x03, 0x02, 0x01, 0x2a, 0,    0,    0,    0,    0,    0,    0,
        0xd2, 0x02, 0x96, 0x49, 0,    0,    0,    0,    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
    };
    const segment_header_t header = {UINT64_C(0x0102030405060708), 42, 1234567890, SALT};
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    segment_header_t again;

    (void)state;
    segment_header_write(&header, bytes);
    assert_bytes(bytes, expected, sizeof(expected));
    assert_true(segment_header_read(bytes, &again, NULL));
    assert_memory_equal(&again, &header, sizeof(again));
}

static void test_record_is_laid_out_as_drawn(void **state)
{
    static const uint8_t expected[] = {
        0x48, 0x4b, 0x43, 0x52, 47,   0,   0,    0,    9,   0,   0,    0,   0,   0,   0,   0, /* to the CRC */
        0x52, 0x2c, 0x67, 0x68, 1,    0,   0xa9, 0x55,                                        /* to the body */
        3,    0x15, 0xcd, 0x5b, 0x07, 0,   0,    0,    0,                                     /* way, received */
        4,    0,    0,    0,    'v',  'a', 'p',  'i',  0,   0,   0,    0,                     /* provider, route */
        0xff, 0xff, 0xff, 0xff, 3,    0,   0,    0,    '{', 0,   0xfe,                        /* payload, raw */
        11,   0,    0,    0,    'n',  'o', ' ',  'J',  'S', 'O', 'N',  ' ', 'y', 'e', 't',    /* error */
        0,                                                                                    /* padding */
    };
    const journal_entry_t e = {.provider = STR("vapi"),
                               .route = STR(""),
                               .way = 3,
                               .received_us = 123456789,
                               .raw = STR("{\0\xfe"),
                               .error = STR("no JSON yet")};
    buf_t b = sealed(&e, 9);

    (void)state;
    assert_int_equal(b.len, sizeof(expected));
    assert_bytes((const uint8_t *)b.base, expected, sizeof(expected));
    buf_clear(&b);
}

/* ---- there and back ---- */

static void check_round_trip(const journal_entry_t *e)
{
    buf_t b = sealed(e, 77);
    record_t r;

    assert_int_equal(b.len % RECORD_ALIGNMENT, 0);
    assert_int_equal(record_length((const uint8_t *)b.base, b.len), b.len);
    assert_int_equal(record_length((const uint8_t *)b.base, RECORD_HEADER_BYTES), b.len);
    assert_true(read_back(&b, &r));
    assert_int_equal(r.sequence, 77);
    assert_int_equal(r.bytes, b.len);
    assert_int_equal(r.version, RECORD_VERSION);
    assert_true(is_same_entry(&r.entry, e));
    buf_clear(&b);
}

/* Each of the texts absent, empty, and with bytes of every kind. */
static void test_entries_of_every_shape_come_back(void **state)
{
    static const str_t texts[] = {{NULL, 0}, {"", 0}, {"x", 1}, {"\0\xff\n\"\\", 5}};

    (void)state;
    for (unsigned shape = 0; shape < 1024; shape++) {
        journal_entry_t e = {.way = (int)(shape % 4), .received_us = shape % 2 ? INT64_MIN : INT64_MAX};

        e.provider = texts[shape & 3];
        e.route = texts[shape >> 2 & 3];
        e.payload = texts[shape >> 4 & 3];
        e.raw = texts[shape >> 6 & 3];
        e.error = texts[shape >> 8 & 3];
        check_round_trip(&e);
    }
}

static void test_entries_of_every_length_come_back(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 80; i++) {
        known_t k = known_new(i, i < 70 ? 30 + i : (i - 69) * 150001);

        check_round_trip(&k.entry);
        known_free(&k);
    }
}

static void test_records_stand_one_behind_the_other(void **state)
{
    known_t a = known_new(1, 101), b = known_new(2, 5000);
    buf_t both = BUF_EMPTY;
    record_t r;

    (void)state;
    record_write(&both, &a.entry);
    record_write(&both, &b.entry);
    record_seal((uint8_t *)both.base, SALT, 5);
    record_seal((uint8_t *)both.base + record_bytes(&a.entry), SALT, 6);
    assert_true(read_back(&both, &r) && is_same_entry(&r.entry, &a.entry));
    assert_true(record_read((const uint8_t *)both.base + r.bytes, both.len - r.bytes, SALT, &r));
    assert_true(is_same_entry(&r.entry, &b.entry));
    assert_int_equal(r.sequence, 6);
    buf_clear(&both);
    known_free(&a);
    known_free(&b);
}

/* ---- what is none ---- */

static void test_every_flipped_bit_of_a_record_is_found(void **state)
{
    known_t k = known_new(3, 60);
    buf_t b = sealed(&k.entry, 4);
    size_t body_end = RECORD_HEADER_BYTES + (uint8_t)b.base[4];
    record_t r;

    (void)state;
    assert_true(body_end > b.len - RECORD_ALIGNMENT && body_end < b.len); /* with padding, which nobody looks at */
    for (size_t bit = 0; bit < 8 * b.len; bit++) {
        b.base[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(read_back(&b, &r), bit / 8 >= body_end);
        b.base[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(read_back(&b, &r));
    buf_clear(&b);
    known_free(&k);
}

/* With nothing behind what is there, so that the sanitizer sees a read beyond it. */
static void test_a_record_cut_off_anywhere_is_none(void **state)
{
    known_t k = known_new(4, 90);
    buf_t b = sealed(&k.entry, 4);
    record_t r;

    (void)state;
    for (size_t len = 0; len < b.len; len++) {
        uint8_t *cut = mem_alloc(len + 1);

        memcpy(cut, b.base, len);
        assert_false(record_read(cut, len, SALT, &r));
        assert_int_equal(record_length(cut, len), len < RECORD_HEADER_BYTES ? 0 : b.len);
        assert_int_equal(record_is_cut_off(cut, len), len >= RECORD_HEADER_BYTES);
        free(cut);
    }
    buf_clear(&b);
    known_free(&k);
}

static void test_a_whole_record_with_another_length_is_not_cut_off(void **state)
{
    known_t k = known_new(4, 90);
    buf_t b = sealed(&k.entry, 4);

    (void)state;
    assert_false(record_is_cut_off((const uint8_t *)b.base, b.len));
    for (size_t bit = 0; bit < 32; bit++) {
        b.base[4 + bit / 8] ^= (char)(1 << bit % 8);
        assert_false(record_is_cut_off((const uint8_t *)b.base, b.len));
        b.base[4 + bit / 8] ^= (char)(1 << bit % 8);
    }
    buf_clear(&b);
    known_free(&k);
}

static void test_a_record_of_another_salt_is_none(void **state)
{
    known_t k = known_new(5, 90);
    buf_t b = sealed(&k.entry, 4);
    record_t r;

    (void)state;
    for (int bit = 0; bit < 64; bit++)
        assert_false(record_read((const uint8_t *)b.base, b.len, SALT ^ UINT64_C(1) << bit, &r));
    buf_clear(&b);
    known_free(&k);
}

static void test_a_record_of_another_version_is_whole_and_without_an_entry(void **state)
{
    known_t k = known_new(6, 90);
    buf_t b = BUF_EMPTY;
    record_t r;

    (void)state;
    record_write(&b, &k.entry);
    b.base[20] = 2;
    memset(b.base + RECORD_HEADER_BYTES, 0xee, 20);
    record_seal((uint8_t *)b.base, SALT, 8);
    assert_true(read_back(&b, &r));
    assert_int_equal(r.version, 2);
    assert_int_equal(r.sequence, 8);
    assert_int_equal(r.bytes, b.len);
    assert_absent(r.entry.provider);
    buf_clear(&b);
    known_free(&k);
}

/* Sealed, so that only the body itself is wrong: its lengths have to add up. */
static void test_a_body_that_is_not_as_its_version_says_is_unsound(void **state)
{
    static const size_t lengths[] = {9, 9 + 4 + 6, 9 + 4 + 6 + 4};
    known_t k = known_new(12, 90);
    record_t r;

    (void)state;
    for (size_t i = 0; i < COUNT(lengths); i++)
        for (int change = -1; change <= 1; change++) {
            buf_t b = BUF_EMPTY;

            record_write(&b, &k.entry);
            b.base[RECORD_HEADER_BYTES + lengths[i]] = (char)(b.base[RECORD_HEADER_BYTES + lengths[i]] + change);
            record_seal((uint8_t *)b.base, SALT, 1);
            assert_int_equal(read_back(&b, &r), change == 0);
            buf_clear(&b);
        }
    known_free(&k);
}

static void test_a_body_shorter_than_its_numbers_is_unsound(void **state)
{
    static const uint8_t magic[] = {0x48, 0x4b, 0x43, 0x52};
    record_t r;

    (void)state;
    for (uint8_t body = 0; body < 29; body++) {
        uint8_t bytes[64] = {0};

        memcpy(bytes, magic, sizeof(magic));
        bytes[4] = body;
        bytes[20] = RECORD_VERSION;
        record_seal(bytes, SALT, 1);
        assert_false(record_read(bytes, sizeof(bytes), SALT, &r));
    }
}

static void test_headers_that_are_none_say_what_they_are(void **state)
{
    const segment_header_t header = {7, 42, 1234567890, SALT};
    uint8_t bytes[SEGMENT_HEADER_BYTES];
    segment_header_t again;
    err_t err;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        segment_header_write(&header, bytes);
        bytes[i] ^= 0x10;
        assert_false(segment_header_read(bytes, &again, &err));
        assert_int_equal(err.code, ERR_UNPARSABLE);
        assert_string_equal(err.detail, i < 8    ? "its first bytes are not those of a journal"
                                        : i == 8 ? "it is of version 17, and this program knows version 1"
                                        : i < 12 ? err.detail
                                                 : "its header is damaged");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_of_a_segment_is_laid_out_as_drawn),
        cmocka_unit_test(test_record_is_laid_out_as_drawn),
        cmocka_unit_test(test_entries_of_every_shape_come_back),
        cmocka_unit_test(test_entries_of_every_length_come_back),
        cmocka_unit_test(test_records_stand_one_behind_the_other),
        cmocka_unit_test(test_every_flipped_bit_of_a_record_is_found),
        cmocka_unit_test(test_a_record_cut_off_anywhere_is_none),
        cmocka_unit_test(test_a_whole_record_with_another_length_is_not_cut_off),
        cmocka_unit_test(test_a_record_of_another_salt_is_none),
        cmocka_unit_test(test_a_record_of_another_version_is_whole_and_without_an_entry),
        cmocka_unit_test(test_a_body_that_is_not_as_its_version_says_is_unsound),
        cmocka_unit_test(test_a_body_shorter_than_its_numbers_is_unsound),
        cmocka_unit_test(test_headers_that_are_none_say_what_they_are),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
