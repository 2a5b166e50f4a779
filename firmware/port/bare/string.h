/* The part of the standard header that libc.c implements: a freestanding compiler brings none. */
#ifndef JL_STRING_H
#define JL_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t length);
void *memmove(void *to, const void *from, size_t length);
void *memset(void *to, int value, size_t length);
int memcmp(const void *left, const void *right, size_t length);

#endif
