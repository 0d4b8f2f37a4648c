/* crc32c.h – the checksum of iSCSI and of file systems: RFC 3720, appendix B.4 (polynomial 0x1EDC6F41, reflected).
 *
 * It finds torn and decayed bytes; it proves nothing against somebody who means it. Any thread. */
#ifndef HOOKLINE_BASE_CRC32C_H
#define HOOKLINE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Goes on from crc, which is 0 at first: crc32c(crc32c(0, a), b) is that of a followed by b. */
uint32_t crc32c(uint32_t crc, const void *bytes, size_t len);

#endif
