#include "journal/slot.h"
#include "journal_harness.h"

#include <dirent.h>
#include <signal.h>
#include <sys/wait.h>

static char *base, *data; /* data: HOOKLINE_DATA_DIR, which is not there at first */

static int set_up(void **state)
{
    (void)state;
    base = folder_new();
    data = path_join(base, "data");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(data);
    folder_free(base);
    return 0;
}

static slot_t claimed(unsigned number)
{
    err_t err = {.code = ERR_NONE};
    slot_t s;

    if (!slot_claim(&s, data, &err))
        fail_msg("%s", err.detail);
    assert_int_equal(s.number, number);
    return s;
}

static void touch(const char *folder, const char *name, size_t bytes)
{
    char *path = path_join(folder, name), *content = mem_zalloc(bytes + 1);

    file_write(path, content, bytes);
    free(content);
    free(path);
}

static void make(const char *folder, const char *name)
{
    char *path = path_join(folder, name);

    assert_int_equal(mkdir(path, 0700), 0);
    free(path);
}

static int count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir))
        count++;
    (void)closedir(dir);
    return count;
}

/* ---- who holds a slot ---- */

static void test_claiming_makes_the_folders_for_their_owner_alone(void **state)
{
    static const char *const folders[] = {"", "journal", "journal/0"};
    slot_t s = claimed(0);
    char *expected = path_join(data, "journal/0");

    (void)state;
    assert_string_equal(s.folder, expected);
    for (size_t i = 0; i < COUNT(folders); i++) {
        char *path = path_join(data, folders[i]);
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        free(path);
    }
    free(expected);
    slot_release(&s);
}

static void test_claiming_twice_gives_two_slots_and_released_ones_again(void **state)
{
    slot_t a = claimed(0), b = claimed(1), c = claimed(2);

    (void)state;
    slot_release(&b);
    b = claimed(1);
    slot_release(&a);
    slot_release(&c);
    a = claimed(0);
    slot_release(&a);
    slot_release(&b);
}

