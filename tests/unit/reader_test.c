#include "journal/reader.h"
#include "journal_harness.h"

#define SALT    UINT64_C(0x1122334455667788)
#define NUMBER  7
#define FIRST   100 /* sequence number of the first record */
#define RECORDS 5
#define WINDOW  ((size_t)256 * 1024) /* what the reader reads at once */

static char *folder, *path;

/* A segment of entries 0 to RECORDS - 1. */
static known_t knowns[RECORDS];
static buf_t whole;
static size_t begins[RECORDS + 1]; /* of the records; the last: where the file ends */

static int set_up(void **state)
{
    (void)state;
    folder = folder_new();
    path = path_join(folder, "segment");
    whole = segment_begin(NUMBER, FIRST, SALT);
    for (size_t i = 0; i < RECORDS; i++) {
        knowns[i] = known_new(i, 40 + 9 * i);
        begins[i] = whole.len;
        segment_add(&whole, &knowns[i].entry, SALT, FIRST + i);
    }
    begins[RECORDS] = whole.len;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < RECORDS; i++)
        known_free(&knowns[i]);
    buf_clear(&whole);
    free(path);
    folder_free(folder);
    return 0;
}

static reader_t *open_bytes(const void *bytes, size_t len)
{
    err_t err = {.code = ERR_NONE};
    reader_t *r;

    file_write(path, bytes, len);
    r = reader_open(path, &err);
    if (!r)
        fail_msg("%s", err.detail);
    return r;
}

static void assert_record(reader_t *r, const journal_entry_t *e, uint64_t sequence)
{
    record_t record;
    damage_t damage;

    assert_int_equal(reader_next(r, &record, &damage), READ_RECORD);
    assert_int_equal(record.sequence, sequence);
    assert_true(is_same_entry(&record.entry, e));
}

static void assert_damage(reader_t *r, size_t from, size_t to, bool torn, uint64_t missing)
{
    record_t record;
    damage_t damage;

    assert_int_equal(reader_next(r, &record, &damage), READ_DAMAGE);
    assert_int_equal(damage.from, from);
    assert_int_equal(damage.to, to);
    assert_int_equal(damage.torn, torn);
    assert_int_equal(damage.missing, missing);
    assert_non_null(damage.why);
}

static void assert_end(reader_t *r)
{
    record_t record;
    damage_t damage;

    assert_int_equal(reader_next(r, &record, &damage), READ_END);
    assert_int_equal(reader_next(r, &record, &damage), READ_END);
    reader_close(r);
}

/* ---- a file as it should be ---- */

static void test_reader_gives_every_record_in_order(void **state)
{
    reader_t *r = open_bytes(whole.base, whole.len);

    (void)state;
    assert_int_equal(reader_header(r)->number, NUMBER);
    assert_int_equal(reader_header(r)->first_sequence, FIRST);
    assert_true(reader_header(r)->salt == SALT);
    for (size_t i = 0; i < RECORDS; i++) {
        assert_int_equal(reader_offset(r), begins[i]);
        assert_record(r, &knowns[i].entry, FIRST + i);
    }
    assert_end(r);
}

static void test_reader_goes_on_from_where_it_is_set(void **state)
{
    reader_t *r = open_bytes(whole.base, whole.len);

    (void)state;
    reader_seek(r, begins[3], FIRST + 3);
    assert_record(r, &knowns[3].entry, FIRST + 3);
    reader_seek(r, begins[1], FIRST);
    assert_damage(r, begins[1], begins[1], false, 1);
    assert_record(r, &knowns[1].entry, FIRST + 1);
    reader_seek(r, whole.len, FIRST + RECORDS);
    assert_end(r);
}

static void test_reader_reads_what_is_there_when_it_is_opened(void **state)
{
    reader_t *r = open_bytes(whole.base, begins[2]);
    segment_count_t count;

    (void)state;
    file_write(path, whole.base, whole.len);
    assert_record(r, &knowns[0].entry, FIRST);
    assert_record(r, &knowns[1].entry, FIRST + 1);
    assert_end(r);
    assert_true(reader_count(path, &count, NULL));
    assert_int_equal(count.records, RECORDS);
    assert_int_equal(count.record_bytes, whole.len - SEGMENT_HEADER_BYTES);
    assert_int_equal(count.first_sequence, FIRST);
    assert_int_equal(count.next_sequence, FIRST + RECORDS);
    assert_int_equal(count.damages, 0);
    assert_false(count.torn);
}

