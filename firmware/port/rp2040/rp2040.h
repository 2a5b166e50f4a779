/* The RP2040's registers that this port uses. Section numbers are those of the RP2040 datasheet. */
#ifndef RP2040_H
#define RP2040_H

/* Also read by boot2.S through the same names: the SSI in XIP mode (4.10.13). Command 03h is the
 * serial read that every SPI NOR flash knows, up to 50 MHz: clk_sys / 4 is that at 200 MHz. */
#define XIP_SSI_BASE 0x18000000
#define SSI_CTRLR0 0x00
#define SSI_CTRLR1 0x04
#define SSI_SSIENR 0x08
#define SSI_SER 0x10
#define SSI_BAUDR 0x14
#define SSI_SR 0x28
#define SSI_DR0 0x60
#define SSI_SPI_CTRLR0 0xf4
#define SSI_BAUDR_DIVIDER 4
#define SSI_CTRLR0_XIP ((31 << 16) | (3 << 8)) /* 32-bit frames, EEPROM read mode */
#define SSI_CTRLR0_BYTES (7 << 16)             /* 8-bit frames, both directions */
/* 8-bit command, 24-bit address */
#define SSI_SPI_CTRLR0_XIP ((0x03 << 24) | (2 << 8) | (6 << 2))
#define SSI_SR_RFNE (1 << 3)

#ifndef __ASSEMBLER__

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
/* Atomic aliases of every APB register (2.1.2). */
#define REG_SET(address) REG((address) + 0x2000u)
#define REG_CLEAR(address) REG((address) + 0x3000u)

/* Clocks (2.15.7) */
#define CLOCKS_BASE 0x40008000u
#define CLK_REF_CTRL (CLOCKS_BASE + 0x30u)
#define CLK_REF_SELECTED (CLOCKS_BASE + 0x38u)
#define CLK_SYS_CTRL (CLOCKS_BASE + 0x3cu)
#define CLK_SYS_DIV (CLOCKS_BASE + 0x40u)
#define CLK_SYS_SELECTED (CLOCKS_BASE + 0x44u)
#define CLK_PERI_CTRL (CLOCKS_BASE + 0x48u)
#define CLK_USB_CTRL (CLOCKS_BASE + 0x54u)
#define CLK_USB_DIV (CLOCKS_BASE + 0x58u)
#define CLK_SYS_RESUS_CTRL (CLOCKS_BASE + 0x78u)
#define SLEEP_EN0 (CLOCKS_BASE + 0xa8u) /* what stays clocked while both cores sleep deeply */
#define SLEEP_EN1 (CLOCKS_BASE + 0xacu)
#define SLEEP_EN1_TIMER (1u << 5)
#define SLEEP_EN1_USB (3u << 10) /* clk_sys and clk_usb of the USB controller */
#define SLEEP_EN0_RESET 0xffffffffu
#define SLEEP_EN1_RESET 0x7fffu

/* Crystal oscillator (2.16.7) */
#define XOSC_BASE 0x40024000u
#define XOSC_CTRL (XOSC_BASE + 0x00u)
#define XOSC_STATUS (XOSC_BASE + 0x04u)
#define XOSC_STARTUP (XOSC_BASE + 0x0cu)

/* PLLs (2.18.4) */
#define PLL_SYS_BASE 0x40028000u
#define PLL_USB_BASE 0x4002c000u
#define PLL_CS 0x0u
#define PLL_PWR 0x4u
#define PLL_FBDIV_INT 0x8u
#define PLL_PRIM 0xcu
#define PLL_CS_LOCK (1u << 31)
#define PLL_PWR_VCO (1u << 5)
#define PLL_PWR_POSTDIV (1u << 3)
#define PLL_PWR_PLL (1u << 0)

/* Power-on state machine (2.13.5): what a watchdog reset takes along; all but both oscillators */
#define PSM_WDSEL 0x40010008u
#define PSM_WDSEL_ALL_BUT_OSCILLATORS 0x1fffcu

/* Subsystem resets (2.14.3) */
#define RESETS_RESET 0x4000c000u
#define RESETS_RESET_DONE 0x4000c008u
#define RESET_I2C0 (1u << 3) /* I2C1 is the next bit */
#define RESET_IO_BANK0 (1u << 5)
#define RESET_PADS_BANK0 (1u << 8)
#define RESET_PLL_SYS (1u << 12)
#define RESET_PLL_USB (1u << 13)
#define RESET_TIMER (1u << 21)
#define RESET_UART0 (1u << 22) /* UART1 is the next bit */
#define RESET_USBCTRL (1u << 24)

