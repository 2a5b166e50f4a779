/* The meter's bus: DW_apb_i2c as a master (4.3). A transfer fits both FIFOs, so it is one write of
 * all its commands and one wait for its end; nothing here waits without a bound. */
#include "jl_config.h"
#include "jl_port.h"
#include "rp2040.h"

#if JL_METER_BUS

#define I2C_BASE (0x40044000u + 0x4000u * JL_I2C_INDEX)
#define IC_CON (I2C_BASE + 0x00u)
#define IC_TAR (I2C_BASE + 0x04u)
#define IC_DATA_CMD (I2C_BASE + 0x10u)
#define IC_FS_SCL_HCNT (I2C_BASE + 0x1cu)
#define IC_FS_SCL_LCNT (I2C_BASE + 0x20u)
#define IC_RAW_INTR_STAT (I2C_BASE + 0x34u)
#define IC_CLR_TX_ABRT (I2C_BASE + 0x54u)
#define IC_CLR_STOP_DET (I2C_BASE + 0x60u)
#define IC_ENABLE (I2C_BASE + 0x6cu)
#define IC_RXFLR (I2C_BASE + 0x78u)
#define IC_SDA_HOLD (I2C_BASE + 0x7cu)
#define IC_FS_SPKLEN (I2C_BASE + 0xa0u)

#define CON_MASTER_FAST (1u << 0 | 2u << 1 | 1u << 5 | 1u << 6) /* restarts on, slave off */
#define CMD_READ (1u << 8)
#define CMD_STOP (1u << 9)
#define CMD_RESTART (1u << 10)
#define INTR_TX_ABRT (1u << 6)
#define INTR_STOP_DET (1u << 9)

/* Halves of an SCL period in cycles of clk_sys: 3/5 low meets the 1.3 us of fast mode (4.3.14). */
#define PERIOD (JL_CLOCK_HZ / JL_I2C_HZ)
#define LOW_CYCLES (PERIOD * 3u / 5u)
#define HIGH_CYCLES (PERIOD - LOW_CYCLES)
#define HOLD_CYCLES (JL_CLOCK_HZ / 1000000u * 3u / 10u + 1u) /* 300 ns */
#define SPIKE_CYCLES (JL_CLOCK_HZ / 1000000u / 20u)          /* 50 ns */
_Static_assert(HIGH_CYCLES > SPIKE_CYCLES + 6u && LOW_CYCLES < 65526u, "bus speed out of range");

/* The longest transfer is 18 bytes of 9 bits; ten times that, in turns of at least 8 cycles. */
#define MAX_TURNS (18u * 9u * 10u * (PERIOD / 8u + 1u))

void rp2040_i2c_init(void) {
    const uint32_t unit = RESET_I2C0 << JL_I2C_INDEX;
    REG_SET(RESETS_RESET) = unit;
    rp2040_unreset(unit);
    REG(IC_ENABLE) = 0;
    REG(IC_CON) = CON_MASTER_FAST;
    REG(IC_FS_SCL_HCNT) = HIGH_CYCLES;
    REG(IC_FS_SCL_LCNT) = LOW_CYCLES;
    REG(IC_FS_SPKLEN) = SPIKE_CYCLES;
    REG(IC_SDA_HOLD) = HOLD_CYCLES;
}

static void queue(const uint8_t *out, size_t out_length, size_t in_length) {
    for (size_t i = 0; i < out_length; i++) {
        bool last = i + 1 == out_length && in_length == 0;
        REG(IC_DATA_CMD) = out[i] | (last ? CMD_STOP : 0u);
    }
    for (size_t i = 0; i < in_length; i++) {
        bool turn_around = i == 0 && out_length != 0;
        REG(IC_DATA_CMD) =
            CMD_READ | (turn_around ? CMD_RESTART : 0u) | (i + 1 == in_length ? CMD_STOP : 0u);
    }
}

int jl_port_i2c(uint8_t address, const uint8_t *out, size_t out_length, uint8_t *in,
                size_t in_length) {
    if (out_length > JL_PORT_I2C_MAX_BYTES || in_length > JL_PORT_I2C_MAX_BYTES) {
        return JL_PORT_I2C_TIMEOUT;
    }
    /* Disabling empties both FIFOs, whatever an earlier transfer left there. */
    REG(IC_ENABLE) = 0;
    REG(IC_TAR) = address;
    REG(IC_ENABLE) = 1;
    (void)REG(IC_CLR_TX_ABRT);
    (void)REG(IC_CLR_STOP_DET);
    queue(out, out_length, in_length);

    uint32_t status = 0;
    for (uint32_t turn = 0; turn < MAX_TURNS; turn++) {
        status = REG(IC_RAW_INTR_STAT);
        if ((status & INTR_STOP_DET) != 0) {
            break;
        }
    }
    if ((status & INTR_TX_ABRT) != 0) {
        return JL_PORT_I2C_NO_ANSWER;
    }
    if ((status & INTR_STOP_DET) == 0 || REG(IC_RXFLR) != in_length) {
        return JL_PORT_I2C_TIMEOUT;
    }
    for (size_t i = 0; i < in_length; i++) {
        in[i] = (uint8_t)REG(IC_DATA_CMD);
    }
    return 0;
}

#else

void rp2040_i2c_init(void) {
}

int jl_port_i2c(uint8_t address, const uint8_t *out, size_t out_length, uint8_t *in,
                size_t in_length) {
    (void)address, (void)out, (void)out_length, (void)in, (void)in_length;
    return JL_PORT_I2C_NO_ANSWER;
}

#endif