/* ---- what a write leaves that was cut off ---- */

static void test_a_file_cut_off_anywhere_is_read_up_to_there_and_torn(void **state)
{
    (void)state;
    for (size_t len = 0; len <= whole.len; len++) {
        reader_t *r = open_bytes(whole.base, len);
        size_t n = 0, end = len < SEGMENT_HEADER_BYTES ? 0 : SEGMENT_HEADER_BYTES;
        segment_count_t count;

        while (n < RECORDS && begins[n + 1] <= len)
            end = begins[++n];
        for (size_t i = 0; i < n; i++)
            assert_record(r, &knowns[i].entry, FIRST + i);
        if (end < len)
            assert_damage(r, end, len, true, 0);
        assert_end(r);
        assert_true(reader_count(path, &count, NULL));
        assert_int_equal(count.records, n);
        assert_int_equal(count.damages, 0);
        assert_int_equal(count.torn, end < len);
    }
}

/* Its length is there, and not all of its bytes are. */
static void test_a_file_whose_last_bytes_are_zeros_is_torn(void **state)
{
    static const size_t lengths[] = {1, 7, 8, 24, 25, 4096, 3 * 256 * 1024 + 5};
    uint8_t *bytes = mem_zalloc(whole.len + lengths[COUNT(lengths) - 1]);

    (void)state;
    memcpy(bytes, whole.base, whole.len);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        reader_t *r = open_bytes(bytes, whole.len + lengths[i]);

        for (size_t n = 0; n < RECORDS; n++)
            assert_record(r, &knowns[n].entry, FIRST + n);
        assert_damage(r, whole.len, whole.len + lengths[i], true, 0);
        assert_end(r);
    }
    free(bytes);
}

static void test_a_record_begun_and_then_zeros_is_torn(void **state)
{
    size_t last = begins[RECORDS - 1];

    (void)state;
    for (size_t written = 0; written < whole.len - last - 24; written += 5)
        for (size_t cut = 1; cut < 24; cut += 3) {
            char *bytes = mem_zalloc(whole.len);
            reader_t *r;

            memcpy(bytes, whole.base, last + written);
            r = open_bytes(bytes, whole.len - cut);
            reader_seek(r, last, FIRST + RECORDS - 1);
            assert_damage(r, last, whole.len - cut, true, 0);
            assert_end(r);
            free(bytes);
        }
}

static void test_a_file_of_nothing_but_zeros_is_torn(void **state)
{
    uint8_t zeros[8192] = {0};
    segment_count_t count;
    reader_t *r = open_bytes(zeros, sizeof(zeros));

    (void)state;
    assert_damage(r, 0, sizeof(zeros), true, 0);
    assert_end(r);
    assert_true(reader_count(path, &count, NULL));
    assert_true(count.torn && !count.records && !count.damages);
}

static void test_other_bytes_behind_the_last_record_are_damage(void **state)
{
    buf_t b = BUF_EMPTY;
    reader_t *r;

    (void)state;
    buf_add(&b, buf_str(&whole));
    buf_add(&b, STR("these are twenty-six bytes"));
    r = open_bytes(b.base, b.len);
    reader_seek(r, whole.len, FIRST + RECORDS);
    assert_damage(r, whole.len, b.len, false, 0);
    assert_end(r);
    buf_clear(&b);
}

/* ---- damage ---- */

/* All others are read, and the damage is said to be just that record. */
static void check_victim(size_t victim)
{
    reader_t *r = open_bytes(whole.base, whole.len);

    for (size_t i = 0; i < RECORDS; i++)
        if (i == victim)
            assert_damage(r, begins[i], begins[i + 1], false, i + 1 < RECORDS);
        else
            assert_record(r, &knowns[i].entry, FIRST + i);
    assert_end(r);
}

