/* What is left of the journal when the power goes, at every single operation on files; and what it says and does while
 * operations fail. One script (STEPS) is played again and again over a model of a disk (journal_disk.h), each time with
 * another plan of what goes wrong. The journal's thread is let go on only while the test waits for it, so that the
 * operations are the same ones every time. */
#include "base/clock.h"
#include "base/log.h"
#include "journal/journal.h"
#include "journal/reader.h"
#include "journal/slot.h"
#include "journal_disk.h"

#include <pthread.h>
#include <time.h>

/* Of the operations at which something happens: with all of them it would take minutes. */
#if defined(__SANITIZE_THREAD__)
#define STRIDE 5
#elif defined(__SANITIZE_ADDRESS__)
#define STRIDE 2
#else
#define STRIDE 1
#endif

#define ENTRIES    96
#define MAX_BYTES  (1024 * 1024) /* segments of 64 KB then */
#define MAX_WAITS  40
#define AT_RANDOM  150 /* failures, each with the power going some operations later */
#define FIRST_SEED UINT64_C(0x5eed)

typedef enum { PUT, SEAL, DRAIN, WAIT, FAIL, REOPEN, END } step_t;

/* PUT: so many entries, as one group. DRAIN: so many segments. FAIL: the next operation of a kind. */
static const struct {
    step_t step;
    int n;
    op_t op;
} STEPS[] = {
    {.step = PUT, .n = 1},
    {.step = PUT, .n = 3},
    {.step = PUT, .n = 6},
    {.step = PUT, .n = 1},
    {.step = PUT, .n = 5},
    {.step = SEAL},
    {.step = PUT, .n = 4},
    {.step = DRAIN, .n = 1},
    {.step = PUT, .n = 6},
    {.step = FAIL, .op = OP_WRITE, .n = ENOSPC},
    {.step = PUT, .n = 2},
    {.step = WAIT},
    {.step = PUT, .n = 2},
    {.step = PUT, .n = 4},
    {.step = FAIL, .op = OP_SYNC, .n = EIO},
    {.step = PUT, .n = 3},
    {.step = PUT, .n = 1},
    {.step = WAIT},
    {.step = PUT, .n = 5},
    {.step = FAIL, .op = OP_WRITE, .n = SHORT},
    {.step = PUT, .n = 2},
    {.step = REOPEN},
    {.step = PUT, .n = 2},
    {.step = DRAIN, .n = 2},
    {.step = FAIL, .op = OP_SYNC, .n = ENOSPC},
    {.step = PUT, .n = 1},
    {.step = WAIT},
    {.step = PUT, .n = 6},
    {.step = FAIL, .op = OP_OPEN, .n = EMFILE},
    {.step = PUT, .n = 6},
    {.step = WAIT},
    {.step = PUT, .n = 6},
    {.step = END},
};

/* ---- the first thing that was not as it should be; said when the play is over and its threads have ended ---- */

static char complaint[512];

static void complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void complain(const char *format, ...)
{
    va_list args;

    if (complaint[0])
        return;
    va_start(args, format);
    (void)vsnprintf(complaint, sizeof(complaint), format, args);
    va_end(args);
}

/* ---- the journal's thread, and its clock ---- */

/* Where the thread stands whenever it would wait for something to do. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t moved;
    pthread_t test;
    unsigned arrived, let; /* times that it came here, and may go on */
    bool open;
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER, .open = true};

static _Atomic int64_t now_us = 1000 * US_PER_S;

int __real_clock_gettime(clockid_t id, struct timespec *out);
int __wrap_clock_gettime(clockid_t id, struct timespec *out);
int64_t __wrap_clock_mono_us(void);
void __wrap_log_emit(log_level_t level, const char *msg, const log_field_t *fields, size_t count);

int64_t __wrap_clock_mono_us(void)
{
    return now_us;
}

/* The monotonic clock is read directly only by who is about to wait. */
int __wrap_clock_gettime(clockid_t id, struct timespec *out)
{
    if (id == CLOCK_MONOTONIC && !pthread_equal(pthread_self(), gate.test)) {
        pthread_mutex_lock(&gate.lock);
        gate.arrived++;
        pthread_cond_broadcast(&gate.moved);
        while (!gate.open && gate.let < gate.arrived)
            pthread_cond_wait(&gate.moved, &gate.lock);
        pthread_mutex_unlock(&gate.lock);
    }
    return __real_clock_gettime(id, out);
}

