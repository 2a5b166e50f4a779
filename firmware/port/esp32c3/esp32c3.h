/* The ESP32-C3's registers that this port uses. Chapter numbers are those of the ESP32-C3 technical
 * reference manual; 2.2 and 2.3 are core and interrupt controller, 8.3 the interrupt matrix. */
#ifndef ESP32C3_H
#define ESP32C3_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))

/* System registers (16.4): clocks of core and peripherals */
#define SYSTEM_BASE 0x600c0000u
#define CPU_PER_CONF (SYSTEM_BASE + 0x08u)
#define CPU_PER_CONF_160MHZ (1u << 0) /* else 80 MHz */
#define CPU_PER_CONF_PERIOD_MASK 3u
#define CPU_PER_CONF_PLL_480MHZ (1u << 2)
#define CPU_PER_CONF_CLOCK_IN_WFI (1u << 3) /* the core's clock goes on while it waits */
#define PERIP_CLK_EN0 (SYSTEM_BASE + 0x10u)
#define PERIP_RST_EN0 (SYSTEM_BASE + 0x18u)
#define PERIP_UART0 (1u << 2)
#define PERIP_I2C0 (1u << 7)
#define PERIP_TIMG0 (1u << 13)
#define PERIP_TIMG1 (1u << 15)
#define PERIP_USB (1u << 23)
#define PERIP_UART_MEMORY (1u << 24)
#define PERIP_SYSTIMER (1u << 29)
#define SYSCLK_CONF (SYSTEM_BASE + 0x58u)
#define SYSCLK_CONF_DIVIDER_MASK 0x3ffu
#define SYSCLK_CONF_SOURCE_MASK (3u << 10)
#define SYSCLK_CONF_SOURCE_CRYSTAL (0u << 10)
#define SYSCLK_CONF_SOURCE_PLL (1u << 10)
#define CRYSTAL_HZ 40000000u
#define APB_HZ 80000000u /* while the core runs from the PLL (6.2.4) */

/* Low-power management (9.7) */
#define RTC_BASE 0x60008000u
#define RTC_OPTIONS0 (RTC_BASE + 0x00u)
#define RTC_OPTIONS0_PLL_OFF (1u << 6 | 1u << 8 | 1u << 10)
#define RTC_OPTIONS0_RESET (1u << 31)
#define RTC_RESET_STATE (RTC_BASE + 0x38u)
#define RTC_RESET_STATE_CAUSE_MASK 0x3fu
#define RTC_WDTCONFIG0 (RTC_BASE + 0x90u)
#define RTC_WDTWPROTECT (RTC_BASE + 0xa8u)
#define RTC_SWD_CONF (RTC_BASE + 0xacu)
#define RTC_SWD_CONF_AUTO_FEED (1u << 31)
#define RTC_SWD_WPROTECT (RTC_BASE + 0xb0u)
#define RTC_SWD_KEY 0x8f1d312au
#define RTC_FAST_MEMORY                                                                            \
    0x50000000u /* 8 KB that a reset of the digital core leaves alone (3.3.2)                      \
                 */

/* Timer groups (11.5): only their watchdogs are used */
#define TIMG_BASE(n) (0x6001f000u + 0x1000u * (n))
#define TIMG_WDTCONFIG0(n) (TIMG_BASE(n) + 0x48u)
#define TIMG_WDTCONFIG1(n) (TIMG_BASE(n) + 0x4cu)
#define TIMG_WDTCONFIG2(n) (TIMG_BASE(n) + 0x50u)
#define TIMG_WDTFEED(n) (TIMG_BASE(n) + 0x60u)
#define TIMG_WDTWPROTECT(n) (TIMG_BASE(n) + 0x64u)
#define WDT_KEY 0x50d83aa1u /* of these and of the RTC's */
#define WDT_ENABLE (1u << 31)
#define WDT_STAGE0_RESET (3u << 29)
#define WDT_UPDATE (1u << 22)
#define WDT_FROM_CRYSTAL (1u << 21)
#define WDT_RESET_LENGTHS (7u << 18 | 7u << 15)

/* System timer (10.5): 52 bits at 16 MHz, whatever the core's clock */
#define SYSTIMER_BASE 0x60023000u
#define SYSTIMER_CONF (SYSTIMER_BASE + 0x00u)
#define SYSTIMER_CONF_CLOCK (1u << 31)
#define SYSTIMER_CONF_UNIT0 (1u << 30)
#define SYSTIMER_CONF_TARGET(n) (1u << (24u - (n)))
#define SYSTIMER_UNIT0_OP (SYSTIMER_BASE + 0x04u)
#define SYSTIMER_OP_UPDATE (1u << 30)
#define SYSTIMER_OP_VALID (1u << 29)
#define SYSTIMER_UNIT0_LOAD_HI (SYSTIMER_BASE + 0x0cu)
#define SYSTIMER_UNIT0_LOAD_LO (SYSTIMER_BASE + 0x10u)
#define SYSTIMER_TARGET_HI(n) (SYSTIMER_BASE + 0x1cu + 8u * (n))
#define SYSTIMER_TARGET_LO(n) (SYSTIMER_BASE + 0x20u + 8u * (n))
#define SYSTIMER_TARGET_CONF(n) (SYSTIMER_BASE + 0x34u + 4u * (n))
#define SYSTIMER_UNIT0_VALUE_HI (SYSTIMER_BASE + 0x40u)
#define SYSTIMER_UNIT0_VALUE_LO (SYSTIMER_BASE + 0x44u)
#define SYSTIMER_COMP_LOAD(n) (SYSTIMER_BASE + 0x50u + 4u * (n))
#define SYSTIMER_UNIT0_LOAD (SYSTIMER_BASE + 0x5cu)
#define SYSTIMER_INT_ENA (SYSTIMER_BASE + 0x64u)
#define SYSTIMER_INT_CLR (SYSTIMER_BASE + 0x6cu)
#define SYSTIMER_TICKS_PER_US 16u

