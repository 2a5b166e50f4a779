/* Bring-up order, clocks, resets and pins. */
#include "jl_config.h"
#include "jl_port.h"
#include "jl_protocol.h"
#include "rp2040.h"

#define XOSC_HZ 12000000u

static uint8_t reset_cause;

void rp2040_unreset(uint32_t mask) {
    REG_CLEAR(RESETS_RESET) = mask;
    while ((REG(RESETS_RESET_DONE) & mask) != mask) {
    }
}

static void reset(uint32_t mask) {
    REG_SET(RESETS_RESET) = mask;
}

void rp2040_clocks_init(void) {
    /* Off until it has its source: it must not see the change (2.15.3.3). */
    REG(CLK_PERI_CTRL) = 0;
    /* No automatic return to the oscillator: a clock that fails must show, not change (2.15.5). */
    REG(CLK_SYS_RESUS_CTRL) = 0;

    /* Crystal: 1-15 MHz range, 6 ms to start in units of 256 periods (2.16.3). */
    REG(XOSC_CTRL) = 0xaa0u;
    REG(XOSC_STARTUP) = XOSC_HZ / 1000u * 6u / 256u;
    REG_SET(XOSC_CTRL) = 0xfabu << 12;
    while ((REG(XOSC_STATUS) & 1u << 31) == 0) {
    }

    /* clk_ref from the crystal, clk_sys from clk_ref while the PLL is changed (2.15.3.2). */
    REG(CLK_REF_CTRL) = 2u;
    while (REG(CLK_REF_SELECTED) != 1u << 2) {
    }
    REG_CLEAR(CLK_SYS_CTRL) = 1u;
    while (REG(CLK_SYS_SELECTED) != 1u << 0) {
    }

    /* System PLL: 12 MHz * FBDIV / POSTDIV1 / POSTDIV2 (2.18.3). */
    reset(RESET_PLL_SYS);
    rp2040_unreset(RESET_PLL_SYS);
    REG(PLL_CS) = 1u;
    REG(PLL_FBDIV_INT) = JL_PLL_FBDIV;
    REG_CLEAR(PLL_PWR) = 1u << 5 | 1u << 0; /* VCO and PLL on */
    while ((REG(PLL_CS) & 1u << 31) == 0) {
    }
    REG(PLL_PRIM) = (uint32_t)JL_PLL_POSTDIV1 << 16 | (uint32_t)JL_PLL_POSTDIV2 << 12;
    REG_CLEAR(PLL_PWR) = 1u << 3; /* post dividers on */

    /* clk_sys and clk_peri from the PLL, undivided. */
    REG(CLK_SYS_DIV) = 1u << 8;
    REG(CLK_SYS_CTRL) = 0u << 5; /* AUXSRC: clksrc_pll_sys; SRC still clk_ref */
    REG_SET(CLK_SYS_CTRL) = 1u;
    while (REG(CLK_SYS_SELECTED) != 1u << 1) {
    }
    REG(CLK_PERI_CTRL) = 1u << 11; /* enabled, AUXSRC: clk_sys */

    /* clk_ref / 12 is the 1 MHz tick of the timer and the watchdog (4.7.2). */
    REG(WATCHDOG_TICK) = WATCHDOG_TICK_ENABLE | XOSC_HZ / 1000000u;
}

void rp2040_pin(uint32_t pin, uint32_t function, uint32_t pad) {
    REG(PAD(pin)) = pad;
    REG(GPIO_CTRL(pin)) = function;
}

void rp2040_pins_init(void) {
    reset(RESET_IO_BANK0 | RESET_PADS_BANK0);
    rp2040_unreset(RESET_IO_BANK0 | RESET_PADS_BANK0);
    rp2040_pin(JL_UART_TX_PIN, GPIO_FUNCTION_UART, PAD_DRIVE_4MA);
    /* Pulled up, so that a cable that is not there reads as an idle line. */
    rp2040_pin(JL_UART_RX_PIN, GPIO_FUNCTION_UART,
               PAD_DRIVE_4MA | PAD_INPUT_ENABLE | PAD_PULL_UP | PAD_SCHMITT);
#if JL_METER_BUS
    rp2040_pin(JL_I2C_SDA_PIN, GPIO_FUNCTION_I2C,
               PAD_DRIVE_4MA | PAD_INPUT_ENABLE | PAD_PULL_UP | PAD_SCHMITT);
    rp2040_pin(JL_I2C_SCL_PIN, GPIO_FUNCTION_I2C,
               PAD_DRIVE_4MA | PAD_INPUT_ENABLE | PAD_PULL_UP | PAD_SCHMITT);
    REG(SIO_GPIO_OUT_CLR) = 1u << JL_GATE_PIN;
    REG(SIO_GPIO_OE_SET) = 1u << JL_GATE_PIN;
    rp2040_pin(JL_GATE_PIN, GPIO_FUNCTION_SIO, PAD_DRIVE_4MA | PAD_INPUT_ENABLE);
#endif
}

void jl_port_gate(bool high) {
#if JL_METER_BUS
    REG(high ? SIO_GPIO_OUT_SET : SIO_GPIO_OUT_CLR) = 1u << JL_GATE_PIN;
#else
    (void)high;
#endif
}

static uint8_t read_reset_cause(void) {
    uint32_t watchdog = REG(WATCHDOG_REASON);
    uint32_t chip = REG(CHIP_RESET);
    if (watchdog & WATCHDOG_REASON_TIMER) {
        return JL_RESET_CAUSE_WATCHDOG;
    }
    if (watchdog & WATCHDOG_REASON_FORCE) {
        return JL_RESET_CAUSE_REQUESTED;
    }
    if (chip & CHIP_RESET_HAD_RUN) {
        return JL_RESET_CAUSE_RUN_PIN;
    }
    return chip & CHIP_RESET_HAD_POR ? JL_RESET_CAUSE_POWER_ON : JL_RESET_CAUSE_UNKNOWN;
}

uint8_t jl_port_reset_cause(void) {
    return reset_cause;
}

void jl_port_init(void) {
    reset_cause = read_reset_cause();
    rp2040_clocks_init();
    rp2040_timers_init();
    rp2040_flash_id_init();
    rp2040_pins_init();
    rp2040_uart_init();
    rp2040_i2c_init();
}
