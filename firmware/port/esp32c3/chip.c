/* Bring-up order, pins, identity. */
#include "esp32c3.h"
#include "jl_config.h"
#include "jl_port.h"

static void pin(uint32_t number, uint32_t signal, uint32_t pad) {
    REG(GPIO_OUT_SELECT(number)) = signal;
    REG(IO_MUX_PIN(number)) = IO_MUX_GPIO | IO_MUX_DRIVE_10MA | pad;
}

void esp32c3_pins_init(void) {
    REG(GPIO_ENABLE_SET) = 1u << JL_UART_TX_PIN;
    pin(JL_UART_TX_PIN, GPIO_SIGNAL_UART0, 0);
    /* Pulled up, so that a cable that is not there reads as an idle line. */
    pin(JL_UART_RX_PIN, GPIO_SIGNAL_GPIO, IO_MUX_INPUT | IO_MUX_PULL_UP);
    REG(GPIO_IN_SELECT(GPIO_SIGNAL_UART0)) = GPIO_IN_FROM_MATRIX | JL_UART_RX_PIN;
#if JL_METER_BUS
    REG(GPIO_PIN(JL_I2C_SDA_PIN)) = GPIO_PIN_OPEN_DRAIN;
    REG(GPIO_PIN(JL_I2C_SCL_PIN)) = GPIO_PIN_OPEN_DRAIN;
    REG(GPIO_ENABLE_SET) = 1u << JL_I2C_SDA_PIN | 1u << JL_I2C_SCL_PIN;
    pin(JL_I2C_SDA_PIN, GPIO_SIGNAL_I2C_SDA, IO_MUX_INPUT | IO_MUX_PULL_UP);
    pin(JL_I2C_SCL_PIN, GPIO_SIGNAL_I2C_SCL, IO_MUX_INPUT | IO_MUX_PULL_UP);
    REG(GPIO_IN_SELECT(GPIO_SIGNAL_I2C_SDA)) = GPIO_IN_FROM_MATRIX | JL_I2C_SDA_PIN;
    REG(GPIO_IN_SELECT(GPIO_SIGNAL_I2C_SCL)) = GPIO_IN_FROM_MATRIX | JL_I2C_SCL_PIN;
    REG(GPIO_OUT_CLEAR) = 1u << JL_GATE_PIN;
    REG(GPIO_ENABLE_SET) = 1u << JL_GATE_PIN;
    pin(JL_GATE_PIN, GPIO_SIGNAL_GPIO, IO_MUX_INPUT);
#endif
}

/* The pin's own input takes some cycles of the APB clock to follow it; an emulated pin, until its
 * host looks. One that has not followed by then is held by something. */
#define SETTLE_US 30u

bool jl_port_gate(bool high) {
#if JL_METER_BUS
    const uint64_t end_us = jl_port_micros() + SETTLE_US;
    REG(high ? GPIO_OUT_SET : GPIO_OUT_CLEAR) = 1u << JL_GATE_PIN;
    bool followed;
    do {
        followed = ((REG(GPIO_IN) >> JL_GATE_PIN & 1u) != 0) == high;
    } while (!followed && jl_port_micros() < end_us);
    return followed;
#else
    (void)high;
    return false;
#endif
}

/* The MAC address from the factory, two bytes of zeros before it. */
void jl_port_chip_id(uint8_t id[8]) {
    const uint32_t low = REG(EFUSE_MAC_LOW);
    const uint32_t high = REG(EFUSE_MAC_HIGH) & 0xffffu;
    const uint64_t mac = (uint64_t)high << 32 | low;
    for (uint32_t i = 0; i < 8u; i++) {
        id[i] = (uint8_t)(mac >> (8u * (7u - i)));
    }
}

void jl_port_init(void) {
    esp32c3_clocks_init();
    esp32c3_watchdog_init();
    esp32c3_timers_init();
    esp32c3_pins_init();
    esp32c3_uart_init();
    esp32c3_i2c_init();
    esp32c3_usb_init();
    REG(INTERRUPT_THRESHOLD) = 1u;
    __asm volatile("csrsi mstatus, 8");
}
