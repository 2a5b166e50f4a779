/* The bytes of the USB serial line.
 *
 * What comes in stays in the dual-port RAM until it is read: the OUT endpoint is given the next of
 * 32 buffers with each packet, and none while all are full, so the host waits and nothing is lost.
 * What goes out is packed into two buffers in turn, one filled while the other is sent. */
#include <string.h>

#include "jl_config.h"
#include "jl_port.h"
#include "usb.h"

#if JL_USB

#define SLOTS 32u
_Static_assert(USB_OUT_BUFFERS + SLOTS * USB_PACKET_BYTES <= 4096u, "dual-port RAM");

/* A host that has the port open takes a packet within a few ms; one that does not must not hold
 * the board: after this long the rest of the reply is dropped. */
#define SEND_TIMEOUT_US 500000u

/* Which connection this is: a reply that another one asked for is not sent. */
static uint32_t session;

static struct {
    volatile bool configured;
    bool halted[2]; /* by direction: OUT, IN */
    /* Packets received, all but tail..head read; both count for ever. */
    uint32_t head, tail;
    uint8_t length[SLOTS];
    uint8_t taken;  /* bytes of the packet at tail that have been read */
    bool listening; /* the OUT endpoint has a buffer */
    bool out_data1;
    volatile bool sending; /* the IN endpoint has a buffer that the host has not taken */
    uint8_t sending_bytes;
    bool in_data1;
    uint8_t in_buffer;
} line;

/* Only the program uses these. */
static struct {
    uint8_t filled;   /* bytes in the buffer that is sent next */
    bool ended_full;  /* the last packet was a full one: the host needs another to see the end */
    bool dropping;    /* until the end of this reply */
    bool torn;        /* a reply was dropped, and some of it may still arrive */
    uint32_t session; /* that the reply is for */
} out;

static void set_buffer(bool in, uint32_t offset) {
    REG(USB_EP_CONTROL(USB_DATA_ENDPOINT, in)) =
        USB_EP_CONTROL_ENABLE | USB_EP_CONTROL_INT | USB_EP_CONTROL_BULK | offset;
}

static uint32_t in_offset(void) {
    return USB_IN_BUFFERS + line.in_buffer * USB_PACKET_BYTES;
}

static uint32_t out_offset(uint32_t slot) {
    return USB_OUT_BUFFERS + slot % SLOTS * USB_PACKET_BYTES;
}

static void listen(void) {
    line.listening = line.configured && !line.halted[0] && line.head - line.tail < SLOTS;
    if (line.listening) {
        set_buffer(false, out_offset(line.head));
        usb_arm(USB_DATA_ENDPOINT, false, USB_PACKET_BYTES, line.out_data1);
    }
}

void usb_serial_configure(bool configured) {
    memset(&line, 0, sizeof line);
    session++;
    REG(USB_BUFFER_CONTROL(USB_DATA_ENDPOINT, true)) = 0;
    REG(USB_BUFFER_CONTROL(USB_DATA_ENDPOINT, false)) = 0;
    REG(USB_BUFFER_CONTROL(USB_NOTIFY_ENDPOINT, true)) = 0;
    const uint32_t enable = configured ? USB_EP_CONTROL_ENABLE : 0u;
    REG(USB_EP_CONTROL(USB_NOTIFY_ENDPOINT, true)) =
        enable | USB_EP_CONTROL_INTERRUPT | USB_NOTIFY_BUFFER;
    REG(USB_EP_CONTROL(USB_DATA_ENDPOINT, true)) = 0;
    REG(USB_EP_CONTROL(USB_DATA_ENDPOINT, false)) = 0;
    line.configured = configured;
    listen();
}

/* Ending a halt also restarts the data toggle (USB 2.0, 9.4.5); a packet that had not been taken
 * by then is still to be sent. */
void usb_serial_halt(bool in, bool halted) {
    line.halted[in] = halted;
    if (halted) {
        REG(USB_BUFFER_CONTROL(USB_DATA_ENDPOINT, in)) = USB_BUFFER_STALL;
        line.listening = line.listening && in;
        return;
    }
    REG(USB_BUFFER_CONTROL(USB_DATA_ENDPOINT, in)) = 0;
    if (!in) {
        line.out_data1 = false;
        listen();
        return;
    }
    line.in_data1 = false;
    if (line.sending) {
        usb_arm(USB_DATA_ENDPOINT, true, line.sending_bytes, line.in_data1);
    }
}

