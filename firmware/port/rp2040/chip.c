/* Bring-up order, clocks, resets and pins. */
#include "jl_config.h"
#include "jl_port.h"
#include "rp2040.h"

#define XOSC_HZ 12000000u

void rp2040_unreset(uint32_t mask) {
    REG_CLEAR(RESETS_RESET) = mask;
    while ((REG(RESETS_RESET_DONE) & mask) != mask) {
    }
}

static void reset(uint32_t mask) {
    REG_SET(RESETS_RESET) = mask;
}

/* 12 MHz * fbdiv / postdiv1 / postdiv2 (2.18.3). */
static void start_pll(uint32_t base, uint32_t unit, uint32_t fbdiv, uint32_t postdiv1,
                      uint32_t postdiv2) {
    reset(unit);
    rp2040_unreset(unit);
    REG(base + PLL_CS) = 1u;
    REG(base + PLL_FBDIV_INT) = fbdiv;
    REG_CLEAR(base + PLL_PWR) = 1u << 5 | 1u << 0; /* VCO and PLL on */
    while ((REG(base + PLL_CS) & 1u << 31) == 0) {
    }
    REG(base + PLL_PRIM) = postdiv1 << 16 | postdiv2 << 12;
    REG_CLEAR(base + PLL_PWR) = 1u << 3; /* post dividers on */
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

    start_pll(PLL_SYS_BASE, RESET_PLL_SYS, JL_PLL_FBDIV, JL_PLL_POSTDIV1, JL_PLL_POSTDIV2);

    /* clk_sys and clk_peri from the PLL, undivided. */
    REG(CLK_SYS_DIV) = 1u << 8;
    REG(CLK_SYS_CTRL) = 0u << 5; /* AUXSRC: clksrc_pll_sys; SRC still clk_ref */
    REG_SET(CLK_SYS_CTRL) = 1u;
    while (REG(CLK_SYS_SELECTED) != 1u << 1) {
    }
    REG(CLK_PERI_CTRL) = 1u << 11; /* enabled, AUXSRC: clk_sys */

#if JL_USB
    /* clk_usb: 12 MHz * 100 / 5 / 5 = 48 MHz, undivided. Off while its source changes. */
    REG(CLK_USB_CTRL) = 0;
    start_pll(PLL_USB_BASE, RESET_PLL_USB, 100u, 5u, 5u);
    REG(CLK_USB_DIV) = 1u << 8;
    REG(CLK_USB_CTRL) = 1u << 11; /* enabled, AUXSRC: clksrc_pll_usb */
#endif

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

void jl_port_init(void) {
    rp2040_clocks_init();
    rp2040_watchdog_init();
    rp2040_timers_init();
    rp2040_flash_id_init();
    rp2040_pins_init();
    rp2040_uart_init();
    rp2040_i2c_init();
    rp2040_usb_init();
}