static void test_adopting_is_refused_while_somebody_holds_the_slot(void **state)
{
    slot_t a = claimed(0), b;
    err_t err = {.code = ERR_NONE};

    (void)state;
    assert_false(slot_adopt(&b, data, 0, &err));
    assert_int_equal(err.code, ERR_BUSY);
    slot_release(&a);
    assert_true(slot_adopt(&b, data, 0, &err));
    assert_int_equal(b.number, 0);
    assert_false(slot_adopt(&a, data, 0, NULL));
    slot_release(&b);
    assert_false(slot_adopt(&b, data, 1, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* However it ends. */
static void test_a_slot_is_free_when_the_process_that_held_it_is_gone(void **state)
{
    int ends[2], status;
    slot_t s;
    pid_t child;
    char c;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        _exit(slot_claim(&s, data, NULL) && write(ends[1], "c", 1) == 1 && pause() ? 0 : 1);
    }
    assert_int_equal(read(ends[0], &c, 1), 1);
    assert_false(slot_adopt(&s, data, 0, NULL));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(slot_adopt(&s, data, 0, NULL));
    slot_release(&s);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_what_is_refused_leaves_no_descriptor_open(void **state)
{
    slot_t a = claimed(0), b;
    int before = count_descriptors();

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_false(slot_adopt(&b, data, 0, NULL));
        assert_false(slot_adopt(&b, data, 9, NULL));
        b = claimed(1);
        slot_release(&b);
    }
    assert_int_equal(count_descriptors(), before);
    slot_release(&a);
}

/* ---- folders that are of no use ---- */

static void assert_no_slot(const char *data_folder, const char *detail)
{
    err_t err = {.code = ERR_NONE};
    slot_t s;

    assert_false(slot_claim(&s, data_folder, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.detail, detail));
    assert_non_null(strstr(err.hint, "HOOKLINE_DATA_DIR"));
}

static void test_a_file_in_the_place_of_a_folder_is_said(void **state)
{
    char *path = path_join(data, "journal");

    (void)state;
    make(data, "");
    file_write(path, "x", 1);
    assert_no_slot(data, "Not a directory");
    assert_int_equal(remove(path), 0);
    assert_int_equal(rmdir(data), 0);
    file_write(data, "x", 1);
    assert_no_slot(data, "Not a directory");
    assert_int_equal(remove(data), 0);
    free(path);
}

static void test_a_slot_that_cannot_be_used_is_passed_over(void **state)
{
    char *path = path_join(data, "journal/1");
    slot_t s;

    (void)state;
    make(data, "");
    make(data, "journal");
    make(data, "journal/0");
    make(data, "journal/0/lock"); /* a folder in the place of a file */
    file_write(path, "x", 1);     /* and the other way round */
    assert_true(slot_claim(&s, data, NULL));
    assert_int_equal(s.number, 2);
    slot_release(&s);
    free(path);
}

static void test_adopting_makes_no_lock(void **state)
{
    char *path = path_join(data, "journal/0/lock");
    err_t err = {.code = ERR_NONE};
    slot_t s;

    (void)state;
    make(data, "");
    make(data, "journal");
    make(data, "journal/0");
    assert_false(slot_adopt(&s, data, 0, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_not_equal(access(path, F_OK), 0);
    free(path);
}

static void test_a_folder_whose_parent_is_missing_is_said(void **state)
{
    char *path = path_join(data, "not/there");

    (void)state;
    assert_no_slot(path, "No such file or directory");
    free(path);
}

static void test_a_folder_may_be_named_in_several_ways(void **state)
{
    static const char *const names[] = {"a", "b/", "c//", ".", "./d", "/proc/self/cwd/e"};
    char *was = getcwd(NULL, 0);

    (void)state;
    assert_int_equal(chdir(base), 0);
    for (size_t i = 0; i < COUNT(names); i++) {
        err_t err = {.code = ERR_NONE};
        slot_t s;

        if (!slot_claim(&s, names[i], &err))
            fail_msg("%s: %s", names[i], err.detail);
        slot_release(&s);
    }
    assert_int_equal(chdir(was), 0);
    free(was);
}

/* ---- what is there ---- */

static void test_slots_are_listed_by_number(void **state)
{
    static const char *const names[] = {"10", "2", "0", "x", "-1", "4096", "3.old"};
    unsigned *numbers;
    size_t count;

    (void)state;
    assert_true(slot_list(data, &numbers, &count, NULL));
    assert_int_equal(count, 0);
    make(data, "");
    assert_true(slot_list(data, &numbers, &count, NULL));
    assert_int_equal(count, 0);
    make(data, "journal");
    for (size_t i = 0; i < COUNT(names); i++) {
        char *path = path_join("journal", names[i]);

        make(data, path);
        free(path);
    }
    assert_true(slot_list(data, &numbers, &count, NULL));
    assert_int_equal(count, 3);
    assert_int_equal(numbers[0], 0);
    assert_int_equal(numbers[1], 2);
    assert_int_equal(numbers[2], 10);
    free(numbers);
}

static void test_many_slots_are_listed(void **state)
{
    unsigned *numbers;
    size_t count;

    (void)state;
    make(data, "");
    make(data, "journal");
    for (unsigned i = 0; i < 40; i++) {
        char *path = slot_folder(data, (i * 7) % 40);

        assert_int_equal(mkdir(path, 0700), 0);
        free(path);
    }
    assert_true(slot_list(data, &numbers, &count, NULL));
    assert_int_equal(count, 40);
    for (unsigned i = 0; i < 40; i++)
        assert_int_equal(numbers[i], i);
    free(numbers);
}

static void test_a_list_that_cannot_be_read_is_an_error(void **state)
{
    err_t err = {.code = ERR_NONE};
    segment_file_t *files;
    unsigned *numbers;
    size_t count;

    (void)state;
    make(data, "");
    touch(data, "journal", 1);
    assert_false(slot_list(data, &numbers, &count, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_true(err.hint[0]);
    assert_null(numbers);
    err.code = ERR_NONE;
    assert_false(slot_segments("/nowhere/at/all", &files, &count, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_null(files);
}

static void test_segments_are_listed_by_number_with_their_lengths(void **state)
{
    segment_file_t *files;
    slot_t s = claimed(0);
    size_t count;

    (void)state;
    assert_true(slot_segments(s.folder, &files, &count, NULL));
    assert_int_equal(count, 0);
    touch(s.folder, "0000000000000012.journal", 48);
    touch(s.folder, "0000000000000003.aside", 1000);
    touch(s.folder, "0000000000000002.journal", 0);
    touch(s.folder, "1234567890123456789.journal", 5);
    assert_true(slot_segments(s.folder, &files, &count, NULL));
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        static const segment_file_t expected[] = {
            {2, 0, false}, {3, 1000, true}, {12, 48, false}, {UINT64_C(1234567890123456789), 5, false}};
        char *path = slot_segment_path(s.folder, &files[i]);

        assert_true(files[i].number == expected[i].number);
        assert_int_equal(files[i].bytes, expected[i].bytes);
        assert_int_equal(files[i].aside, expected[i].aside);
        assert_int_equal(access(path, F_OK), 0);
        free(path);
    }
    free(files);
    slot_release(&s);
}

static void test_other_files_are_no_segments(void **state)
{
    static const char *const names[] = {"1.journal",
                                        "00000000000000001.journal",
                                        "+000000000000001.journal",
                                        "000000000000000x.journal",
                                        "0000000000000001",
                                        "0000000000000001.journa",
                                        "0000000000000001.journal.old",
                                        "-000000000000001.aside",
                                        "99999999999999999999.journal",
                                        ".journal"};
    segment_file_t *files;
    slot_t s = claimed(0);
    size_t count;

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++)
        touch(s.folder, names[i], 60);
    assert_true(slot_segments(s.folder, &files, &count, NULL));
    assert_int_equal(count, 0);
    slot_release(&s);
}

#define slot_test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        slot_test(test_claiming_makes_the_folders_for_their_owner_alone),
        slot_test(test_claiming_twice_gives_two_slots_and_released_ones_again),
        slot_test(test_adopting_is_refused_while_somebody_holds_the_slot),
        slot_test(test_a_slot_is_free_when_the_process_that_held_it_is_gone),
        slot_test(test_what_is_refused_leaves_no_descriptor_open),
        slot_test(test_a_slot_that_cannot_be_used_is_passed_over),
        slot_test(test_adopting_makes_no_lock),
        slot_test(test_a_file_in_the_place_of_a_folder_is_said),
        slot_test(test_a_folder_whose_parent_is_missing_is_said),
        slot_test(test_a_folder_may_be_named_in_several_ways),
        slot_test(test_slots_are_listed_by_number),
        slot_test(test_many_slots_are_listed),
        slot_test(test_a_list_that_cannot_be_read_is_an_error),
        slot_test(test_segments_are_listed_by_number_with_their_lengths),
        slot_test(test_other_files_are_no_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
