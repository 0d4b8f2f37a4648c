/* journal_disk.h – a model of what a disk holds when the power goes, and the operations on files, in a test's hand.
 *
 * The linker sends the journal's operations on files here (tests/CMakeLists.txt: WRAPPED). Below disk.live they are
 * done as always, but for the syncing, which nothing here waits for; and the model keeps beside it what of that a disk
 * would have:
 *
 *   bytes   those that were written before a sync of their file that succeeded. A sync that fails drops what was not
 *           synced: the next one may succeed, and the bytes are not there all the same, as with Linux.
 *   names   those that were in their folder at its last sync that succeeded; so of folders in folders, too.
 *
 * What is not synced may be there, too: all, none, or some of it (disk_build). Every operation has a number, from 1 on,
 * and the test says what becomes of it: it fails, is cut short, or the power goes before it. One thread at a time. For
 * one test program: it defines the wrapped functions. */
#ifndef HOOKLINE_TESTS_JOURNAL_DISK_H
#define HOOKLINE_TESTS_JOURNAL_DISK_H

#include "journal_harness.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <sys/file.h>

#define NODES     64
#define NAMES     128
#define FDS       256
#define FILE_ROOM ((size_t)192 * 1024)
#define SECTOR    ((size_t)512) /* written as a whole or not at all */
#define SHORT     (-1)          /* instead of an error: of what is to be written, only half is */
#define NEVER     UINT_MAX
#define OPS       512 /* whose kind is kept */

typedef enum {
    OP_ANY,
    OP_OPEN,
    OP_WRITE,
    OP_SYNC,
    OP_TRUNCATE,
    OP_ALLOCATE,
    OP_UNLINK,
    OP_MKDIR,
    OP_LOCK,
    OP_KINDS
} op_t;

/* A file or a folder. */
typedef struct node {
    bool folder;
    uint8_t *cache, *disk;      /* of a file, FILE_ROOM each: as programs see it, as it is after the power went */
    size_t cache_len, disk_len; /* disk is zero from disk_len on */
    size_t highest;             /* as long as it ever was: what was cut off again may still be on its way to the disk */
    size_t synced_to;           /* up to here it is on the disk for good */
    size_t dirty_from;          /* from here on the next sync will write it; what lies between was dropped */
} node_t;

typedef struct name {
    node_t *in, *of;
    char text[40];
    bool cached, durable; /* as programs see it, and on the disk */
} name_t;

typedef struct plan {
    unsigned cut_at;     /* the power goes before this operation */
    unsigned fail_at;    /* from this one on ... */
    unsigned fail_count; /* ... so many fail */
    int failure;         /* how: an errno, or SHORT */
    op_t only;           /* of this kind; OP_ANY: all kinds */
} plan_t;

static struct {
    char *live; /* the folder that is watched; NULL: none is */
    plan_t plan;
    int next[OP_KINDS]; /* how the next operation of that kind fails */
    unsigned ops;
    op_t kinds[OPS]; /* of the operations so far, from 1 on */
    bool cut;

    node_t nodes[NODES]; /* the first is that of live */
    name_t names[NAMES];
    size_t node_count, name_count;
    node_t *fds[FDS];
    node_t *written; /* last */
} disk;

int __real_open(const char *path, int flags, ...);
int __real_openat(int folder, const char *name, int flags, ...);
int __real_close(int fd);
ssize_t __real_write(int fd, const void *bytes, size_t len);
int __real_ftruncate(int fd, off_t len);
int __real_fallocate(int fd, int mode, off_t from, off_t len);
int __real_unlink(const char *path);
int __real_unlinkat(int folder, const char *name, int flags);
int __real_mkdir(const char *path, mode_t mode);
int __real_flock(int fd, int how);
int __wrap_open(const char *path, int flags, ...);
int __wrap_openat(int folder, const char *name, int flags, ...);
int __wrap_close(int fd);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_ftruncate(int fd, off_t len);
int __wrap_fallocate(int fd, int mode, off_t from, off_t len);
int __wrap_unlink(const char *path);
int __wrap_unlinkat(int folder, const char *name, int flags);
int __wrap_mkdir(const char *path, mode_t mode);
int __wrap_flock(int fd, int how);

/* ---- the model ---- */

