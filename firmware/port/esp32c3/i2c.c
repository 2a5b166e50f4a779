/* The meter's bus: I2C 0 as a master (27). A transfer fits both FIFOs, so it is one list of
 * commands and one wait for its end; nothing here waits without a bound. */
#include "esp32c3.h"
#include "jl_config.h"
#include "jl_port.h"

#if JL_METER_BUS

#define I2C_BASE 0x60013000u
#define I2C_SCL_LOW (I2C_BASE + 0x00u)
#define I2C_CTR (I2C_BASE + 0x04u)
#define I2C_SR (I2C_BASE + 0x08u)
#define I2C_TIMEOUT (I2C_BASE + 0x0cu)
#define I2C_FIFO_CONF (I2C_BASE + 0x18u)
#define I2C_DATA (I2C_BASE + 0x1cu)
#define I2C_INT_RAW (I2C_BASE + 0x20u)
#define I2C_INT_CLR (I2C_BASE + 0x24u)
#define I2C_SDA_HOLD (I2C_BASE + 0x30u)
#define I2C_SDA_SAMPLE (I2C_BASE + 0x34u)
#define I2C_SCL_HIGH (I2C_BASE + 0x38u)
#define I2C_START_HOLD (I2C_BASE + 0x40u)
#define I2C_RESTART_SETUP (I2C_BASE + 0x44u)
#define I2C_STOP_HOLD (I2C_BASE + 0x48u)
#define I2C_STOP_SETUP (I2C_BASE + 0x4cu)
#define I2C_FILTER (I2C_BASE + 0x50u)
#define I2C_CLK_CONF (I2C_BASE + 0x54u)
#define I2C_COMMAND(n) (I2C_BASE + 0x58u + 4u * (n))

#define CTR_OPEN_DRAIN (1u << 0 | 1u << 1)
#define CTR_MASTER (1u << 4)
#define CTR_START (1u << 5)
#define CTR_CLOCK (1u << 8)
#define CTR_RESET (1u << 10)
#define CTR_UPDATE (1u << 11)
#define SR_RECEIVED(status) ((status) >> 8 & 0x3fu)
#define TIMEOUT_ENABLE (1u << 5)
#define TIMEOUT_LOG2 16u /* of cycles of the module's clock: 1.6 ms */
#define FIFO_CONF_RX_RESET (1u << 12)
#define FIFO_CONF_TX_RESET (1u << 13)
#define FIFO_CONF_POINTERS (1u << 14)
#define INT_ARBITRATION (1u << 5)
#define INT_COMPLETE (1u << 7)
#define INT_TIME_OUT (1u << 8)
#define INT_NACK (1u << 10)
#define FILTER_ENABLE (3u << 8 | 2u << 4 | 2u) /* both lines, 2 cycles: 50 ns */
#define CLK_CONF_ACTIVE (1u << 21)             /* crystal, undivided */

#define COMMAND_WRITE(bytes) (1u << 11 | 1u << 8 | (bytes))
#define COMMAND_STOP (2u << 11)
#define COMMAND_READ(bytes) (3u << 11 | (bytes))
#define COMMAND_READ_LAST (3u << 11 | 1u << 10 | 1u)
#define COMMAND_START (6u << 11)

/* Parts of an SCL period in cycles of the crystal: 3/5 low meets the 1.3 us of fast mode. */
#define PERIOD (CRYSTAL_HZ / JL_I2C_HZ)
#define LOW_CYCLES (PERIOD * 3u / 5u)
#define HIGH_CYCLES (PERIOD - LOW_CYCLES)
#define WAIT_HIGH_CYCLES (HIGH_CYCLES / 2u)
#define HOLD_CYCLES (LOW_CYCLES / 4u)
_Static_assert(HIGH_CYCLES > 16u && LOW_CYCLES <= 512u && WAIT_HIGH_CYCLES < 128u,
               "bus speed out of range");

/* The longest transfer is 18 bytes of 9 bits; ten times that, in turns of at least 8 cycles. */
#define MAX_TURNS (18u * 9u * 10u * (JL_CLOCK_HZ / JL_I2C_HZ / 8u + 1u))

