/* The four functions that a freestanding compiler may call of its own accord (C11 4.6 and the
 * compilers' manuals). In SRAM, since the network's code may use them. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "jl_port.h"

JL_HOT void *memcpy(void *restrict to, const void *restrict from, size_t length) {
    uint8_t *d = to;
    const uint8_t *s = from;
    if ((((uintptr_t)d | (uintptr_t)s) & 3u) == 0) {
        for (; length >= 4; length -= 4, d += 4, s += 4) {
            *(uint32_t *)(void *)d = *(const uint32_t *)(const void *)s;
        }
    }
    for (size_t i = 0; i < length; i++) {
        d[i] = s[i];
    }
    return to;
}

JL_HOT void *memmove(void *to, const void *from, size_t length) {
    uint8_t *d = to;
    const uint8_t *s = from;
    if ((uintptr_t)d <= (uintptr_t)s) {
        for (size_t i = 0; i < length; i++) {
            d[i] = s[i];
        }
    } else {
        while (length > 0) {
            length--;
            d[length] = s[length];
        }
    }
    return to;
}

JL_HOT void *memset(void *to, int value, size_t length) {
    uint8_t *d = to;
    for (size_t i = 0; i < length; i++) {
        d[i] = (uint8_t)value;
    }
    return to;
}

JL_HOT int memcmp(const void *left, const void *right, size_t length) {
    const uint8_t *l = left;
    const uint8_t *r = right;
    for (size_t i = 0; i < length; i++) {
        if (l[i] != r[i]) {
            return l[i] - r[i];
        }
    }
    return 0;
}
