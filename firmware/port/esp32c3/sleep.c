/* A sleep that the system timer can end: the core stopped, the PLL off, the UART gated.
 *
 * The chip's light sleep (9.4) is deeper, 0.13 mA by the datasheet: it takes the crystal's and the
 * digital domain's power away and counts time with a clock of 5 % or so. Its sequences of voltages
 * and waits are the manufacturer's library's, not the manual's, and cannot be tried without the
 * chip; so what is here is not that, and no figure calls it so. The crystal goes on, and with it
 * the system timer and the watchdog.
 *
 * A USB host takes a device that does not answer for gone; while there is one, the PLL stays on. */
#include "esp32c3.h"
#include "jl_port.h"

static bool slow;

void jl_port_deep_sleep(bool on) {
    if (on) {
        /* A byte that is being sent would be cut off. */
        esp32c3_uart_drain();
        slow = !esp32c3_usb_in_use();
        REG(PERIP_CLK_EN0) &= ~PERIP_UART0;
        if (slow) {
            REG(PERIP_CLK_EN0) &= ~PERIP_USB;
            esp32c3_clocks_slow();
        }
    } else {
        if (slow) {
            esp32c3_clocks_fast();
            REG(PERIP_CLK_EN0) |= PERIP_USB;
        }
        REG(PERIP_CLK_EN0) |= PERIP_UART0;
        esp32c3_uart_restart();
    }
}
