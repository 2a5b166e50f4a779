/* One of the links: UART 0 (26), received by interrupt into a ring, sent by sleeping until the FIFO
 * has room. */
#include "esp32c3.h"
#include "jl_config.h"
#include "jl_port.h"
#include "jl_ring.h"

#define UART_BASE 0x60000000u
#define UART_FIFO (UART_BASE + 0x00u)
#define UART_INT_ST (UART_BASE + 0x08u)
#define UART_INT_ENA (UART_BASE + 0x0cu)
#define UART_INT_CLR (UART_BASE + 0x10u)
#define UART_CLKDIV (UART_BASE + 0x14u)
#define UART_STATUS (UART_BASE + 0x1cu)
#define UART_CONF0 (UART_BASE + 0x20u)
#define UART_CONF1 (UART_BASE + 0x24u)
#define UART_MEM_CONF (UART_BASE + 0x60u)
#define UART_FSM_STATUS (UART_BASE + 0x6cu)
#define UART_CLK_CONF (UART_BASE + 0x78u)

#define FIFO_BYTES 128u
#define INT_RX_FULL (1u << 0)
#define INT_TX_EMPTY (1u << 1)
#define INT_RX_OVERFLOW (1u << 4)
#define INT_RX_TIMEOUT (1u << 8)
#define STATUS_RX_COUNT(status) ((status) & 0x3ffu)
#define STATUS_TX_COUNT(status) ((status) >> 16 & 0x3ffu)
#define CONF0_8_BITS (3u << 2)
#define CONF0_1_STOP (1u << 4)
#define CONF0_RX_RESET (1u << 17)
#define CONF0_TX_RESET (1u << 18)
#define CONF0_MEMORY_CLOCK (1u << 28)
#define CONF1_RX_FULL (32u << 0) /* interrupt at 32 of 128 bytes */
#define CONF1_TX_EMPTY (32u << 9)
#define CONF1_RX_TIMEOUT (1u << 21)
#define MEM_CONF_TIMEOUT_MASK (0x3ffu << 16)
#define MEM_CONF_TIMEOUT (20u << 16) /* bits of silence, two bytes */
#define FSM_STATUS_SENDING(status) ((status) >> 4 & 0xfu)
#define CLK_CONF_RESET (1u << 23)
#define CLK_CONF_APB (1u << 20)
#define CLK_CONF_ENABLE (1u << 25 | 1u << 24 | 1u << 22)

/* Divisor in 1/16 (26.3.2.2), rounded. */
#define DIVISOR_16 ((16u * (APB_HZ / 100u) + JL_UART_BAUD / 200u) / (JL_UART_BAUD / 100u))
_Static_assert(DIVISOR_16 >= 16u * 4u && DIVISOR_16 < 16u * 4096u, "baud rate out of range");

static jl_ring ring;

void esp32c3_uart_init(void) {
    REG(PERIP_CLK_EN0) |= PERIP_UART_MEMORY;
    /* Held in reset while its registers are: else it may send what it finds (26.4). */
    REG(UART_CLK_CONF) |= CLK_CONF_RESET;
    esp32c3_start_peripheral(PERIP_UART0);
    REG(UART_CLK_CONF) = CLK_CONF_ENABLE | CLK_CONF_APB;
    REG(UART_CLKDIV) = DIVISOR_16 / 16u | DIVISOR_16 % 16u << 20;
    REG(UART_CONF0) = CONF0_8_BITS | CONF0_1_STOP | CONF0_MEMORY_CLOCK;
    REG(UART_CONF1) = CONF1_RX_FULL | CONF1_TX_EMPTY | CONF1_RX_TIMEOUT;
    REG(UART_MEM_CONF) = (REG(UART_MEM_CONF) & ~MEM_CONF_TIMEOUT_MASK) | MEM_CONF_TIMEOUT;
    esp32c3_uart_restart();
    esp32c3_interrupt_connect(SOURCE_UART0, LINE_UART0);
}

/* Forget what came in while the line could not be understood. */
void esp32c3_uart_restart(void) {
    const uint32_t conf = REG(UART_CONF0);
    REG(UART_CONF0) = conf | CONF0_RX_RESET | CONF0_TX_RESET;
    REG(UART_CONF0) = conf;
    REG(UART_INT_CLR) = ~0u;
    REG(UART_INT_ENA) = INT_RX_FULL | INT_RX_TIMEOUT | INT_RX_OVERFLOW;
}

JL_HOT void esp32c3_uart_interrupt(void) {
    const uint32_t why = REG(UART_INT_ST);
    if ((why & INT_TX_EMPTY) != 0) {
        REG(UART_INT_ENA) &= ~INT_TX_EMPTY; /* it has ended a wait */
    }
    if ((why & INT_RX_OVERFLOW) != 0) {
        ring.overrun++; /* at least one byte */
    }
    while (STATUS_RX_COUNT(REG(UART_STATUS)) != 0) {
        jl_ring_put(&ring, (uint8_t)REG(UART_FIFO));
    }
    REG(UART_INT_CLR) = why;
}

size_t esp32c3_uart_read(uint8_t *bytes, size_t capacity) {
    return jl_ring_read(&ring, bytes, capacity);
}

void esp32c3_uart_write(const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        while (STATUS_TX_COUNT(REG(UART_STATUS)) >= FIFO_BYTES) {
            REG(UART_INT_ENA) |= INT_TX_EMPTY;
            jl_port_wait();
        }
        REG(UART_FIFO) = bytes[i];
    }
}

/* Nothing that could be waited for says when the last bit has left, so it is looked for four times
 * a byte. */
#define LOOK_US (10u * 1000000u / 4u / JL_UART_BAUD + 1u)

void esp32c3_uart_drain(void) {
    while (STATUS_TX_COUNT(REG(UART_STATUS)) != 0 ||
           FSM_STATUS_SENDING(REG(UART_FSM_STATUS)) != 0) {
        jl_port_wake_at(jl_port_micros() + LOOK_US);
        jl_port_wait();
    }
    esp32c3_wake_cancel();
}

uint32_t jl_port_bytes_overrun(void) {
    return ring.overrun;
}
