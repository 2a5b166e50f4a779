/* Bring-up of the USB device controller, and its interrupt (4.1 of the datasheet).
 *
 * Chips before revision B2 may miss the end of a bus reset behind a busy hub (erratum RP2040-E5);
 * the remedy takes GPIO 15 away from the board for a while and is not applied. Plugging such a
 * chip into another port helps; its UART is not concerned. */
#include "usb.h"

#include "jl_config.h"
#include "jl_port.h"

#if JL_USB

void usb_arm(uint32_t endpoint, bool in, uint32_t length, bool data1) {
    const uint32_t control = USB_BUFFER_CONTROL(endpoint, in);
    const uint32_t value = length | (data1 ? USB_BUFFER_DATA1 : 0u) | (in ? USB_BUFFER_FULL : 0u);
    REG(control) = value;
    /* The rest must have crossed into the 48 MHz domain before the buffer is handed over: 12
     * cycles of clk_sys at up to 133 MHz (4.1.2.5.1), so 18 at up to 200 MHz. */
    __asm volatile("nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t"
                   "nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t"
                   "nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop" ::
                       : "memory");
    REG(control) = value | USB_BUFFER_AVAILABLE;
}

void usb_put(uint32_t offset, const uint8_t *bytes, size_t length) {
    volatile uint8_t *to = (volatile uint8_t *)(uintptr_t)(USB_DPRAM + offset);
    for (size_t i = 0; i < length; i++) {
        to[i] = bytes[i];
    }
}

void usb_get(uint32_t offset, uint8_t *bytes, size_t length) {
    const volatile uint8_t *from = (const volatile uint8_t *)(uintptr_t)(USB_DPRAM + offset);
    for (size_t i = 0; i < length; i++) {
        bytes[i] = from[i];
    }
}

void rp2040_usb_init(void) {
    REG_SET(RESETS_RESET) = RESET_USBCTRL;
    rp2040_unreset(RESET_USBCTRL);
    for (uint32_t offset = 0; offset < USB_EP0_BUFFER; offset += 4u) {
        REG(USB_DPRAM + offset) = 0;
    }
    /* The controller's pads are this chip's own, and the board has no pin that senses VBUS. */
    REG(USB_MUXING) = USB_MUXING_TO_PHY | USB_MUXING_SOFTCON;
    REG(USB_PWR) = USB_PWR_VBUS | USB_PWR_VBUS_OVERRIDE;
    REG(USB_MAIN_CTRL) = USB_MAIN_CTRL_ENABLE;
    REG(USB_SIE_CTRL) = USB_SIE_CTRL_EP0_INT;
    REG(USB_INTE) = USB_INT_BUFF_STATUS | USB_INT_BUS_RESET | USB_INT_SETUP;
    usb_control_reset();
    REG(NVIC_ISER) = 1u << IRQ_USBCTRL;
    REG(USB_SIE_CTRL) = USB_SIE_CTRL_EP0_INT | USB_SIE_CTRL_PULLUP;
}

static void buffers_done(void) {
    const uint32_t done = REG(USB_BUFF_STATUS);
    REG(USB_BUFF_STATUS) = done;
    if ((done & USB_BUFF_STATUS_OF(0u, true)) != 0) {
        usb_control_sent();
    }
    if ((done & USB_BUFF_STATUS_OF(0u, false)) != 0) {
        usb_control_received();
    }
    if ((done & USB_BUFF_STATUS_OF(USB_DATA_ENDPOINT, true)) != 0) {
        usb_serial_sent();
    }
    if ((done & USB_BUFF_STATUS_OF(USB_DATA_ENDPOINT, false)) != 0) {
        usb_serial_received();
    }
}

void rp2040_usb_interrupt(void) {
    const uint32_t status = REG(USB_INTS);
    if ((status & USB_INT_BUS_RESET) != 0) {
        usb_control_reset();
        REG(USB_BUFF_STATUS) = REG(USB_BUFF_STATUS);
        REG(USB_SIE_STATUS) = USB_SIE_STATUS_BUS_RESET;
        return;
    }
    /* Buffers before the setup packet: what is done was done before it came, since the next
     * buffer is armed only by what the setup packet asks for. */
    if ((status & USB_INT_BUFF_STATUS) != 0) {
        buffers_done();
    }
    if ((status & USB_INT_SETUP) != 0) {
        REG(USB_SIE_STATUS) = USB_SIE_STATUS_SETUP;
        usb_control_setup();
    }
}

#else

void rp2040_usb_init(void) {
}

void rp2040_usb_interrupt(void) {
}

#endif