void esp32c3_i2c_init(void) {
    esp32c3_start_peripheral(PERIP_I2C0);
    REG(I2C_CLK_CONF) = CLK_CONF_ACTIVE;
    REG(I2C_CTR) = CTR_OPEN_DRAIN | CTR_MASTER | CTR_CLOCK;
    REG(I2C_FIFO_CONF) = FIFO_CONF_POINTERS;
    REG(I2C_SCL_LOW) = LOW_CYCLES - 1u;
    REG(I2C_SCL_HIGH) = (HIGH_CYCLES - WAIT_HIGH_CYCLES) | WAIT_HIGH_CYCLES << 9;
    REG(I2C_SDA_HOLD) = HOLD_CYCLES - 1u;
    REG(I2C_SDA_SAMPLE) = HIGH_CYCLES / 2u - 1u;
    REG(I2C_START_HOLD) = LOW_CYCLES - 1u;
    REG(I2C_RESTART_SETUP) = LOW_CYCLES - 1u;
    REG(I2C_STOP_HOLD) = LOW_CYCLES - 1u;
    REG(I2C_STOP_SETUP) = LOW_CYCLES - 1u;
    REG(I2C_TIMEOUT) = TIMEOUT_ENABLE | TIMEOUT_LOG2;
    REG(I2C_FILTER) = FILTER_ENABLE;
    REG(I2C_CTR) |= CTR_UPDATE;
}

/* Empty both FIFOs and forget a transfer that did not end. */
static void start_over(void) {
    REG(I2C_CTR) |= CTR_RESET;
    REG(I2C_FIFO_CONF) = FIFO_CONF_POINTERS | FIFO_CONF_RX_RESET | FIFO_CONF_TX_RESET;
    REG(I2C_FIFO_CONF) = FIFO_CONF_POINTERS;
    REG(I2C_INT_CLR) = ~0u;
}

static void queue(uint8_t address, const uint8_t *out, size_t out_length, size_t in_length) {
    uint32_t n = 0;
    if (out_length != 0 || in_length == 0) {
        REG(I2C_COMMAND(n++)) = COMMAND_START;
        REG(I2C_COMMAND(n++)) = COMMAND_WRITE(out_length + 1u);
        REG(I2C_DATA) = (uint32_t)address << 1;
        for (size_t i = 0; i < out_length; i++) {
            REG(I2C_DATA) = out[i];
        }
    }
    if (in_length != 0) {
        REG(I2C_COMMAND(n++)) = COMMAND_START;
        REG(I2C_COMMAND(n++)) = COMMAND_WRITE(1u);
        REG(I2C_DATA) = (uint32_t)address << 1 | 1u;
        if (in_length > 1u) {
            REG(I2C_COMMAND(n++)) = COMMAND_READ(in_length - 1u);
        }
        REG(I2C_COMMAND(n++)) = COMMAND_READ_LAST;
    }
    REG(I2C_COMMAND(n)) = COMMAND_STOP;
}

int jl_port_i2c(uint8_t address, const uint8_t *out, size_t out_length, uint8_t *in,
                size_t in_length) {
    if (out_length > JL_PORT_I2C_MAX_BYTES || in_length > JL_PORT_I2C_MAX_BYTES) {
        return JL_PORT_I2C_TIMEOUT;
    }
    start_over();
    queue(address, out, out_length, in_length);
    REG(I2C_CTR) |= CTR_UPDATE;
    REG(I2C_CTR) |= CTR_START;

    uint32_t status = 0;
    for (uint32_t turn = 0; turn < MAX_TURNS; turn++) {
        status = REG(I2C_INT_RAW);
        if ((status & (INT_COMPLETE | INT_NACK | INT_TIME_OUT | INT_ARBITRATION)) != 0) {
            break;
        }
    }
    if ((status & INT_NACK) != 0) {
        return JL_PORT_I2C_NO_ANSWER;
    }
    if ((status & INT_COMPLETE) == 0 || SR_RECEIVED(REG(I2C_SR)) != in_length) {
        return JL_PORT_I2C_TIMEOUT;
    }
    for (size_t i = 0; i < in_length; i++) {
        in[i] = (uint8_t)REG(I2C_DATA);
    }
    return 0;
}

#else

void esp32c3_i2c_init(void) {
}

int jl_port_i2c(uint8_t address, const uint8_t *out, size_t out_length, uint8_t *in,
                size_t in_length) {
    (void)address, (void)out, (void)out_length, (void)in, (void)in_length;
    return JL_PORT_I2C_NO_ANSWER;
}

#endif