/* GPIO matrix and IO MUX (5.14) */
#define GPIO_BASE 0x60004000u
#define GPIO_OUT_SET (GPIO_BASE + 0x08u)
#define GPIO_OUT_CLEAR (GPIO_BASE + 0x0cu)
#define GPIO_ENABLE_SET (GPIO_BASE + 0x24u)
#define GPIO_IN (GPIO_BASE + 0x3cu)
#define GPIO_PIN(pin) (GPIO_BASE + 0x74u + 4u * (pin))
#define GPIO_PIN_OPEN_DRAIN (1u << 2)
#define GPIO_IN_SELECT(signal) (GPIO_BASE + 0x154u + 4u * (signal))
#define GPIO_IN_FROM_MATRIX (1u << 6)
#define GPIO_OUT_SELECT(pin) (GPIO_BASE + 0x554u + 4u * (pin))
#define GPIO_SIGNAL_GPIO 128u
#define GPIO_SIGNAL_UART0 6u /* U0RXD in, U0TXD out (5.11) */
#define GPIO_SIGNAL_I2C_SCL 53u
#define GPIO_SIGNAL_I2C_SDA 54u
#define IO_MUX_PIN(pin) (0x60009004u + 4u * (pin))
#define IO_MUX_GPIO (1u << 12) /* function 1 */
#define IO_MUX_DRIVE_10MA (1u << 10)
#define IO_MUX_INPUT (1u << 9)
#define IO_MUX_PULL_UP (1u << 8)

/* Interrupts: matrix and controller */
#define INTERRUPT_BASE 0x600c2000u
#define INTERRUPT_MAP(source) (INTERRUPT_BASE + 4u * (source))
#define INTERRUPT_ENABLE (INTERRUPT_BASE + 0x104u)
#define INTERRUPT_TYPE (INTERRUPT_BASE + 0x108u) /* 0: level */
#define INTERRUPT_PRIORITY(line) (INTERRUPT_BASE + 0x114u + 4u * (line))
#define INTERRUPT_THRESHOLD (INTERRUPT_BASE + 0x194u)
#define SOURCE_UART0 21u
#define SOURCE_USB 26u
#define SOURCE_SYSTIMER(n) (37u + (n))
#define LINE_UART0 1u
#define LINE_USB 2u
#define LINE_WAKE 3u
#define LINE_HEARTBEAT 4u

/* eFuses (4.6): the factory's MAC address */
#define EFUSE_MAC_LOW 0x60008844u
#define EFUSE_MAC_HIGH 0x60008848u /* 16 bits */

/* Bring-up steps, in the order of jl_port_init(). */
void esp32c3_clocks_init(void);
void esp32c3_watchdog_init(void);
void esp32c3_timers_init(void);
void esp32c3_pins_init(void);
void esp32c3_uart_init(void);
void esp32c3_i2c_init(void);
void esp32c3_usb_init(void);

/* Core from the PLL, or from the crystal with the PLL off. */
void esp32c3_clocks_fast(void);
void esp32c3_clocks_slow(void);

/* Clock a peripheral and reset it. */
void esp32c3_start_peripheral(uint32_t mask);

/* Take back jl_port_wake_at(). */
void esp32c3_wake_cancel(void);

/* Route a source of interrupts to a line of the core, level-triggered. */
void esp32c3_interrupt_connect(uint32_t source, uint32_t line);

/* The links behind jl_port_read(), jl_port_write() and jl_port_flush(). */
size_t esp32c3_uart_read(uint8_t *bytes, size_t capacity);
void esp32c3_uart_write(const uint8_t *bytes, size_t length);
void esp32c3_uart_drain(void);
void esp32c3_uart_restart(void);
size_t esp32c3_usb_read(uint8_t *bytes, size_t capacity);
void esp32c3_usb_write(const uint8_t *bytes, size_t length);
void esp32c3_usb_flush(void);
bool esp32c3_usb_drain(void);
/* Whether a USB host has lately taken or sent anything. */
bool esp32c3_usb_in_use(void);

/* Interrupt handlers by line, called by esp32c3_interrupt(). */
void esp32c3_uart_interrupt(void);
void esp32c3_usb_interrupt(void);
void esp32c3_wake_interrupt(void);
void esp32c3_heartbeat_interrupt(void);

/* Let jl_port_wait() return: called after every handler. */
void esp32c3_end_wait(void);

/* From the trap vector (vectors.S). */
void esp32c3_start(void) __attribute__((noreturn));
void esp32c3_interrupt(uint32_t cause);
void esp32c3_exception(uint32_t pc, uint32_t ra, uint32_t cause, uint32_t sp)
    __attribute__((noreturn));

/* The three things of the core and its clock that an emulator may lack (core.c). */
uint64_t esp32c3_ticks(void);  /* of SYSTIMER_TICKS_PER_US */
uint32_t esp32c3_cycles(void); /* of the core, modulo 2^32 */
void esp32c3_wait_for_interrupt(void);

#endif