static node_t *node_new(bool folder)
{
    node_t *n;

    if (disk.node_count == NODES)
        abort();
    n = &disk.nodes[disk.node_count++];
    *n = (node_t){.folder = folder, .cache = n->cache, .disk = n->disk};
    if (!folder && !n->cache) {
        n->cache = mem_zalloc(FILE_ROOM);
        n->disk = mem_zalloc(FILE_ROOM);
    }
    return n;
}

/* A new and empty disk; live is emptied and watched from now on. */
static void disk_begin(char *live, plan_t plan)
{
    disk.live = NULL;
    for (size_t i = 0; i < disk.node_count; i++)
        if (!disk.nodes[i].folder)
            memset(disk.nodes[i].disk, 0, disk.nodes[i].highest);
    folder_empty(live);
    if (mkdir(live, 0700) != 0)
        abort();
    disk.node_count = disk.name_count = 0;
    (void)node_new(true);
    memset(disk.fds, 0, sizeof(disk.fds));
    memset(disk.next, 0, sizeof(disk.next));
    disk.written = NULL;
    disk.plan = plan;
    disk.ops = 0;
    disk.cut = false;
    disk.live = live;
}

/* Operations go their usual way again, unseen; the model stays as it is. */
static void disk_end(void)
{
    disk.live = NULL;
    memset(disk.fds, 0, sizeof(disk.fds));
}

static void disk_free(void)
{
    for (size_t i = 0; i < NODES; i++) {
        free(disk.nodes[i].cache);
        free(disk.nodes[i].disk);
        disk.nodes[i] = (node_t){.folder = true};
    }
}

static name_t *find_name(const node_t *in, str_t text)
{
    for (size_t i = 0; i < disk.name_count; i++)
        if (disk.names[i].in == in && disk.names[i].cached && str_eq(str_from(disk.names[i].text), text))
            return &disk.names[i];
    return NULL;
}

static node_t *add_name(node_t *in, str_t text, bool folder)
{
    name_t *n;

    if (disk.name_count == NAMES || text.len >= sizeof(n->text))
        abort();
    n = &disk.names[disk.name_count++];
    *n = (name_t){.in = in, .of = node_new(folder), .cached = true};
    memcpy(n->text, text.base, text.len);
    return n->of;
}

static str_t skip_slashes(str_t s)
{
    while (s.len && s.base[0] == '/')
        s = str_slice(s, 1, s.len);
    return s;
}

/* Which folder a path's last name is in; NULL: it is not watched. Of live itself *text is empty. */
static node_t *find_folder(const char *path, str_t *text)
{
    node_t *in = disk.nodes;
    str_t rest = str_from(path), live = str_from(disk.live);
    name_t *n;

    if (!disk.live || !str_starts(rest, live) || (rest.len > live.len && rest.base[live.len] != '/'))
        return NULL;
    *text = STR("");
    for (rest = skip_slashes(str_slice(rest, live.len, rest.len)); rest.len; in = n->of) {
        *text = str_slice(rest, 0, str_find(rest, '/'));
        rest = skip_slashes(str_slice(rest, text->len, rest.len));
        if (!rest.len)
            break;
        n = find_name(in, *text);
        if (!n)
            abort();
    }
    return in;
}

static node_t *node_of(int fd)
{
    return disk.live && fd >= 0 && fd < FDS ? disk.fds[fd] : NULL;
}

/* On the disk under its name, whatever comes. */
static bool is_name_durable(const node_t *of)
{
    const name_t *n = NULL;

    if (of == disk.nodes)
        return true;
    for (size_t i = 0; i < disk.name_count && !n; i++)
        if (disk.names[i].of == of)
            n = &disk.names[i];
    return n && n->durable && n->cached && is_name_durable(n->in);
}

/* Whether the file that was written last has these bytes, whatever comes. */
static bool disk_has(str_t bytes)
{
    const node_t *n = disk.written;

    return n && is_name_durable(n) && memmem(n->disk, n->synced_to, bytes.base, bytes.len);
}

static void sync_names(const node_t *in)
{
    for (size_t i = 0; i < disk.name_count; i++)
        if (disk.names[i].in == in)
            disk.names[i].durable = disk.names[i].cached;
}

