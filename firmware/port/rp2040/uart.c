/* One of the links: PL011 UART (4.2), received by interrupt into a ring, sent by sleeping until
 * the FIFO has room. */
#include "jl_config.h"
#include "jl_port.h"
#include "jl_ring.h"
#include "rp2040.h"

#define UART_BASE (0x40034000u + 0x4000u * JL_UART_INDEX)
#define UARTDR (UART_BASE + 0x00u)
#define UARTFR (UART_BASE + 0x18u)
#define UARTIBRD (UART_BASE + 0x24u)
#define UARTFBRD (UART_BASE + 0x28u)
#define UARTLCR_H (UART_BASE + 0x2cu)
#define UARTCR (UART_BASE + 0x30u)
#define UARTIFLS (UART_BASE + 0x34u)
#define UARTIMSC (UART_BASE + 0x38u)
#define UARTMIS (UART_BASE + 0x40u)

#define DR_OVERRUN (1u << 11)
#define FR_TX_FULL (1u << 5)
#define FR_RX_EMPTY (1u << 4)
#define FR_BUSY (1u << 3)
#define LCR_H_8_BITS (3u << 5)
#define LCR_H_FIFOS (1u << 4)
#define CR_RX_ENABLE (1u << 9)
#define CR_TX_ENABLE (1u << 8)
#define CR_ENABLE (1u << 0)
#define IFLS_RX_QUARTER (1u << 3) /* interrupt at 8 of 32 bytes */
#define IFLS_TX_EIGHTH 0u         /* interrupt when 4 of 32 bytes are left */
#define IMSC_TX (1u << 5)
#define IMSC_RX (1u << 4)
#define IMSC_RX_TIMEOUT (1u << 6)

/* Divisor in 1/64 (4.2.3.2.1): clk_peri / (16 * baud), rounded. */
#define DIVISOR_64 ((4u * JL_CLOCK_HZ + JL_UART_BAUD / 2u) / JL_UART_BAUD)
_Static_assert(DIVISOR_64 >= 64u && DIVISOR_64 <= 65535u * 64u, "baud rate out of range");

static jl_ring ring;

void rp2040_uart_init(void) {
    const uint32_t unit = RESET_UART0 << JL_UART_INDEX;
    REG_SET(RESETS_RESET) = unit;
    rp2040_unreset(unit);
    REG(UARTIBRD) = DIVISOR_64 / 64u;
    REG(UARTFBRD) = DIVISOR_64 % 64u;
    REG(UARTLCR_H) = LCR_H_8_BITS | LCR_H_FIFOS; /* also latches the divisor (4.2.3.2) */
    REG(UARTIFLS) = IFLS_RX_QUARTER | IFLS_TX_EIGHTH;
    REG(UARTIMSC) = IMSC_RX | IMSC_RX_TIMEOUT;
    REG(UARTCR) = CR_ENABLE | CR_TX_ENABLE | CR_RX_ENABLE;
    REG(NVIC_ISER) = 1u << (IRQ_UART0 + JL_UART_INDEX);
}

/* Reading the FIFO empty also clears both interrupts of the receiver (4.2.6); the transmitter's has
 * done its work when it has ended a wait. */
JL_HOT void rp2040_uart_interrupt(void) {
    if ((REG(UARTMIS) & IMSC_TX) != 0) {
        REG_CLEAR(UARTIMSC) = IMSC_TX;
    }
    while ((REG(UARTFR) & FR_RX_EMPTY) == 0) {
        uint32_t data = REG(UARTDR);
        if ((data & DR_OVERRUN) != 0) {
            ring.overrun++; /* at least one byte before this one was lost */
        }
        jl_ring_put(&ring, (uint8_t)data);
    }
}

size_t rp2040_uart_read(uint8_t *bytes, size_t capacity) {
    return jl_ring_read(&ring, bytes, capacity);
}

void rp2040_uart_write(const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        while ((REG(UARTFR) & FR_TX_FULL) != 0) {
            REG_SET(UARTIMSC) = IMSC_TX;
            jl_port_wait();
        }
        REG(UARTDR) = bytes[i];
    }
}

/* Nothing interrupts when the last bit has left, so it is looked for four times a byte. */
#define LOOK_US (10u * 1000000u / 4u / JL_UART_BAUD + 1u)

void rp2040_uart_drain(void) {
    while ((REG(UARTFR) & FR_BUSY) != 0) {
        jl_port_wake_at(jl_port_micros() + LOOK_US);
        jl_port_wait();
    }
    rp2040_wake_cancel();
}

uint32_t jl_port_bytes_overrun(void) {
    return ring.overrun;
}
