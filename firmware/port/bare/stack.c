/* How deep the stack has been, and whether it still is one: paint that is gone tells. */
#include "jl_stack.h"

#include "jl_port.h"

extern uint32_t jl_stack_low[], jl_stack_high[]; /* the port's memory.ld.in */

#define STACK_PAINT 0x5ac35ac3u
/* The paint at the very bottom that nothing may ever touch. More than one word, because a call
 * that goes too deep need not write every word of its frame. */
#define STACK_GUARD_WORDS 16u

void jl_stack_paint(void) {
    uint32_t *top;
#if defined(__riscv)
    __asm volatile("mv %0, sp" : "=r"(top));
#else
    __asm volatile("mov %0, sp" : "=r"(top));
#endif
    for (uint32_t *word = jl_stack_low; word < top; word++) {
        *(volatile uint32_t *)word = STACK_PAINT;
    }
}

uint32_t jl_port_stack_bytes(void) {
    return (uint32_t)((uintptr_t)jl_stack_high - (uintptr_t)jl_stack_low);
}

uint32_t jl_port_stack_used_bytes(void) {
    const uint32_t *word = jl_stack_low;
    while (word < jl_stack_high && *(const volatile uint32_t *)word == STACK_PAINT) {
        word++;
    }
    return (uint32_t)((uintptr_t)jl_stack_high - (uintptr_t)word);
}

bool jl_port_stack_intact(void) {
    for (const uint32_t *word = jl_stack_low; word < jl_stack_low + STACK_GUARD_WORDS; word++) {
        if (*(const volatile uint32_t *)word != STACK_PAINT) {
            return false;
        }
    }
    return true;
}
