/* Bring-up order, resets and pins. */
#include "jl_config.h"
#include "jl_port.h"
#include "rp2040.h"

void rp2040_unreset(uint32_t mask) {
    REG_CLEAR(RESETS_RESET) = mask;
    while ((REG(RESETS_RESET_DONE) & mask) != mask) {
    }
}

void rp2040_reset(uint32_t mask) {
    REG_SET(RESETS_RESET) = mask;
}

void rp2040_pin(uint32_t pin, uint32_t function, uint32_t pad) {
    REG(PAD(pin)) = pad;
    REG(GPIO_CTRL(pin)) = function;
}

void rp2040_pins_init(void) {
    rp2040_reset(RESET_IO_BANK0 | RESET_PADS_BANK0);
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

/* The level passes a synchronizer of two cycles on its way from the pad (2.19.1). */
#define GATE_TURNS 8u

bool jl_port_gate(bool high) {
#if JL_METER_BUS
    const uint32_t pin = 1u << JL_GATE_PIN;
    REG(high ? SIO_GPIO_OUT_SET : SIO_GPIO_OUT_CLR) = pin;
    for (uint32_t turn = 0; turn < GATE_TURNS; turn++) {
        if (((REG(SIO_GPIO_IN) & pin) != 0) == high) {
            return true;
        }
    }
#else
    (void)high;
#endif
    return false;
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
