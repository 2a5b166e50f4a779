/* Which link is which: the UART and the USB serial line (jl_port.h). */
#include "jl_config.h"
#include "jl_port.h"
#include "rp2040.h"

enum { LINK_UART, LINK_USB };
_Static_assert(LINK_USB + 1 == JL_PORT_LINKS, "number of links");

size_t jl_port_read(uint32_t link, uint8_t *bytes, size_t capacity) {
    return link == LINK_USB ? rp2040_usb_read(bytes, capacity) : rp2040_uart_read(bytes, capacity);
}

void jl_port_write(uint32_t link, const uint8_t *bytes, size_t length) {
    if (link == LINK_USB) {
        rp2040_usb_write(bytes, length);
    } else {
        rp2040_uart_write(bytes, length);
    }
}

void jl_port_flush(uint32_t link) {
    if (link == LINK_USB) {
        rp2040_usb_flush();
    }
}

bool jl_port_drain(uint32_t link) {
    if (link == LINK_USB) {
        return rp2040_usb_drain();
    }
    rp2040_uart_drain();
    return true;
}

/* In 1/1024 us a byte, since the core cannot divide. Full speed fits at most 19 packets of 64 bytes
 * into a frame of 1 ms (USB 2.0, 5.8.4). */
#define UART_BYTE (10u * 1000000ull * 1024u / JL_UART_BAUD)
#define USB_BYTE (1000u * 1024u / (19u * 64u))

uint64_t jl_port_line_us(uint32_t link, uint32_t length) {
    return length * (link == LINK_USB ? USB_BYTE : UART_BYTE) >> 10;
}