static void test_any_byte_that_is_changed_costs_its_record_and_no_other(void **state)
{
    static const char changes[] = {1, 16, (char)0x80, (char)0xff};

    (void)state;
    for (size_t victim = 0; victim < RECORDS; victim++) {
        size_t body = (uint8_t)whole.base[begins[victim] + 4], end = begins[victim] + RECORD_HEADER_BYTES + body;

        for (size_t at = begins[victim]; at < end; at++)
            for (size_t i = 0; i < COUNT(changes); i++) {
                whole.base[at] = (char)(whole.base[at] ^ changes[i]);
                check_victim(victim);
                whole.base[at] = (char)(whole.base[at] ^ changes[i]);
            }
    }
}

static void test_any_byte_of_the_header_that_is_changed_is_said(void **state)
{
    (void)state;
    for (size_t at = 0; at < SEGMENT_HEADER_BYTES; at++) {
        err_t err = {.code = ERR_NONE};

        whole.base[at] ^= 0x55;
        file_write(path, whole.base, whole.len);
        whole.base[at] ^= 0x55;
        assert_null(reader_open(path, &err));
        assert_int_equal(err.code, ERR_UNPARSABLE);
        assert_true(err.detail[0]);
    }
}

static void test_damage_of_several_records_says_how_many(void **state)
{
    buf_t b = BUF_EMPTY;
    reader_t *r;

    (void)state;
    buf_add(&b, buf_str(&whole));
    memset(b.base + begins[1] + 10, 0, begins[4] - begins[1] - 20);
    r = open_bytes(b.base, b.len);
    assert_record(r, &knowns[0].entry, FIRST);
    assert_damage(r, begins[1], begins[4], false, 3);
    assert_record(r, &knowns[4].entry, FIRST + 4);
    assert_end(r);
    buf_clear(&b);
}

static void test_a_gap_in_the_sequence_is_damage(void **state)
{
    static const uint64_t sequences[RECORDS] = {FIRST + 2, FIRST + 3, FIRST + 4, FIRST + 1000, FIRST + 1001};
    buf_t b = segment_begin(NUMBER, FIRST, SALT);
    segment_count_t count;
    reader_t *r;

    (void)state;
    for (size_t i = 0; i < RECORDS; i++)
        segment_add(&b, &knowns[i].entry, SALT, sequences[i]);
    r = open_bytes(b.base, b.len);
    assert_damage(r, begins[0], begins[0], false, 2);
    for (size_t i = 0; i < RECORDS; i++) {
        if (i == 3)
            assert_damage(r, begins[3], begins[3], false, 995);
        assert_record(r, &knowns[i].entry, sequences[i]);
    }
    assert_end(r);
    assert_true(reader_count(path, &count, NULL));
    assert_int_equal(count.damages, 2);
    assert_int_equal(count.records, RECORDS);
    assert_int_equal(count.next_sequence, FIRST + 1002);
    buf_clear(&b);
}

static void test_a_segment_of_another_version_is_not_read(void **state)
{
    err_t err = {.code = ERR_NONE};

    (void)state;
    whole.base[8] = 2;
    file_write(path, whole.base, whole.len);
    whole.base[8] = 1;
    assert_null(reader_open(path, &err));
    assert_int_equal(err.code, ERR_UNPARSABLE);
    assert_string_equal(err.detail, "it is of version 2, and this program knows version 1");
}

static void test_a_record_of_another_version_is_damage_and_the_next_is_read(void **state)
{
    buf_t b = BUF_EMPTY;
    reader_t *r;

    (void)state;
    buf_add(&b, buf_str(&whole));
    b.base[begins[2] + 20] = 2;
    record_seal((uint8_t *)b.base + begins[2], SALT, FIRST + 2);
    r = open_bytes(b.base, b.len);
    assert_record(r, &knowns[0].entry, FIRST);
    assert_record(r, &knowns[1].entry, FIRST + 1);
    assert_damage(r, begins[2], begins[3], false, 1);
    assert_record(r, &knowns[3].entry, FIRST + 3);
    assert_record(r, &knowns[4].entry, FIRST + 4);
    assert_end(r);
    buf_clear(&b);
}

/* ---- records within records ---- */