/* Voltage regulator and chip reset (2.10.6), watchdog (4.7.6) */
#define VREG 0x40064000u
#define VREG_ENABLE (1u << 0)
#define VREG_VSEL_1V10 11u /* in steps of 50 mV; what a reset sets */
#define VREG_IN_REGULATION (1u << 12)
#define CHIP_RESET 0x40064008u
#define CHIP_RESET_HAD_POR (1u << 8)
#define CHIP_RESET_HAD_RUN (1u << 16)
#define WATCHDOG_CTRL 0x40058000u
#define WATCHDOG_CTRL_TRIGGER (1u << 31)
#define WATCHDOG_CTRL_ENABLE (1u << 30)
#define WATCHDOG_LOAD 0x40058004u
#define WATCHDOG_REASON 0x40058008u
#define WATCHDOG_REASON_TIMER (1u << 0)
#define WATCHDOG_REASON_FORCE (1u << 1)
#define WATCHDOG_SCRATCH(n) (0x4005800cu + 4u * (n)) /* survive a watchdog reset */
#define WATCHDOG_TICK 0x4005802cu
#define WATCHDOG_TICK_ENABLE (1u << 9)

/* GPIO functions (2.19.2), pads (2.19.6.3), SIO (2.3.1.7) */
#define GPIO_CTRL(pin) (0x40014004u + 8u * (pin))
#define PAD(pin) (0x4001c004u + 4u * (pin))
#define GPIO_FUNCTION_UART 2u
#define GPIO_FUNCTION_I2C 3u
#define GPIO_FUNCTION_SIO 5u
#define PAD_INPUT_ENABLE (1u << 6)
#define PAD_DRIVE_4MA (1u << 4)
#define PAD_PULL_UP (1u << 3)
#define PAD_SCHMITT (1u << 1)
#define SIO_GPIO_IN 0xd0000004u
#define SIO_GPIO_OUT_SET 0xd0000014u
#define SIO_GPIO_OUT_CLR 0xd0000018u
#define SIO_GPIO_OE_SET 0xd0000024u
#define QSPI_SS_CTRL 0x4001800cu /* 2.19.6.2; bits 9:8 override the output */
#define QSPI_SS_NORMAL (0u << 8)
#define QSPI_SS_LOW (2u << 8)
#define QSPI_SS_HIGH (3u << 8)

/* Timer (4.6.5) */
#define TIMER_BASE 0x40054000u
#define TIMER_ALARM(n) (TIMER_BASE + 0x10u + 4u * (n))
#define TIMER_ARMED (TIMER_BASE + 0x20u) /* writing a bit disarms its alarm */
#define TIMER_TIMERAWH (TIMER_BASE + 0x24u)
#define TIMER_TIMERAWL (TIMER_BASE + 0x28u)
#define TIMER_INTR (TIMER_BASE + 0x34u)
#define TIMER_INTE (TIMER_BASE + 0x38u)

/* Cortex-M0+ (2.4.8) */
#define SYST_CSR 0xe000e010u
#define SYST_RVR 0xe000e014u
#define SYST_CVR 0xe000e018u
#define NVIC_ISER 0xe000e100u
#define NVIC_ICPR 0xe000e280u
#define SCR 0xe000ed10u
#define SCR_SLEEPDEEP (1u << 2)

/* Interrupts (2.3.2) */
#define IRQ_TIMER_0 0u
#define IRQ_TIMER_1 1u
#define IRQ_USBCTRL 5u
#define IRQ_UART0 20u /* UART1 is the next one */
#define IRQ_COUNT 26u

/* Bring-up steps, in the order of jl_port_init(). */
void rp2040_clocks_init(void);
void rp2040_timers_init(void);
void rp2040_pins_init(void);
void rp2040_uart_init(void);
void rp2040_i2c_init(void);
void rp2040_usb_init(void);
void rp2040_watchdog_init(void);
void rp2040_flash_id_init(void);

/* Take subsystems out of reset and wait until they are. */
void rp2040_unreset(uint32_t mask);
void rp2040_reset(uint32_t mask);

/* Run from the crystal with both PLLs off; run from them again. UART, I2C and USB are of no use in
 * between, the timer is. */
void rp2040_clocks_slow(void);
void rp2040_clocks_fast(void);

/* Take back jl_port_wake_at(). */
void rp2040_wake_cancel(void);

/* Give a pin to a function with these pad bits. */
void rp2040_pin(uint32_t pin, uint32_t function, uint32_t pad);

/* The links behind jl_port_read(), jl_port_write() and jl_port_flush(). */
size_t rp2040_uart_read(uint8_t *bytes, size_t capacity);
void rp2040_uart_write(const uint8_t *bytes, size_t length);
void rp2040_uart_drain(void);
size_t rp2040_usb_read(uint8_t *bytes, size_t capacity);
void rp2040_usb_write(const uint8_t *bytes, size_t length);
void rp2040_usb_flush(void);
bool rp2040_usb_drain(void);

/* Whether a USB host has given the board an address and a configuration. */
bool rp2040_usb_configured(void);

/* Interrupt and exception handlers, named in the vector table. */
void rp2040_uart_interrupt(void);
void rp2040_alarm_interrupt(void);
void rp2040_heartbeat_interrupt(void);
void rp2040_usb_interrupt(void);
void rp2040_fault(void);

#endif /* __ASSEMBLER__ */
#endif
