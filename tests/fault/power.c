/* power.c – what would be left if the power failed: a library for LD_PRELOAD that writes down what has been synced.
 *
 * A process that is killed leaves all it has written to the kernel; a machine that stops leaves only what was synced.
 * So every sync is noted in the file FAULT_POWER_LOG once it has succeeded, and lib/power.mjs takes away the rest:
 *
 *     F SIZE PATH    a file's first SIZE bytes are durable
 *     D 0 PATH       that name is in its folder, durably
 *
 * A sync is made to take FAULT_POWER_SYNC_US, so that a kill often meets data that is written and not synced. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef int (*sync_fn)(int fd);

/* One write, so that threads do not cut each other's lines. */
static void note(char kind, long long size, const char *folder, const char *name)
{
    const char *log = getenv("FAULT_POWER_LOG");
    char line[2 * PATH_MAX];
    int len = snprintf(line, sizeof(line), "%c %lld %s%s%s\n", kind, size, folder, *name ? "/" : "", name);
    int fd = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;

    if (fd < 0 || write(fd, line, (size_t)len) != len)
        abort();
    close(fd);
}

static void note_names(const char *path)
{
    DIR *folder = opendir(path);

    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.')
            note('D', 0, path, entry->d_name);
    if (folder)
        closedir(folder);
}

static int sync_and_note(int fd, const char *name)
{
    sync_fn real = (sync_fn)dlsym(RTLD_NEXT, name);
    const char *pause = getenv("FAULT_POWER_SYNC_US");
    char link[64], path[PATH_MAX];
    struct stat before;
    ssize_t len;
    int rc;

    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    len = readlink(link, path, sizeof(path) - 1);
    if (len < 0 || fstat(fd, &before) != 0)
        return real(fd);
    path[len] = '\0';
    if (pause)
        usleep((useconds_t)atoi(pause));
    rc = real(fd);
    if (rc == 0 && S_ISREG(before.st_mode))
        note('F', (long long)before.st_size, path, "");
    else if (rc == 0 && S_ISDIR(before.st_mode))
        note_names(path);
    return rc;
}

int fsync(int fd)
{
    return sync_and_note(fd, "fsync");
}

int fdatasync(int fd)
{
    return sync_and_note(fd, "fdatasync");
}
