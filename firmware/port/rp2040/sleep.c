/* The deepest sleep that the chip's own timer can end (2.11.2).
 *
 * Dormant would be deeper, but it stops the crystal, and with it the timer, the watchdog's tick and
 * the RTC: a dormant RP2040 can be woken by a pin, and by a time only if a clock from outside runs
 * its RTC (2.11.3), which no board file here describes. So the crystal goes on, and the timer with
 * it; both PLLs are off and every other clock is gated. Core 1 sleeps deeply since the boot ROM
 * (2.8.2), so core 0 alone decides.
 *
 * A USB host takes a device that does not answer for gone. While one has configured the board, the
 * PLLs and the controller's clocks stay on, and only the rest is gated. */
#include "jl_port.h"
#include "rp2040.h"

static bool slow;

void jl_port_deep_sleep(bool on) {
    if (on) {
        /* A byte that is being sent would be cut off. */
        rp2040_uart_drain();
        slow = !rp2040_usb_configured();
        REG(SLEEP_EN0) = 0;
        REG(SLEEP_EN1) = SLEEP_EN1_TIMER | (slow ? 0u : SLEEP_EN1_USB);
        REG(SCR) = SCR_SLEEPDEEP;
        if (slow) {
            rp2040_clocks_slow();
        }
    } else {
        if (slow) {
            rp2040_clocks_fast();
        }
        REG(SCR) = 0;
        REG(SLEEP_EN0) = SLEEP_EN0_RESET;
        REG(SLEEP_EN1) = SLEEP_EN1_RESET;
    }
}
