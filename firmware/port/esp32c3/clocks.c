/* Clocks (6.2.4): the core from the PLL, peripherals from the APB clock or the crystal. */
#include "esp32c3.h"
#include "jl_config.h"

#if JL_CLOCK_HZ == 160000000
#define PERIOD CPU_PER_CONF_160MHZ
#elif JL_CLOCK_HZ == 80000000
#define PERIOD 0u
#else
#error "the ESP32-C3's PLL makes 80 or 160 MHz"
#endif

static void run_from(uint32_t source) {
    REG(SYSCLK_CONF) =
        (REG(SYSCLK_CONF) & ~(SYSCLK_CONF_SOURCE_MASK | SYSCLK_CONF_DIVIDER_MASK)) | source;
}

/* The PLL runs at 480 MHz since the boot ROM, which needs it for the USB controller; what its power
 * went off for it keeps. */
void esp32c3_clocks_fast(void) {
    REG(RTC_OPTIONS0) &= ~RTC_OPTIONS0_PLL_OFF;
    REG(CPU_PER_CONF) =
        (REG(CPU_PER_CONF) & ~(CPU_PER_CONF_PERIOD_MASK | CPU_PER_CONF_CLOCK_IN_WFI)) |
        CPU_PER_CONF_PLL_480MHZ | PERIOD;
    run_from(SYSCLK_CONF_SOURCE_PLL);
}

void esp32c3_clocks_slow(void) {
    run_from(SYSCLK_CONF_SOURCE_CRYSTAL);
    REG(RTC_OPTIONS0) |= RTC_OPTIONS0_PLL_OFF;
}

void esp32c3_start_peripheral(uint32_t mask) {
    REG(PERIP_CLK_EN0) |= mask;
    REG(PERIP_RST_EN0) |= mask;
    REG(PERIP_RST_EN0) &= ~mask;
}

void esp32c3_clocks_init(void) {
    esp32c3_clocks_fast();
}