/* What was dropped before stays dropped, and the disk has zeros there. */
static void sync_bytes(node_t *n)
{
    if (n->dirty_from < n->cache_len)
        memcpy(n->disk + n->dirty_from, n->cache + n->dirty_from, n->cache_len - n->dirty_from);
    if (n->disk_len > n->cache_len)
        memset(n->disk + n->cache_len, 0, n->disk_len - n->cache_len);
    n->disk_len = n->cache_len;
    if (n->dirty_from == n->synced_to || n->synced_to > n->cache_len)
        n->synced_to = n->cache_len;
    n->dirty_from = n->cache_len;
}

/* ---- what becomes of an operation ---- */

/* 0: it goes through. */
static int fate_of(op_t op)
{
    int failure = 0;

    disk.ops++;
    if (disk.ops < OPS)
        disk.kinds[disk.ops] = op;
    if (disk.ops >= disk.plan.cut_at) {
        disk.cut = true;
        return EIO;
    }
    if (disk.ops >= disk.plan.fail_at && disk.plan.fail_count && (!disk.plan.only || op == disk.plan.only)) {
        failure = disk.plan.failure;
        disk.plan.fail_count--;
    }
    if (disk.next[op]) {
        failure = disk.next[op];
        disk.next[op] = 0;
    }
    return failure == SHORT && op != OP_WRITE ? 0 : failure;
}

/* As the wrapped functions fail: -1, with errno set. */
static int failed(int error)
{
    errno = error;
    return -1;
}

static int watch_open(node_t *in, str_t text, int folder_fd, const char *path, int flags, mode_t mode)
{
    name_t *n = find_name(in, text);
    int error = fate_of(OP_OPEN), fd;

    if (error)
        return failed(error);
    fd = __real_openat(folder_fd, path, flags, mode);
    if (fd >= FDS)
        abort();
    if (fd >= 0)
        disk.fds[fd] = !text.len ? in : n ? n->of : add_name(in, text, false);
    return fd;
}

int __wrap_open(const char *path, int flags, ...)
{
    str_t text;
    node_t *in = find_folder(path, &text);
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return in ? watch_open(in, text, AT_FDCWD, path, flags, mode) : __real_open(path, flags, mode);
}

int __wrap_openat(int folder, const char *name, int flags, ...)
{
    node_t *in = node_of(folder);
    va_list args;
    mode_t mode;

    va_start(args, flags);
    mode = flags & O_CREAT ? va_arg(args, mode_t) : 0;
    va_end(args);
    return in ? watch_open(in, str_from(name), folder, name, flags, mode) : __real_openat(folder, name, flags, mode);
}

int __wrap_close(int fd)
{
    if (fd >= 0 && fd < FDS)
        disk.fds[fd] = NULL;
    return __real_close(fd);
}

ssize_t __wrap_write(int fd, const void *bytes, size_t len)
{
    node_t *n = node_of(fd);
    int error = n ? fate_of(OP_WRITE) : 0;

    if (error && error != SHORT)
        return failed(error);
    if (error && len > 1)
        len /= 2;
    if (n) {
        if (n->cache_len + len > FILE_ROOM)
            abort();
        memcpy(n->cache + n->cache_len, bytes, len);
        n->cache_len += len;
        n->highest = n->highest > n->cache_len ? n->highest : n->cache_len;
        disk.written = n;
    }
    return __real_write(fd, bytes, len);
}

static int watch_sync(node_t *n)
{
    int error = fate_of(OP_SYNC);

    if (error && !disk.cut)
        n->dirty_from = n->cache_len;
    if (error)
        return failed(error);
    if (n->folder)
        sync_names(n);
    else
        sync_bytes(n);
    return 0;
}

int __wrap_fdatasync(int fd)
{
    node_t *n = node_of(fd);

    return n ? watch_sync(n) : 0;
}

int __wrap_fsync(int fd)
{
    node_t *n = node_of(fd);

    return n ? watch_sync(n) : 0;
}

int __wrap_ftruncate(int fd, off_t len)
{
    node_t *n = node_of(fd);
    int error = n ? fate_of(OP_TRUNCATE) : 0;

    if (error)
        return failed(error);
    if (n) {
        n->cache_len = (size_t)len;
        n->dirty_from = n->dirty_from < n->cache_len ? n->dirty_from : n->cache_len;
    }
    return __real_ftruncate(fd, len);
}

