/* CRC-32 of the link's frames: zlib's (reflected 0xEDB88320, all ones in, inverted out). */
#ifndef JL_CRC32_H
#define JL_CRC32_H

#include <stddef.h>
#include <stdint.h>

uint32_t jl_crc32(const uint8_t *bytes, size_t length);

#endif