/* What there is in a segment in whose second delivery the bytes of a record stand, sealed with `salt`; damaged: while
 * its own record is not sound. */
static segment_count_t count_with_a_record_inside(size_t before, uint64_t salt, bool damaged)
{
    buf_t inner = BUF_EMPTY, b = segment_begin(NUMBER, FIRST, SALT);
    journal_entry_t outer = {.provider = STR("vapi")};
    segment_count_t count;

    while (inner.len < before)
        buf_addc(&inner, 'x');
    record_write(&inner, &knowns[1].entry);
    record_seal((uint8_t *)inner.base + before, salt, FIRST + 1);
    outer.raw = buf_str(&inner);
    segment_add(&b, &knowns[0].entry, SALT, FIRST);
    segment_add(&b, &outer, SALT, FIRST + 1);
    if (damaged)
        b.base[begins[1] + 16] ^= 1;
    segment_add(&b, &knowns[2].entry, SALT, FIRST + 2);
    file_write(path, b.base, b.len);
    assert_true(reader_count(path, &count, NULL));
    buf_clear(&inner);
    buf_clear(&b);
    return count;
}

static void test_a_record_within_a_delivery_is_never_taken_for_one(void **state)
{
    static const uint64_t salts[] = {0, 1, SALT + 1, ~SALT};

    (void)state;
    for (size_t before = 0; before < 2 * RECORD_ALIGNMENT; before++)
        for (size_t i = 0; i < COUNT(salts); i++) {
            segment_count_t sound = count_with_a_record_inside(before, salts[i], false);
            segment_count_t damaged = count_with_a_record_inside(before, salts[i], true);

            assert_true(sound.records == 3 && sound.damages == 0);
            assert_true(damaged.records == 2 && damaged.damages == 1);
        }
}

/* Else the test above would say nothing. */
static void test_whoever_knew_the_salt_could_pass_a_delivery_for_a_record(void **state)
{
    size_t taken = 0;

    (void)state;
    for (size_t before = 0; before < RECORD_ALIGNMENT; before++)
        taken += count_with_a_record_inside(before, SALT, true).records == 3;
    assert_int_equal(taken, 1);
}

/* Each of these heads claims a record of half of what follows. To check them all to their ends would take hours. */
static void test_a_delivery_full_of_heads_is_passed_in_one_go(void **state)
{
    static const uint32_t head[] = {0x52434b48, 2 << 20}; /* the magic, a length */
    buf_t inner = BUF_EMPTY, b = segment_begin(NUMBER, FIRST, SALT);
    journal_entry_t outer = {.provider = STR("vapi")};
    segment_count_t count;

    (void)state;
    while (inner.len < (4 << 20))
        buf_append(&inner, head, sizeof(head));
    outer.raw = buf_str(&inner);
    segment_add(&b, &outer, SALT, FIRST);
    b.base[SEGMENT_HEADER_BYTES + 16] ^= 1;
    segment_add(&b, &knowns[2].entry, SALT, FIRST + 1);
    file_write(path, b.base, b.len);
    assert_true(reader_count(path, &count, NULL));
    assert_true(count.records == 1 && count.damages == 1);
    buf_clear(&inner);
    buf_clear(&b);
}

/* ---- large ones ---- */

static void test_records_larger_than_the_window_are_read(void **state)
{
    static const size_t sizes[] = {100,        WINDOW - 200, WINDOW, 10,     4 * WINDOW + 7,
                                   WINDOW + 1, 10,           100000, 100000, 100000};
    known_t large[COUNT(sizes)];
    size_t begin[COUNT(sizes) + 1];
    buf_t b = segment_begin(NUMBER, 1, SALT);

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        large[i] = known_new(i, sizes[i]);
        begin[i] = b.len;
        segment_add(&b, &large[i].entry, SALT, 1 + i);
    }
    begin[COUNT(sizes)] = b.len;
    for (size_t victim = 0; victim <= COUNT(sizes); victim++) {
        reader_t *r;

        if (victim < COUNT(sizes))
            b.base[begin[victim] + 60] ^= 4;
        r = open_bytes(b.base, b.len);
        if (victim < COUNT(sizes))
            b.base[begin[victim] + 60] ^= 4;
        for (size_t i = 0; i < COUNT(sizes); i++)
            if (i == victim)
                assert_damage(r, begin[i], begin[i + 1], false, i + 1 < COUNT(sizes));
            else
                assert_record(r, &large[i].entry, 1 + i);
        assert_end(r);
    }
    for (size_t i = 0; i < COUNT(sizes); i++)
        known_free(&large[i]);
    buf_clear(&b);
}

