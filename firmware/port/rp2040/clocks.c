/* Clocks: bring-up, and doing without the PLLs for a while. */
#include "jl_config.h"
#include "jl_port.h"
#include "rp2040.h"

#define XOSC_HZ 12000000u
_Static_assert(JL_CLOCK_HZ / SSI_BAUDR_DIVIDER <= 50000000u, "faster than the flash can be read");

/* The regulator says when it is in regulation; in turns of clk_ref, some 2 ms of them. */
#define VREG_TURNS 3000u

static void power_pll(uint32_t base) {
    REG_CLEAR(base + PLL_PWR) = PLL_PWR_VCO | PLL_PWR_PLL;
    while ((REG(base + PLL_CS) & PLL_CS_LOCK) == 0) {
    }
}

/* 12 MHz * fbdiv / postdiv1 / postdiv2 (2.18.3). */
static void start_pll(uint32_t base, uint32_t unit, uint32_t fbdiv, uint32_t postdiv1,
                      uint32_t postdiv2) {
    rp2040_reset(unit);
    rp2040_unreset(unit);
    REG(base + PLL_CS) = 1u;
    REG(base + PLL_FBDIV_INT) = fbdiv;
    power_pll(base);
    REG(base + PLL_PRIM) = postdiv1 << 16 | postdiv2 << 12;
    REG_CLEAR(base + PLL_PWR) = PLL_PWR_POSTDIV;
}

/* clk_sys from clk_ref while its PLL changes (2.15.3.2). */
static void leave_pll(void) {
    REG_CLEAR(CLK_SYS_CTRL) = 1u;
    while (REG(CLK_SYS_SELECTED) != 1u << 0) {
    }
}

static void enter_pll(void) {
    REG_SET(CLK_SYS_CTRL) = 1u;
    while (REG(CLK_SYS_SELECTED) != 1u << 1) {
    }
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

    /* clk_ref from the crystal. */
    REG(CLK_REF_CTRL) = 2u;
    while (REG(CLK_REF_SELECTED) != 1u << 2) {
    }
    leave_pll();

#if JL_VREG_VSEL != VREG_VSEL_1V10
    /* Before the clock that needs it. */
    REG(VREG) = JL_VREG_VSEL << 4 | VREG_ENABLE;
    for (uint32_t turn = 0; turn < VREG_TURNS && (REG(VREG) & VREG_IN_REGULATION) == 0; turn++) {
    }
#endif

    start_pll(PLL_SYS_BASE, RESET_PLL_SYS, JL_PLL_FBDIV, JL_PLL_POSTDIV1, JL_PLL_POSTDIV2);

    /* clk_sys and clk_peri from the PLL, undivided. */
    REG(CLK_SYS_DIV) = 1u << 8;
    REG(CLK_SYS_CTRL) = 0u << 5; /* AUXSRC: clksrc_pll_sys; SRC still clk_ref */
    enter_pll();
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

static void stop_pll(uint32_t base) {
    REG_SET(base + PLL_PWR) = PLL_PWR_POSTDIV | PLL_PWR_VCO | PLL_PWR_PLL;
}

/* A PLL keeps its dividers while it has no power. */
static void restart_pll(uint32_t base) {
    power_pll(base);
    REG_CLEAR(base + PLL_PWR) = PLL_PWR_POSTDIV;
}

void rp2040_clocks_slow(void) {
    leave_pll();
    stop_pll(PLL_SYS_BASE);
#if JL_USB
    REG(CLK_USB_CTRL) = 0;
    stop_pll(PLL_USB_BASE);
#endif
}

void rp2040_clocks_fast(void) {
#if JL_USB
    REG_CLEAR(PLL_USB_BASE + PLL_PWR) = PLL_PWR_VCO | PLL_PWR_PLL; /* both lock at once */
    restart_pll(PLL_SYS_BASE);
    restart_pll(PLL_USB_BASE);
    REG(CLK_USB_CTRL) = 1u << 11;
#else
    restart_pll(PLL_SYS_BASE);
#endif
    enter_pll();
}
