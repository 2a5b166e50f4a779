/* Bytes that an interrupt takes in and the program reads later. */
#ifndef JL_RING_H
#define JL_RING_H

#include <stddef.h>
#include <stdint.h>

/* One of the largest frames can arrive while another is worked on. */
#define JL_RING_BYTES 4096u
_Static_assert((JL_RING_BYTES & (JL_RING_BYTES - 1u)) == 0, "the ring's size must be a power of 2");

typedef struct {
    uint8_t bytes[JL_RING_BYTES];
    volatile uint32_t head; /* written by the interrupt only; both count for ever */
    volatile uint32_t tail; /* written by the reader only */
    volatile uint32_t overrun;
} jl_ring;

/* Keep one byte, or count it as lost; in the interrupt. */
static inline void jl_ring_put(jl_ring *ring, uint8_t byte) {
    const uint32_t head = ring->head;
    if (head - ring->tail == JL_RING_BYTES) {
        ring->overrun++;
    } else {
        ring->bytes[head % JL_RING_BYTES] = byte;
        ring->head = head + 1u;
    }
}

/* Up to capacity bytes, the oldest first; how many there were. */
static inline size_t jl_ring_read(jl_ring *ring, uint8_t *bytes, size_t capacity) {
    size_t n = 0;
    uint32_t tail = ring->tail;
    while (n < capacity && tail != ring->head) {
        bytes[n++] = ring->bytes[tail++ % JL_RING_BYTES];
    }
    ring->tail = tail;
    return n;
}

#endif
