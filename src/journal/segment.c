#include "journal/segment.h"

#include "base/clock.h"
#include "base/crypto.h"
#include "base/failpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Asked for when a segment is made: a disk with less than this is full now, and should say so before it is needed. */
#define LEAST_ROOM (64 * 1024)

void segment_name(uint64_t number, bool aside, char out[SEGMENT_NAME_BYTES])
{
    (void)snprintf(out, SEGMENT_NAME_BYTES, "%016" PRIu64 "%s", number, aside ? ".aside" : ".journal");
}

static bool write_fully(int fd, const uint8_t *bytes, size_t len, err_t *err)
{
    while (len) {
        ssize_t n = write(fd, bytes, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return err_set(err, ERR_IO, "cannot be written: %s", n < 0 ? strerror(errno) : "no room");
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

static bool sync_data(int fd, err_t *err)
{
    return fdatasync(fd) == 0 || err_set(err, ERR_IO, "cannot be synced: %s", strerror(errno));
}

static bool begin(const segment_t *s, int folder_fd, uint64_t first_sequence, err_t *err)
{
    segment_header_t header = {s->number, first_sequence, clock_wall_us(), s->salt};
    uint8_t bytes[SEGMENT_HEADER_BYTES];

    if (fallocate(s->fd, FALLOC_FL_KEEP_SIZE, 0, LEAST_ROOM) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return err_set(err, ERR_IO, "cannot be made: %s", strerror(errno));
    segment_header_write(&header, bytes);
    if (!write_fully(s->fd, bytes, sizeof(bytes), err) || !sync_data(s->fd, err))
        return false;
    FAILPOINT("journal.segment.made");
    if (fsync(folder_fd) != 0)
        return err_set(err, ERR_IO, "its folder cannot be synced: %s", strerror(errno));
    FAILPOINT("journal.segment.durable");
    return true;
}

bool segment_create(segment_t *s, int folder_fd, uint64_t number, uint64_t first_sequence, err_t *err)
{
    char name[SEGMENT_NAME_BYTES];

    segment_name(number, false, name);
    *s = (segment_t){.number = number, .next_sequence = first_sequence, .bytes = SEGMENT_HEADER_BYTES};
    crypto_random(&s->salt, sizeof(s->salt));
    s->fd = openat(folder_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return err_set(err, ERR_IO, "cannot be made: %s", strerror(errno));
    if (begin(s, folder_fd, first_sequence, err))
        return true;
    segment_close(s, folder_fd);
    return false;
}

/* Who removes a file, or all of its folder, takes what is written to it from then on away with it. */
static bool has_name(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && st.st_nlink > 0;
}

bool segment_append(segment_t *s, uint8_t *records, size_t len, uint64_t count, err_t *err)
{
    uint64_t sequence = s->next_sequence;

    for (size_t at = 0; at < len; at += record_length(records + at, len - at))
        record_seal(records + at, s->salt, sequence++);
    FAILPOINT("journal.group.sealed");
    if (!write_fully(s->fd, records, len, err))
        return false;
    FAILPOINT("journal.group.written");
    if (!sync_data(s->fd, err))
        return false;
    if (!has_name(s->fd))
        return err_set(err, ERR_IO, "was removed while it was written");
    FAILPOINT("journal.group.durable");
    s->next_sequence = sequence;
    s->bytes += len;
    s->records += count;
    return true;
}

void segment_close(segment_t *s, int folder_fd)
{
    char name[SEGMENT_NAME_BYTES];

    if (s->fd < 0)
        return;
    segment_name(s->number, false, name);
    if (!s->records)
        (void)unlinkat(folder_fd, name, 0);
    else
        (void)!ftruncate(s->fd, (off_t)s->bytes);
    close(s->fd);
    s->fd = -1;
}
