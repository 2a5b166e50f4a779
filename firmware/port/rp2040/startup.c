/* Vector table and reset. */
#include <stddef.h>
#include <stdint.h>

#include "jl_stack.h"
#include "rp2040.h"

/* memory.ld.in; each load address is where the section stands in flash. */
extern const uint32_t jl_hot_load[], jl_network_load[], jl_data_load[];
extern uint32_t jl_hot_start[], jl_hot_end[];
extern uint32_t jl_network_start[], jl_network_end[];
extern uint32_t jl_data_start[], jl_data_end[];
extern uint32_t jl_bss_start[], jl_bss_end[];
extern uint32_t jl_stack_high[];

int main(void);
void jl_reset(void);

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
    jl_stack_paint();
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
