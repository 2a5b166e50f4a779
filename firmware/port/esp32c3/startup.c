/* From the vector into C: memory, the trap's C side. */
#include "esp32c3.h"
#include "jl_port.h"
#include "jl_stack.h"

extern uint32_t jl_bss_start[], jl_bss_end[]; /* memory.ld.in */

int main(void);

void esp32c3_start(void) {
    jl_stack_paint();
    for (uint32_t *word = jl_bss_start; word < jl_bss_end; word++) {
        *(volatile uint32_t *)word = 0;
    }
    main();
    for (;;) {
    }
}

void esp32c3_interrupt_connect(uint32_t source, uint32_t line) {
    REG(INTERRUPT_TYPE) &= ~(1u << line);
    REG(INTERRUPT_PRIORITY(line)) = 1u;
    REG(INTERRUPT_MAP(source)) = line;
    REG(INTERRUPT_ENABLE) |= 1u << line;
}

JL_HOT void esp32c3_interrupt(uint32_t cause) {
    switch (cause & 31u) {
    case LINE_UART0:
        esp32c3_uart_interrupt();
        break;
    case LINE_USB:
        esp32c3_usb_interrupt();
        break;
    case LINE_WAKE:
        esp32c3_wake_interrupt();
        break;
    case LINE_HEARTBEAT:
        esp32c3_heartbeat_interrupt();
        break;
    default:
        /* Nothing else is connected; a line that is would come again for ever. */
        REG(INTERRUPT_ENABLE) &= ~(1u << (cause & 31u));
        break;
    }
    esp32c3_end_wait();
}
