/* The other link: the USB serial/JTAG controller (30), which is a CDC ACM device without help from
 * the program. Its FIFOs hold one packet in each direction; it refuses the host's next packet until
 * the last one was read, so nothing is ever lost on the way in. */
#include "esp32c3.h"
#include "jl_port.h"

#define USB_BASE 0x60043000u
#define USB_EP1 (USB_BASE + 0x00u)
#define USB_EP1_CONF (USB_BASE + 0x04u)
#define USB_INT_RAW (USB_BASE + 0x08u)
#define USB_INT_ST (USB_BASE + 0x0cu)
#define USB_INT_ENA (USB_BASE + 0x10u)
#define USB_INT_CLR (USB_BASE + 0x14u)

#define EP1_SEND (1u << 0)
#define EP1_ROOM (1u << 1)
#define EP1_RECEIVED (1u << 2)
#define INT_SOF (1u << 1)
#define INT_RECEIVED (1u << 2)
#define INT_ROOM (1u << 3)

#define PACKET_BYTES 64u
/* A host that does not read must not hold the board. */
#define SEND_TIMEOUT_US 500000u

static struct {
    uint32_t filled; /* bytes in the packet that is being written */
    bool whole;      /* the last packet was full: the host waits for one that is not */
    bool dropping;   /* until the end of this reply */
} out;

void esp32c3_usb_init(void) {
    /* Not reset: the host would see the board vanish. */
    REG(PERIP_CLK_EN0) |= PERIP_USB;
    REG(USB_INT_CLR) = ~0u;
    REG(USB_INT_ENA) = INT_RECEIVED;
    esp32c3_interrupt_connect(SOURCE_USB, LINE_USB);
}

/* What has come stays in its FIFO until it is read; the interrupt has only to end a wait. */
JL_HOT void esp32c3_usb_interrupt(void) {
    const uint32_t why = REG(USB_INT_ST);
    if ((why & INT_ROOM) != 0) {
        REG(USB_INT_ENA) &= ~INT_ROOM;
    }
    REG(USB_INT_CLR) = why;
}

size_t esp32c3_usb_read(uint8_t *bytes, size_t capacity) {
    size_t n = 0;
    while (n < capacity && (REG(USB_EP1_CONF) & EP1_RECEIVED) != 0) {
        bytes[n++] = (uint8_t)REG(USB_EP1);
    }
    return n;
}

/* Whether there is room for a packet, in time. */
static bool wait_for_room(void) {
    const uint64_t end_us = jl_port_micros() + SEND_TIMEOUT_US;
    while ((REG(USB_EP1_CONF) & EP1_ROOM) == 0) {
        if (jl_port_micros() >= end_us) {
            return false;
        }
        REG(USB_INT_CLR) = INT_ROOM;
        REG(USB_INT_ENA) |= INT_ROOM;
        if ((REG(USB_EP1_CONF) & EP1_ROOM) == 0) {
            jl_port_wake_at(end_us);
            jl_port_wait();
        }
    }
    esp32c3_wake_cancel();
    return true;
}

static void send_packet(void) {
    REG(USB_EP1_CONF) = EP1_SEND;
    out.whole = out.filled == PACKET_BYTES;
    out.filled = 0;
}

void esp32c3_usb_write(const uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length && !out.dropping; i++) {
        if (out.filled == 0 && !wait_for_room()) {
            out.dropping = true;
            return;
        }
        REG(USB_EP1) = bytes[i];
        if (++out.filled == PACKET_BYTES) {
            send_packet();
        }
    }
}

void esp32c3_usb_flush(void) {
    if (!out.dropping && (out.filled != 0 || (out.whole && wait_for_room()))) {
        send_packet();
    }
    out.whole = false;
    out.dropping = false;
}

bool esp32c3_usb_drain(void) {
    return wait_for_room();
}

/* A host that has configured the controller starts a frame every millisecond (USB 2.0, 8.4.3). */
#define FRAME_US 1500u

bool esp32c3_usb_in_use(void) {
    REG(USB_INT_CLR) = INT_SOF;
    const uint64_t end_us = jl_port_micros() + FRAME_US;
    while (jl_port_micros() < end_us) {
    }
    return (REG(USB_INT_RAW) & INT_SOF) != 0;
}