void __wrap_log_emit(log_level_t level, const char *msg, const log_field_t *fields, size_t count)
{
    (void)level;
    (void)msg;
    (void)fields;
    (void)count;
}

static void gate_set(bool open)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = open;
    if (!open)
        gate.arrived = gate.let = 0;
    pthread_cond_broadcast(&gate.moved);
    pthread_mutex_unlock(&gate.lock);
}

static void gate_let_one_pass(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.let++;
    pthread_cond_broadcast(&gate.moved);
    pthread_mutex_unlock(&gate.lock);
}

/* Until the thread stands there (again). */
static void gate_await(void)
{
    pthread_mutex_lock(&gate.lock);
    while (gate.arrived == gate.let)
        pthread_cond_wait(&gate.moved, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
}

/* ---- entries on their way ---- */

static struct {
    known_t known;
    journal_ticket_t ticket;
    bool put, given_back, acknowledged; /* acknowledged: it came back as durable */
    bool drained;                       /* it counts as stored, or did when its segment was removed */
    unsigned read;                      /* how often, at the last look */
} entries[ENTRIES];
static size_t next_entry;

static str_t body_of(size_t i)
{
    const journal_entry_t *e = &entries[i].known.entry;

    return e->payload.base ? e->payload : e->raw;
}

static size_t number_of(const journal_ticket_t *ticket)
{
    for (size_t i = 0; i < next_entry; i++)
        if (&entries[i].ticket == ticket)
            return i;
    abort();
}

/* From the journal's thread. */
static void on_done(void *ctx, journal_ticket_t *list)
{
    (void)ctx;
    for (journal_ticket_t *t = list; t; t = t->next) {
        size_t i = number_of(t);

        if (entries[i].given_back)
            complain("entry %zu came back twice", i);
        entries[i].given_back = true;
        entries[i].acknowledged = t->failed == ERR_NONE;
        if (entries[i].acknowledged && disk.live && !disk_has(body_of(i)))
            complain("entry %zu came back as durable after operation %u, and is not", i, disk.ops);
    }
}

/* ---- the play ---- */

static char *base, *live, *data,
    *image; /* folders: of the test, what is watched, within it HOOKLINE_DATA_DIR, a copy */
static journal_t *journal;

static void open_journal(const char *folder)
{
    const journal_options_t options = {
        .data_folder = folder, .max_bytes = MAX_BYTES, .max_pending_bytes = MAX_BYTES, .done = on_done};

    gate_set(false);
    journal = journal_open(&options);
    gate_await();
}

static void close_journal(void)
{
    gate_set(true);
    journal_close(journal);
    journal_free(journal);
    journal = NULL;
}

static bool is_up(void)
{
    journal_state_t state;

    journal_state(journal, &state);
    return state.up;
}

static uint64_t seal(void)
{
    uint64_t below;

    gate_let_one_pass();
    below = journal_seal(journal);
    gate_await();
    return below;
}

/* Long enough for it to try again, until it is up: once for every failure that is planned. */
static void wait_until_up(void)
{
    for (int i = 0; i < MAX_WAITS && !is_up() && !disk.cut; i++) {
        now_us += 2 * US_PER_S;
        (void)seal();
    }
    if (!is_up() && !disk.cut)
        complain("the journal does not come up again");
}

static void put_group(int count)
{
    size_t first = next_entry;
    bool any = false;

    for (int i = 0; i < count; i++) {
        if (next_entry == ENTRIES)
            abort();
        entries[next_entry].put =
            journal_put(journal, &entries[next_entry].known.entry, &entries[next_entry].ticket, NULL);
        any |= entries[next_entry++].put;
    }
    if (!any)
        return;
    gate_let_one_pass();
    gate_await();
    for (size_t i = first; i < next_entry; i++)
        if (entries[i].put != entries[i].given_back)
            complain("entry %zu did not come back", i);
}

/* All that is in a segment of ours counts as stored. False: it cannot be read just now. */
static bool store_segment(const char *path)
{
    reader_t *r = reader_open(path, NULL);
    record_t record;
    damage_t damage;
    read_t what;

    while (r && (what = reader_next(r, &record, &damage)) != READ_END) {
        if (what == READ_RECORD && record.entry.received_us < ENTRIES)
            entries[record.entry.received_us].drained = true;
        else if (!damage.torn)
            complain("%s is damaged at %llu: %s", path, (unsigned long long)damage.from, damage.why);
    }
    reader_close(r);
    return r != NULL;
}

/* The oldest segments are removed, as the backlog does it. */
static void drain(int segments)
{
    uint64_t below = seal();
    segment_file_t *files = NULL;
    size_t count = 0;

    if (journal_slot(journal) >= 0)
        (void)slot_segments(journal_folder(journal), &files, &count, NULL);
    for (size_t i = 0; i < count && files[i].number < below && segments-- && !disk.cut; i++) {
        char *path = slot_segment_path(journal_folder(journal), &files[i]);

        if (store_segment(path) && unlink(path) == 0)
            journal_forget(journal, files[i].bytes - SEGMENT_HEADER_BYTES);
        free(path);
    }
    free(files);
}

static void play_step(size_t i)
{
    switch (STEPS[i].step) {
    case PUT:
        put_group(STEPS[i].n);
        break;
    case SEAL:
        (void)seal();
        break;
    case DRAIN:
        drain(STEPS[i].n);
        break;
    case WAIT:
        wait_until_up();
        break;
    case FAIL:
        disk.next[STEPS[i].op] = STEPS[i].n;
        break;
    case REOPEN:
        close_journal();
        open_journal(data);
        break;
    case END:
        break;
    }
}

static void begin_play(plan_t plan)
{
    complaint[0] = '\0';
    next_entry = 0;
    for (size_t i = 0; i < ENTRIES; i++) {
        entries[i].put = entries[i].given_back = entries[i].acknowledged = entries[i].drained = false;
        entries[i].ticket = (journal_ticket_t){.next = NULL};
    }
    disk_begin(live, plan);
}

/* The whole script, or until the power goes. */
static void play(plan_t plan)
{
    begin_play(plan);
    open_journal(data);
    for (size_t i = 0; STEPS[i].step != END && !disk.cut; i++)
        play_step(i);
}

/* ---- what is read afterwards ---- */

static void look_at_record(const char *path, const journal_entry_t *e, int64_t *last)
{
    size_t i = (size_t)e->received_us;

    if (e->received_us < 0 || i >= next_entry || !entries[i].put || !is_same_entry(e, &entries[i].known.entry)) {
        complain("%s: read what was never put (%lld)", path, (long long)e->received_us);
        return;
    }
    if (e->received_us <= *last)
        complain("%s: entry %zu stands behind entry %lld", path, i, (long long)*last);
    *last = e->received_us;
    entries[i].read++;
}

/* damage_is_fine: where what was never acknowledged may be there in pieces. */
static void look_at_segment(const char *path, bool damage_is_fine, int64_t *last)
{
    err_t err = {.code = ERR_NONE};
    reader_t *r = reader_open(path, &err);
    record_t record;
    damage_t damage;
    read_t what;

    if (!r && !damage_is_fine)
        complain("%s %s", path, err.detail);
    while (r && (what = reader_next(r, &record, &damage)) != READ_END) {
        if (what == READ_RECORD)
            look_at_record(path, &record.entry, last);
        else if (!damage.torn && !damage_is_fine)
            complain("%s is damaged at %llu: %s", path, (unsigned long long)damage.from, damage.why);
    }
    reader_close(r);
}

/* As the next process: what is acknowledged is there, and nothing is that was not put. */
static void look_at(const char *data_folder, bool damage_is_fine)
{
    err_t err = {.code = ERR_NONE};
    segment_file_t *files = NULL;
    int64_t last = -1;
    size_t count = 0;
    slot_t slot;

    for (size_t i = 0; i < ENTRIES; i++)
        entries[i].read = 0;
    if (!slot_claim(&slot, data_folder, &err) || slot.number != 0)
        return complain("the slot cannot be claimed: %s", err.detail);
    if (!slot_segments(slot.folder, &files, &count, &err))
        complain("%s", err.detail);
    for (size_t i = 0; i < count; i++) {
        char *path = slot_segment_path(slot.folder, &files[i]);

        look_at_segment(path, damage_is_fine, &last);
        free(path);
    }
    for (size_t i = 0; i < next_entry; i++) {
        if (entries[i].acknowledged && !entries[i].drained && !entries[i].read)
            complain("entry %zu was acknowledged, and is lost", i);
        if (entries[i].read > 1)
            complain("entry %zu is there twice", i);
    }
    free(files);
    slot_release(&slot);
}

/* The next process journals on, in the same slot. */
static void go_on_in(const char *data_folder, bool damage_is_fine)
{
    size_t was = next_entry;

    open_journal(data_folder);
    put_group(1);
    close_journal();
    if (!entries[was].acknowledged)
        complain("the next process cannot journal");
    look_at(data_folder, damage_is_fine);
    next_entry = was;
    entries[was].put = entries[was].given_back = entries[was].acknowledged = false;
}

static const struct {
    const char *name;
    bytes_t bytes;
    names_t names;
    bool go_on;
} WAYS[] = {
    {"only what was synced", BYTES_SYNCED, NAMES_SYNCED, true},
    {"names, without what is in them", BYTES_SYNCED, NAMES_ALL, false},
    {"all there was", BYTES_ALL, NAMES_ALL, false},
    {"bytes, without new names", BYTES_ALL, NAMES_SYNCED, false},
    {"some, in order", BYTES_PREFIX, NAMES_SOME, false},
    {"some sectors", BYTES_SECTORS, NAMES_ALL, true},
    {"some sectors, some names", BYTES_SECTORS, NAMES_SOME, false},
    {"other sectors, other names", BYTES_SECTORS, NAMES_SOME, false},
};

static void fail_if_complained(plan_t plan, const char *way)
{
    if (complaint[0])
        fail_msg("power gone at %d; %u of kind %d failing from %u on (%d); %s: %s", (int)plan.cut_at, plan.fail_count,
                 (int)plan.only, plan.fail_at, plan.failure, way, complaint);
}

/* The folder as the disk may have it in one of the ways, and what the next process reads there. */
static void check_image(plan_t plan, size_t way)
{
    bool damage_is_fine = WAYS[way].bytes == BYTES_SECTORS;
    char *data_folder = path_join(image, "data");
    uint64_t random = FIRST_SEED + disk.ops + way;

    folder_empty(image);
    build_folder(image, disk.nodes, WAYS[way].bytes, WAYS[way].names, &random);
    look_at(data_folder, damage_is_fine);
    if (WAYS[way].go_on)
        go_on_in(data_folder, damage_is_fine);
    fail_if_complained(plan, WAYS[way].name);
    free(data_folder);
}

static void check_images(plan_t plan)
{
    fail_if_complained(plan, "before");
    for (size_t i = 0; i < COUNT(WAYS); i++)
        check_image(plan, i);
}

/* Ends the process, as the power or its own end does it. */
static void end_play(void)
{
    close_journal();
    disk_end();
}

/* How many there are when nothing is planned, and of which kinds. */
static unsigned count_operations(op_t kinds[OPS])
{
    unsigned ops;

    play((plan_t){.cut_at = NEVER});
    ops = disk.ops;
    memcpy(kinds, disk.kinds, sizeof(disk.kinds));
    end_play();
    fail_if_complained((plan_t){.cut_at = NEVER}, "nothing planned");
    assert_in_range(ops, 60, OPS - 1);
    return ops;
}

/* ---- the tests ---- */

static void test_what_was_acknowledged_survives_the_power_going_at_every_operation(void **state)
{
    op_t kinds[OPS];
    unsigned ops = count_operations(kinds);

    (void)state;
    for (unsigned at = 1; at <= ops; at += STRIDE) {
        plan_t plan = {.cut_at = at};

        play(plan);
        end_play();
        check_images(plan);
    }
}

/* With operations failing and no power lost until the end. */
static void check_recovery(plan_t plan, size_t way)
{
    size_t last;

    play(plan);
    disk.plan.fail_count = 0;
    wait_until_up();
    last = next_entry;
    put_group(2);
    if (!entries[last].acknowledged || !entries[last + 1].acknowledged)
        complain("what is put after the failures is not taken");
    end_play();
    fail_if_complained(plan, "while it ran");
    look_at(data, true);
    fail_if_complained(plan, "all there is");
    check_image(plan, 0);
    check_image(plan, way);
}

static void test_the_journal_recovers_from_every_operation_that_fails(void **state)
{
    static const struct {
        int failure;
        unsigned count;
        op_t only;
    } rows[] = {
        {EIO, 1, OP_ANY},     {EINTR, 1, OP_ANY},    {SHORT, 1, OP_WRITE}, {EIO, 2, OP_ANY},
        {ENOSPC, 5, OP_ANY},  {EIO, 12, OP_ANY},     {EIO, 2, OP_SYNC},    {EIO, 9, OP_SYNC},
        {SHORT, 9, OP_WRITE}, {ENOSPC, 3, OP_WRITE}, {EIO, 9, OP_UNLINK},  {EIO, 9, OP_TRUNCATE},
    };
    op_t kinds[OPS];
    unsigned ops = count_operations(kinds);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        for (unsigned at = 1 + (unsigned)i % STRIDE; at <= ops; at += STRIDE)
            if (!rows[i].only || rows[i].only == kinds[at])
                check_recovery((plan_t){NEVER, at, rows[i].count, rows[i].failure, rows[i].only},
                               1 + (i + at) % (COUNT(WAYS) - 1));
}

static void test_the_power_may_go_while_operations_fail(void **state)
{
    static const int failures[] = {EIO, ENOSPC, EINTR, SHORT};
    op_t kinds[OPS];
    unsigned ops = count_operations(kinds);
    uint64_t random = FIRST_SEED;

    (void)state;
    for (int i = 0; i < AT_RANDOM / STRIDE; i++) {
        plan_t plan = {.fail_at = 1 + (unsigned)(next_random(&random) % ops),
                       .fail_count = 1 + (unsigned)(next_random(&random) % 3),
                       .failure = failures[next_random(&random) % COUNT(failures)]};

        plan.cut_at = plan.fail_at + 1 + (unsigned)(next_random(&random) % 12);
        play(plan);
        end_play();
        check_images(plan);
    }
}

static void test_a_segment_that_can_be_neither_made_nor_removed_is_passed_over(void **state)
{
    plan_t plan = {.cut_at = NEVER};

    (void)state;
    begin_play(plan);
    open_journal(data);
    put_group(1);
    disk.next[OP_SYNC] = disk.next[OP_UNLINK] = EIO;
    (void)seal();
    assert_false(is_up());
    wait_until_up();
    put_group(1);
    assert_true(entries[1].acknowledged);
    end_play();
    check_images(plan);
}

static void test_leftovers_are_drained_while_the_disk_is_full(void **state)
{
    plan_t plan = {.cut_at = NEVER};

    (void)state;
    begin_play(plan);
    open_journal(data);
    put_group(3);
    close_journal();
    disk.plan = (plan_t){.cut_at = NEVER, .fail_at = 1, .fail_count = 5, .failure = ENOSPC, .only = OP_ALLOCATE};
    open_journal(data);
    assert_false(is_up());
    drain(1);
    for (size_t i = 0; i < 3; i++)
        assert_true(entries[i].drained);
    wait_until_up();
    end_play();
    check_images(plan);
}

static void test_a_data_folder_with_a_slash_at_its_end_is_durable(void **state)
{
    char *with_slash = path_join(data, "");
    plan_t plan = {.cut_at = NEVER};

    (void)state;
    begin_play(plan);
    open_journal(with_slash);
    put_group(1);
    assert_true(entries[0].acknowledged);
    end_play();
    check_images(plan);
    free(with_slash);
}

static int set_up(void **state)
{
    (void)state;
    gate.test = pthread_self();
    base = folder_new();
    live = path_join(base, "live");
    data = path_join(live, "data");
    image = path_join(base, "image");
    for (size_t i = 0; i < ENTRIES; i++)
        entries[i].known = known_new(i, i % 7 == 3 ? 20000 : 300 + i * 977 % 9000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENTRIES; i++)
        known_free(&entries[i].known);
    free(image);
    free(data);
    free(live);
    folder_free(base);
    disk_free();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_acknowledged_survives_the_power_going_at_every_operation),
        cmocka_unit_test(test_the_journal_recovers_from_every_operation_that_fails),
        cmocka_unit_test(test_the_power_may_go_while_operations_fail),
        cmocka_unit_test(test_a_segment_that_can_be_neither_made_nor_removed_is_passed_over),
        cmocka_unit_test(test_leftovers_are_drained_while_the_disk_is_full),
        cmocka_unit_test(test_a_data_folder_with_a_slash_at_its_end_is_durable),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
