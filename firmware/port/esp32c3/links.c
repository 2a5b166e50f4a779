/* Which link is which: the UART and the USB serial line (jl_port.h). */
#include "esp32c3.h"
#include "jl_config.h"
#include "jl_port.h"

enum { LINK_UART, LINK_USB };
_Static_assert(LINK_USB + 1 == JL_PORT_LINKS, "number of links");

size_t jl_port_read(uint32_t link, uint8_t *bytes, size_t capacity) {
    return link == LINK_USB ? esp32c3_usb_read(bytes, capacity)
                            : esp32c3_uart_read(bytes, capacity);
}

void jl_port_write(uint32_t link, const uint8_t *bytes, size_t length) {
    if (link == LINK_USB) {
        esp32c3_usb_write(bytes, length);
    } else {
        esp32c3_uart_write(bytes, length);
    }
}

void jl_port_flush(uint32_t link) {
    if (link == LINK_USB) {
        esp32c3_usb_flush();
    }
}

bool jl_port_drain(uint32_t link) {
    if (link == LINK_USB) {
        return esp32c3_usb_drain();
    }
    esp32c3_uart_drain();
    return true;
}

/* Full speed fits at most 19 packets of 64 bytes into a frame of 1 ms (USB 2.0, 5.8.4). */
#define USB_BYTES_PER_MS (19u * 64u)

uint64_t jl_port_line_us(uint32_t link, uint32_t length) {
    return link == LINK_USB ? length * 1000ull / USB_BYTES_PER_MS
                            : length * 10000000ull / JL_UART_BAUD;
}
