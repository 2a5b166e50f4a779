/* Vector table, reset, and the stack's paint. */
#include <stddef.h>
#include <stdint.h>

#include "jl_port.h"
#include "rp2040.h"

/* memory.ld.in; each load address is where the section stands in flash. */
extern const uint32_t jl_hot_load[], jl_network_load[], jl_data_load[];
extern uint32_t jl_hot_start[], jl_hot_end[];
extern uint32_t jl_network_start[], jl_network_end[];
extern uint32_t jl_data_start[], jl_data_end[];
extern uint32_t jl_bss_start[], jl_bss_end[];
extern uint32_t jl_stack_low[], jl_stack_high[];

int main(void);
void jl_reset(void);

#define STACK_PAINT 0x5ac35ac3u
/* The paint at the very bottom that nothing may ever touch. More than one word, because a call
 * that goes too deep need not write every word of its frame. */
#define STACK_GUARD_WORDS 16u

static void copy_section(const uint32_t *from, uint32_t *to, const uint32_t *end) {
    /* To the compiler these are different objects, whose addresses can never be equal; to the
     * linker they are two names that may stand for one place. */
    __asm volatile("" : "+r"(from), "+r"(to));
    if (from == to) {
        return; /* a section that stays in flash */
    }
    while (to < end) {
        *to++ = *from++;
    }
}

/* Runs before anything is in SRAM: it and what it calls must stay in flash and use no library. */
void jl_reset(void) {
    uint32_t *top;
    __asm volatile("mov %0, sp" : "=r"(top));
    for (uint32_t *word = jl_stack_low; word < top; word++) {
        *(volatile uint32_t *)word = STACK_PAINT;
    }
    copy_section(jl_hot_load, jl_hot_start, jl_hot_end);
    copy_section(jl_network_load, jl_network_start, jl_network_end);
    copy_section(jl_data_load, jl_data_start, jl_data_end);
    for (uint32_t *word = jl_bss_start; word < jl_bss_end; word++) {
        *(volatile uint32_t *)word = 0;
    }
    main();
    for (;;) {
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

typedef union {
    const void *stack;
    void (*handler)(void);
} vector;

/* 2.4.5 of the datasheet; the exceptions' order is ARMv6-M's. */
extern const vector jl_vectors[16 + IRQ_COUNT];
__attribute__((section(".vectors"), used)) const vector jl_vectors[16 + IRQ_COUNT] = {
    [0] = {.stack = jl_stack_high},
    [1] = {.handler = jl_reset},
    [2] = {.handler = rp2040_fault},  /* NMI */
    [3] = {.handler = rp2040_fault},  /* HardFault */
    [11] = {.handler = rp2040_fault}, /* SVCall */
    [14] = {.handler = rp2040_fault}, /* PendSV */
    [15] = {.handler = rp2040_fault}, /* SysTick */
    [16 + IRQ_TIMER_0] = {.handler = rp2040_alarm_interrupt},
    [16 + IRQ_TIMER_1] = {.handler = rp2040_heartbeat_interrupt},
    [16 + IRQ_USBCTRL] = {.handler = rp2040_usb_interrupt},
    [16 + IRQ_UART0] = {.handler = rp2040_uart_interrupt},
    [16 + IRQ_UART0 + 1] = {.handler = rp2040_uart_interrupt},
};