bool usb_serial_halted(bool in) {
    return line.halted[in];
}

void usb_serial_sent(void) {
    line.sending = false;
    line.in_data1 = !line.in_data1;
}

void usb_serial_received(void) {
    const uint32_t length = REG(USB_BUFFER_CONTROL(USB_DATA_ENDPOINT, false)) & USB_BUFFER_LENGTH;
    line.out_data1 = !line.out_data1;
    if (length > 0) {
        line.length[line.head % SLOTS] = (uint8_t)length;
        line.head++;
    }
    listen();
}

size_t rp2040_usb_read(uint8_t *bytes, size_t capacity) {
    size_t n = 0;
    /* A bus reset empties the line, which must not happen between two steps of this. */
    const uint32_t before = jl_port_quiet_begin();
    while (n < capacity && line.tail != line.head) {
        const uint32_t slot = line.tail % SLOTS;
        size_t part = line.length[slot] - (size_t)line.taken;
        part = part < capacity - n ? part : capacity - n;
        usb_get(out_offset(slot) + line.taken, bytes + n, part);
        n += part;
        line.taken = (uint8_t)(line.taken + part);
        if (line.taken == line.length[slot]) {
            line.taken = 0;
            line.tail++;
        }
    }
    if (n > 0) {
        out.session = session;
    }
    if (n > 0 && !line.listening) {
        listen();
    }
    jl_port_quiet_end(before);
    return n;
}

/* Whether the host took the packet before in time. */
static bool is_free(void) {
    if (!line.sending) {
        return true;
    }
    const uint64_t end_us = jl_port_micros() + SEND_TIMEOUT_US;
    jl_port_wake_at(end_us);
    while (line.sending && jl_port_micros() < end_us) {
        jl_port_wait();
    }
    rp2040_wake_cancel();
    return !line.sending;
}

static void send(void) {
    if (!is_free()) {
        out.dropping = true;
        return;
    }
    const uint32_t before = jl_port_quiet_begin();
    if (line.configured && !line.halted[1] && out.session == session) {
        set_buffer(true, in_offset());
        line.sending = true;
        line.sending_bytes = out.filled;
        usb_arm(USB_DATA_ENDPOINT, true, out.filled, line.in_data1);
        line.in_buffer ^= 1u;
    } else {
        out.dropping = true;
    }
    jl_port_quiet_end(before);
    out.ended_full = out.filled == USB_PACKET_BYTES;
    out.filled = 0;
}

static void put(const uint8_t *bytes, size_t length) {
    while (length > 0 && !out.dropping) {
        const size_t room = USB_PACKET_BYTES - (size_t)out.filled;
        const size_t part = length < room ? length : room;
        usb_put(in_offset() + out.filled, bytes, part);
        out.filled = (uint8_t)(out.filled + part);
        if (out.filled == USB_PACKET_BYTES) {
            send();
        }
        bytes += part;
        length -= part;
    }
}

void rp2040_usb_write(const uint8_t *bytes, size_t length) {
    if (out.torn && !out.dropping) {
        /* Ends the frame that was torn, so that it costs the host no other. */
        const uint8_t delimiter = 0;
        out.torn = false;
        put(&delimiter, 1);
    }
    put(bytes, length);
}

void rp2040_usb_flush(void) {
    if (!out.dropping && (out.filled > 0 || out.ended_full)) {
        send();
    }
    out.torn = out.torn || out.dropping;
    out.dropping = false;
    out.filled = 0;
    out.ended_full = false;
}

bool rp2040_usb_drain(void) {
    return is_free() && !out.torn;
}

bool rp2040_usb_configured(void) {
    return line.configured;
}

#else

size_t rp2040_usb_read(uint8_t *bytes, size_t capacity) {
    (void)bytes, (void)capacity;
    return 0;
}

void rp2040_usb_write(const uint8_t *bytes, size_t length) {
    (void)bytes, (void)length;
}

void rp2040_usb_flush(void) {
}

bool rp2040_usb_drain(void) {
    return true;
}

bool rp2040_usb_configured(void) {
    return false;
}

#endif
