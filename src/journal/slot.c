#include "journal/slot.h"

#include "journal/segment.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define MOST_SLOTS    4096
#define MOST_UNUSABLE 8

static char *join(const char *folder, const char *name)
{
    buf_t b = BUF_EMPTY;

    buf_printf(&b, "%s/%s", folder, name);
    buf_addc(&b, '\0');
    return b.base;
}

/* False, so that it can be returned. */
static bool fail(const char *path, const char *what, err_t *err)
{
    int why = errno;

    err_set(err, ERR_IO, "%s %s: %s", path, what, strerror(why));
    err_hint(err, "HOOKLINE_DATA_DIR must be a folder that hookline's user may write to");
    errno = why;
    return false;
}

static bool sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    return ok;
}

/* The folder that a path's last name is in. */
static char *folder_above(const char *path)
{
    char *above = mem_strdup(str_from(path)), *slash;
    size_t len = strlen(above);

    while (len > 1 && above[len - 1] == '/')
        above[--len] = '\0';
    slash = strrchr(above, '/');
    if (!slash) {
        free(above);
        return mem_strdup(STR("."));
    }
    slash[slash == above] = '\0';
    return above;
}

/* Makes a folder, and its name durable in the one above. One that was there already may be so because the sync after
 * making it failed: so that is done again, but where the folder above is nobody's business of ours. */
static bool make_folder(const char *path, err_t *err)
{
    bool made = mkdir(path, 0700) == 0;
    char *above;
    bool ok;

    if (!made && errno != EEXIST)
        return fail(path, "cannot be made", err);
    above = folder_above(path);
    ok = sync_folder(above) || (!made && (errno == EACCES || errno == EROFS || errno == EINVAL)) ||
         fail(path, "cannot be made durable", err);
    free(above);
    return ok;
}

char *slot_folder(const char *data_folder, unsigned number)
{
    buf_t b = BUF_EMPTY;

    buf_printf(&b, "%s/journal/%u", data_folder, number);
    buf_addc(&b, '\0');
    return b.base;
}

/* flags: O_CREAT, or nothing, for who only looks. */
static bool lock(slot_t *s, int flags, err_t *err)
{
    char *path = join(s->folder, "lock");
    bool ok = false;

    s->lock_fd = open(path, O_RDWR | flags | O_CLOEXEC, 0600);
    if (s->lock_fd < 0 && errno == ENOENT)
        err_set(err, ERR_NOT_FOUND, "there is no %s", path);
    else if (s->lock_fd < 0)
        fail(path, "cannot be opened", err);
    else if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
        ok = true;
    else if (errno == EWOULDBLOCK)
        err_set(err, ERR_BUSY, "%s is held by a process that runs", s->folder);
    else
        fail(path, "cannot be locked", err);
    free(path); /* which keeps errno */
    return ok;
}

static bool open_slot(slot_t *s, const char *data_folder, unsigned number, int flags, err_t *err)
{
    *s = (slot_t){.number = number, .folder = slot_folder(data_folder, number), .lock_fd = -1};
    /* Of the slot before, clang-tidy 14 means: to it two results of slot_folder are one.
     * NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
    s->folder_fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->folder_fd < 0) {
        if (errno == ENOENT)
            err_set(err, ERR_NOT_FOUND, "there is no %s", s->folder);
        else
            fail(s->folder, "cannot be opened", err);
    } else if (lock(s, flags, err)) {
        return true;
    }
    slot_release(s);
    return false;
}

bool slot_adopt(slot_t *s, const char *data_folder, unsigned number, err_t *err)
{
    return open_slot(s, data_folder, number, 0, err);
}

/* Another user's, or no slot at all: the next may be usable. A disk that fails is none of that. */
static bool is_not_ours(int why)
{
    return why == EACCES || why == EPERM || why == EISDIR || why == ENOTDIR;
}

bool slot_claim(slot_t *s, const char *data_folder, err_t *err)
{
    char *all = join(data_folder, "journal");
    err_t mine = {.code = ERR_NONE};
    int unusable = 0;
    bool ok;

    if (!err)
        err = &mine;
    ok = make_folder(data_folder, err) && make_folder(all, err);
    free(all);
    for (unsigned number = 0; ok && number < MOST_SLOTS; number++) {
        char *folder = slot_folder(data_folder, number);

        ok = make_folder(folder, err);
        free(folder);
        if (!ok)
            break;
        if (open_slot(s, data_folder, number, O_CREAT, err))
            return true;
        ok = err->code == ERR_BUSY || (is_not_ours(errno) && ++unusable < MOST_UNUSABLE);
    }
    return false;
}

void slot_release(slot_t *s)
{
    int why = errno; /* of what failed before */

    if (s->lock_fd >= 0)
        close(s->lock_fd);
    if (s->folder_fd >= 0)
        close(s->folder_fd);
    free(s->folder);
    *s = (slot_t){.folder_fd = -1, .lock_fd = -1};
    errno = why;
}

/* ---- what is there ---- */

static int by_number(const void *a, const void *b)
{
    unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;

    return (x > y) - (x < y);
}

bool slot_list(const char *data_folder, unsigned **out, size_t *count, err_t *err)
{
    char *path = join(data_folder, "journal");
    DIR *dir = opendir(path);
    struct dirent *entry;
    size_t room = 0;
    bool ok = dir || errno == ENOENT || fail(path, "cannot be read", err);

    *out = NULL;
    *count = 0;
    while (dir && (entry = readdir(dir))) {
        int64_t number;

        if (!str_to_int(str_from(entry->d_name), &number) || number < 0 || number >= MOST_SLOTS)
            continue;
        if (*count == room) {
            room = room ? 2 * room : 8;
            *out = mem_realloc(*out, room * sizeof(**out));
        }
        (*out)[(*count)++] = (unsigned)number;
    }
    if (dir)
        closedir(dir);
    free(path);
    if (*count)
        qsort(*out, *count, sizeof(**out), by_number);
    return ok;
}

/* Only of names as we write them: another spelling of a number would not be found again by it. */
static bool read_name(const char *name, segment_file_t *out)
{
    str_t rest = str_from(name), digits;
    char ours[SEGMENT_NAME_BYTES];
    int64_t number;

    if (!str_split(&rest, '.', &digits) || !str_to_int(digits, &number) || number < 0)
        return false;
    *out = (segment_file_t){.number = (uint64_t)number, .aside = str_eq(rest, STR("aside"))};
    segment_name(out->number, out->aside, ours);
    return strcmp(name, ours) == 0;
}

static int by_segment(const void *a, const void *b)
{
    const segment_file_t *x = a, *y = b;

    return (x->number > y->number) - (x->number < y->number);
}

bool slot_segments(const char *folder, segment_file_t **out, size_t *count, err_t *err)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    size_t room = 0;

    *out = NULL;
    *count = 0;
    if (!dir)
        return fail(folder, "cannot be read", err);
    while ((entry = readdir(dir))) {
        segment_file_t f;
        struct stat st;

        if (!read_name(entry->d_name, &f) || fstatat(dirfd(dir), entry->d_name, &st, 0) != 0)
            continue;
        f.bytes = (uint64_t)st.st_size;
        if (*count == room) {
            room = room ? 2 * room : 8;
            *out = mem_realloc(*out, room * sizeof(**out));
        }
        (*out)[(*count)++] = f;
    }
    closedir(dir);
    if (*count)
        qsort(*out, *count, sizeof(**out), by_segment);
    return true;
}

char *slot_segment_path(const char *folder, const segment_file_t *f)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(f->number, f->aside, name);
    return join(folder, name);
}
