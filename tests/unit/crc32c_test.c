#include "../../src/base/crc32c.c"
#include "unit.h"

/* The longest of the test vectors in RFC 3720, appendix B.4: a SCSI Read (10) command. */
static const uint8_t SCSI_READ[48] = {0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0,    0, 0, 0,    0, 0, 0, 0,
                                      0x14, 0,    0, 0, 0, 0, 4, 0, 0,    0, 0, 0x14, 0, 0, 0, 0x18,
                                      0x28, 0,    0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0,    0, 0, 0, 0};

static void test_crc32c_gives_the_vectors_of_the_rfc(void **state)
{
    uint8_t bytes[32];

    (void)state;
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = i;
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        bytes[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x113fdb5c);
    assert_int_equal(crc32c(0, SCSI_READ, sizeof(SCSI_READ)), 0xd9963a56);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
}

static void fill(uint8_t *bytes, size_t len)
{
    uint64_t random = 7;

    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)(next_random(&random) >> 56);
}

static void test_crc32c_in_pieces_is_that_of_the_whole(void **state)
{
    uint8_t bytes[203];
    uint32_t whole;

    (void)state;
    fill(bytes, sizeof(bytes));
    whole = crc32c(0, bytes, sizeof(bytes));
    for (size_t a = 0; a <= sizeof(bytes); a++) {
        size_t b = a + (sizeof(bytes) - a) / 2;

        assert_int_equal(crc32c(crc32c(0, bytes, a), bytes + a, sizeof(bytes) - a), whole);
        assert_int_equal(crc32c(crc32c(crc32c(0, bytes, a), bytes + a, b - a), bytes + b, sizeof(bytes) - b), whole);
    }
}

static void test_table_and_instruction_agree_at_every_alignment_and_length(void **state)
{
    uint8_t bytes[96];

    (void)state;
    choose();
    if (!has_instruction())
        skip();
    fill(bytes, sizeof(bytes));
    for (size_t at = 0; at < 16; at++)
        for (size_t len = 0; at + len <= sizeof(bytes); len++) {
            assert_int_equal(by_table(0xffffffff, bytes + at, len), by_instruction(0xffffffff, bytes + at, len));
            assert_int_equal(by_table(0x12345678, bytes + at, len), by_instruction(0x12345678, bytes + at, len));
        }
}

/* Where a byte lies in memory tells nothing. */
static void test_crc32c_of_unaligned_bytes_is_the_same(void **state)
{
    uint8_t room[sizeof(SCSI_READ) + 16];

    (void)state;
    for (size_t at = 0; at < 16; at++) {
        memcpy(room + at, SCSI_READ, sizeof(SCSI_READ));
        assert_int_equal(crc32c(0, room + at, sizeof(SCSI_READ)), 0xd9963a56);
        assert_int_equal(~by_table(~0U, room + at, sizeof(SCSI_READ)), 0xd9963a56);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_gives_the_vectors_of_the_rfc),
        cmocka_unit_test(test_crc32c_in_pieces_is_that_of_the_whole),
        cmocka_unit_test(test_table_and_instruction_agree_at_every_alignment_and_length),
        cmocka_unit_test(test_crc32c_of_unaligned_bytes_is_the_same),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
