/* The USB device controller (4.1 of the datasheet) and what this port's files say to each other
 * about it. Everything declared here runs in the controller's interrupt unless it says otherwise.
 */
#ifndef USB_H
#define USB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rp2040.h"

/* Controller registers (4.1.4) */
#define USB_BASE 0x50110000u
#define USB_ADDR_ENDP (USB_BASE + 0x00u)
#define USB_MAIN_CTRL (USB_BASE + 0x40u)
#define USB_MAIN_CTRL_ENABLE (1u << 0)
#define USB_SIE_CTRL (USB_BASE + 0x4cu)
#define USB_SIE_CTRL_EP0_INT (1u << 29)
#define USB_SIE_CTRL_PULLUP (1u << 16)
#define USB_SIE_STATUS (USB_BASE + 0x50u) /* writing a bit clears it */
#define USB_SIE_STATUS_BUS_RESET (1u << 19)
#define USB_SIE_STATUS_SETUP (1u << 17)
#define USB_BUFF_STATUS (USB_BASE + 0x58u) /* writing a bit clears it */
#define USB_BUFF_STATUS_OF(endpoint, in) (1u << (2u * (endpoint) + ((in) ? 0u : 1u)))
#define USB_EP_STALL_ARM (USB_BASE + 0x68u)
#define USB_EP_STALL_ARM_EP0 (3u << 0)
#define USB_MUXING (USB_BASE + 0x74u)
#define USB_MUXING_TO_PHY (1u << 0)
#define USB_MUXING_SOFTCON (1u << 3)
#define USB_PWR (USB_BASE + 0x78u)
#define USB_PWR_VBUS (1u << 3)
#define USB_PWR_VBUS_OVERRIDE (1u << 2)
#define USB_INTE (USB_BASE + 0x90u)
#define USB_INTS (USB_BASE + 0x98u)
#define USB_INT_SETUP (1u << 16)
#define USB_INT_BUS_RESET (1u << 12)
#define USB_INT_BUFF_STATUS (1u << 4)

/* Dual-port RAM: registers of the endpoints, then their buffers in units of 64 bytes (4.1.2.5). */
#define USB_DPRAM 0x50100000u
#define USB_DPRAM_SETUP USB_DPRAM
#define USB_EP_CONTROL(endpoint, in) (USB_DPRAM + 8u * (endpoint) + ((in) ? 0u : 4u))
#define USB_EP_CONTROL_ENABLE (1u << 31)
#define USB_EP_CONTROL_INT (1u << 29)
#define USB_EP_CONTROL_BULK (2u << 26)
#define USB_EP_CONTROL_INTERRUPT (3u << 26)
#define USB_BUFFER_CONTROL(endpoint, in) (USB_DPRAM + 0x80u + 8u * (endpoint) + ((in) ? 0u : 4u))
#define USB_BUFFER_FULL (1u << 15)
#define USB_BUFFER_DATA1 (1u << 13)
#define USB_BUFFER_STALL (1u << 11)
#define USB_BUFFER_AVAILABLE (1u << 10)
#define USB_BUFFER_LENGTH 0x3ffu

#define USB_PACKET_BYTES 64u
#define USB_EP0_BUFFER 0x100u    /* offset in the dual-port RAM, fixed by the controller */
#define USB_NOTIFY_BUFFER 0x180u /* never filled */
#define USB_IN_BUFFERS 0x200u
#define USB_OUT_BUFFERS 0x800u

#define USB_NOTIFY_ENDPOINT 1u
#define USB_DATA_ENDPOINT 2u

/* Hand a buffer to the controller: IN with length bytes to send, OUT with room for length. */
void usb_arm(uint32_t endpoint, bool in, uint32_t length, bool data1);

/* Copy to and from the dual-port RAM, which takes bytes as well as words. */
void usb_put(uint32_t offset, const uint8_t *bytes, size_t length);
void usb_get(uint32_t offset, uint8_t *bytes, size_t length);

/* Endpoint 0 (usb_control.c). */
void usb_control_reset(void);
void usb_control_setup(void);
void usb_control_sent(void);
void usb_control_received(void);

/* The serial data endpoints (usb_serial.c). Configuring starts them anew. */
void usb_serial_configure(bool configured);
void usb_serial_halt(bool in, bool halted);
bool usb_serial_halted(bool in);
void usb_serial_sent(void);
void usb_serial_received(void);

/* The descriptor of a type and index; its bytes stay valid until the next call. NULL: none. */
const uint8_t *usb_descriptor(uint8_t type, uint8_t index, size_t *length);

/* Leave the program for the boot ROM's USB drive; does not return. From anywhere. */
void rp2040_enter_bootsel(void) __attribute__((noreturn));

#endif