static void test_many_records_across_the_windows_are_read(void **state)
{
    buf_t b = segment_begin(NUMBER, 1, SALT);
    reader_t *r;

    (void)state;
    for (uint64_t i = 0; b.len < 3 * WINDOW; i++)
        segment_add(&b, &knowns[i % RECORDS].entry, SALT, 1 + i);
    r = open_bytes(b.base, b.len);
    for (uint64_t i = 0; reader_offset(r) < b.len; i++)
        assert_record(r, &knowns[i % RECORDS].entry, 1 + i);
    assert_end(r);
    buf_clear(&b);
}

/* ---- files that cannot be read ---- */

static void test_what_cannot_be_opened_or_read_is_an_error(void **state)
{
    err_t err = {.code = ERR_NONE};
    segment_count_t count;

    (void)state;
    (void)remove(path);
    assert_null(reader_open(path, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_string_equal(err.detail, "cannot be opened: No such file or directory");
    assert_false(reader_count(path, &count, NULL));
    reader_close(NULL);
}

/* What is gone is damage, not an end; and nothing waits for it. */
static void test_a_file_that_becomes_shorter_is_damaged(void **state)
{
    buf_t b = segment_begin(NUMBER, 1, SALT);
    known_t large = known_new(1, 2 * WINDOW);
    reader_t *r;
    record_t record;
    damage_t damage;

    (void)state;
    segment_add(&b, &knowns[0].entry, SALT, 1);
    segment_add(&b, &large.entry, SALT, 2);
    r = open_bytes(b.base, b.len);
    assert_int_equal(truncate(path, (off_t)(begins[1] + 100)), 0);
    while (reader_next(r, &record, &damage) == READ_RECORD)
        assert_int_equal(record.sequence, 1);
    assert_int_equal(damage.to, b.len);
    assert_false(damage.torn);
    assert_end(r);
    known_free(&large);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reader_gives_every_record_in_order),
        cmocka_unit_test(test_reader_goes_on_from_where_it_is_set),
        cmocka_unit_test(test_reader_reads_what_is_there_when_it_is_opened),
        cmocka_unit_test(test_a_file_cut_off_anywhere_is_read_up_to_there_and_torn),
        cmocka_unit_test(test_a_file_whose_last_bytes_are_zeros_is_torn),
        cmocka_unit_test(test_a_record_begun_and_then_zeros_is_torn),
        cmocka_unit_test(test_a_file_of_nothing_but_zeros_is_torn),
        cmocka_unit_test(test_other_bytes_behind_the_last_record_are_damage),
        cmocka_unit_test(test_any_byte_that_is_changed_costs_its_record_and_no_other),
        cmocka_unit_test(test_any_byte_of_the_header_that_is_changed_is_said),
        cmocka_unit_test(test_damage_of_several_records_says_how_many),
        cmocka_unit_test(test_a_gap_in_the_sequence_is_damage),
        cmocka_unit_test(test_a_segment_of_another_version_is_not_read),
        cmocka_unit_test(test_a_record_of_another_version_is_damage_and_the_next_is_read),
        cmocka_unit_test(test_a_record_within_a_delivery_is_never_taken_for_one),
        cmocka_unit_test(test_whoever_knew_the_salt_could_pass_a_delivery_for_a_record),
        cmocka_unit_test(test_a_delivery_full_of_heads_is_passed_in_one_go),
        cmocka_unit_test(test_records_larger_than_the_window_are_read),
        cmocka_unit_test(test_many_records_across_the_windows_are_read),
        cmocka_unit_test(test_what_cannot_be_opened_or_read_is_an_error),
        cmocka_unit_test(test_a_file_that_becomes_shorter_is_damaged),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
