/* Which link is which: the UART and the USB serial line (jl_port.h). */
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