int __wrap_fallocate(int fd, int mode, off_t from, off_t len)
{
    int error;

    if (!node_of(fd))
        return __real_fallocate(fd, mode, from, len);
    error = fate_of(OP_ALLOCATE);
    return error ? failed(error) : 0;
}

static int watch_unlink(const node_t *in, str_t text, int folder_fd, const char *path)
{
    name_t *n = find_name(in, text);
    int error = fate_of(OP_UNLINK);

    if (error)
        return failed(error);
    if (n)
        n->cached = false;
    return __real_unlinkat(folder_fd, path, 0);
}

int __wrap_unlink(const char *path)
{
    str_t text;
    const node_t *in = find_folder(path, &text);

    return in ? watch_unlink(in, text, AT_FDCWD, path) : __real_unlink(path);
}

int __wrap_unlinkat(int folder, const char *name, int flags)
{
    const node_t *in = node_of(folder);

    return in ? watch_unlink(in, str_from(name), folder, name) : __real_unlinkat(folder, name, flags);
}

int __wrap_mkdir(const char *path, mode_t mode)
{
    str_t text;
    node_t *in = find_folder(path, &text);
    int error = in ? fate_of(OP_MKDIR) : 0, made;

    if (error)
        return failed(error);
    made = __real_mkdir(path, mode);
    if (in && made == 0)
        (void)add_name(in, text, true);
    return made;
}

int __wrap_flock(int fd, int how)
{
    int error = node_of(fd) ? fate_of(OP_LOCK) : 0;

    return error ? failed(error) : __real_flock(fd, how);
}

/* ---- after the power went ---- */

typedef enum {
    BYTES_SYNCED, /* nothing else is there */
    BYTES_ALL,    /* all that was not dropped */
    BYTES_PREFIX, /* some of it, up to somewhere */
    BYTES_SECTORS /* some of it, here and there; what was dropped or cut off, too. The file ends somewhere */
} bytes_t;
typedef enum { NAMES_SYNCED, NAMES_ALL, NAMES_SOME } names_t;

/* Where a file ends that lost power. */
static size_t end_of(const node_t *n, bytes_t how, uint64_t *random)
{
    size_t least = n->disk_len < n->cache_len ? n->disk_len : n->cache_len;

    switch (how) {
    case BYTES_ALL:
        return n->cache_len;
    case BYTES_PREFIX:
        return n->dirty_from < n->cache_len ? n->dirty_from + next_random(random) % (n->cache_len - n->dirty_from + 1)
                                            : n->disk_len;
    case BYTES_SECTORS:
        return least + next_random(random) % (n->highest - least + 1);
    default:
        return n->disk_len;
    }
}

static void build_file(const char *path, const node_t *n, bytes_t how, uint64_t *random)
{
    size_t end = end_of(n, how, random), next;
    uint8_t *bytes = mem_zalloc(FILE_ROOM);

    memcpy(bytes, n->disk, n->disk_len);
    if (how == BYTES_ALL || how == BYTES_PREFIX)
        memcpy(bytes + n->dirty_from, n->cache + n->dirty_from, n->cache_len - n->dirty_from);
    for (size_t at = n->synced_to; how == BYTES_SECTORS && at < end; at = next) {
        next = (at / SECTOR + 1) * SECTOR;
        if (next_random(random) >> 63)
            memcpy(bytes + at, n->cache + at, (next < n->highest ? next : n->highest) - at);
    }
    file_write(path, bytes, end);
    free(bytes);
}

static bool survives(const name_t *n, names_t how, uint64_t *random)
{
    if (n->durable == n->cached || how == NAMES_SYNCED)
        return n->durable;
    return how == NAMES_ALL ? n->cached : next_random(random) >> 63;
}

/* Makes the folder `to` as the disk would have live. */
static void build_folder(const char *to, const node_t *folder, bytes_t bytes, names_t names, uint64_t *random)
{
    if (mkdir(to, 0700) != 0 && errno != EEXIST)
        abort();
    for (size_t i = 0; i < disk.name_count; i++) {
        const name_t *n = &disk.names[i];
        char *path;

        if (n->in != folder || !survives(n, names, random))
            continue;
        path = path_join(to, n->text);
        if (n->of->folder)
            build_folder(path, n->of, bytes, names, random);
        else
            build_file(path, n->of, bytes, random);
        free(path);
    }
}

#endif
