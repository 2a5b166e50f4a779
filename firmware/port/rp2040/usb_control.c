/* Endpoint 0: the standard requests (USB 2.0, 9.4) and those of a serial line (USB CDC PSTN 1.2,
 * 6.3). Whatever is not understood is answered with STALL. */
#include <string.h>

#include "jl_config.h"
#include "usb.h"

#if JL_USB

typedef struct __attribute__((packed)) {
    uint8_t type;
    uint8_t request;
    uint16_t value;
    uint16_t index;
    uint16_t length;
} setup_packet;

/* bmRequestType and bRequest in one number */
#define REQUEST(type, request) ((uint32_t)(type) << 8 | (request))
#define GET_DEVICE_STATUS REQUEST(0x80, 0)
#define GET_INTERFACE_STATUS REQUEST(0x81, 0)
#define GET_ENDPOINT_STATUS REQUEST(0x82, 0)
#define CLEAR_ENDPOINT_FEATURE REQUEST(0x02, 1)
#define SET_ENDPOINT_FEATURE REQUEST(0x02, 3)
#define SET_ADDRESS REQUEST(0x00, 5)
#define GET_DESCRIPTOR REQUEST(0x80, 6)
#define GET_CONFIGURATION REQUEST(0x80, 8)
#define SET_CONFIGURATION REQUEST(0x00, 9)
#define GET_INTERFACE REQUEST(0x81, 10)
#define SET_INTERFACE REQUEST(0x01, 11)
#define SET_LINE_CODING REQUEST(0x21, 0x20)
#define GET_LINE_CODING REQUEST(0xa1, 0x21)
#define SET_CONTROL_LINE_STATE REQUEST(0x21, 0x22)

#define FEATURE_ENDPOINT_HALT 0u
#define ENDPOINT_IN 0x80u
#define INTERFACES 2u
#define LINE_STATE_DTR (1u << 0)
#define TOUCH_BAUD 1200u

typedef enum { STAGE_IDLE, STAGE_DATA_IN, STAGE_DATA_OUT, STAGE_STATUS_IN, STAGE_STATUS_OUT } stage;

/* PSTN 1.2, table 17. The line is no UART; the host reads back what it wrote. */
typedef struct __attribute__((packed)) {
    uint32_t baud;
    uint8_t stop_bits;
    uint8_t parity;
    uint8_t data_bits;
} line_coding;

static struct {
    setup_packet setup;
    stage stage;
    const uint8_t *data; /* what is left of an IN data stage */
    uint16_t left;
    bool end_with_empty; /* the data ends in a full packet and is shorter than asked for */
    bool data1;
    uint8_t new_address; /* taken once the status stage is over */
    bool bootsel;        /* likewise */
    uint8_t configuration;
    uint8_t small[2]; /* replies that are not constants */
    line_coding coding;
    bool dtr;
} control;

void usb_control_reset(void) {
    memset(&control, 0, sizeof control);
    control.coding = (line_coding){.baud = JL_UART_BAUD, .data_bits = 8};
    REG(USB_ADDR_ENDP) = 0;
    REG(USB_BUFFER_CONTROL(0u, true)) = 0;
    REG(USB_BUFFER_CONTROL(0u, false)) = 0;
    usb_serial_configure(false);
}

static void send_packet(void) {
    const uint32_t length = control.left < USB_PACKET_BYTES ? control.left : USB_PACKET_BYTES;
    usb_put(USB_EP0_BUFFER, control.data, length);
    control.data += length;
    control.left = (uint16_t)(control.left - length);
    usb_arm(0u, true, length, control.data1);
    control.data1 = !control.data1;
}

static bool accept(void) {
    control.stage = STAGE_STATUS_IN;
    usb_arm(0u, true, 0, true);
    return true;
}

static bool reply(const void *data, size_t length) {
    const uint16_t asked = control.setup.length;
    if (asked == 0) {
        return accept();
    }
    control.data = data;
    control.left = (uint16_t)(length < asked ? length : asked);
    control.end_with_empty = control.left < asked && control.left % USB_PACKET_BYTES == 0;
    control.data1 = true;
    control.stage = STAGE_DATA_IN;
    send_packet();
    return true;
}

static bool reply_small(uint8_t low, uint8_t high, size_t length) {
    control.small[0] = low;
    control.small[1] = high;
    return reply(control.small, length);
}

static void stall(void) {
    control.stage = STAGE_IDLE;
    /* For endpoint 0 both are needed, and the next setup packet ends it (4.1.2.5.3). */
    REG(USB_EP_STALL_ARM) = USB_EP_STALL_ARM_EP0;
    REG(USB_BUFFER_CONTROL(0u, true)) = USB_BUFFER_STALL;
    REG(USB_BUFFER_CONTROL(0u, false)) = USB_BUFFER_STALL;
}

static bool give_descriptor(void) {
    size_t length;
    const uint8_t *descriptor =
        usb_descriptor((uint8_t)(control.setup.value >> 8), (uint8_t)control.setup.value, &length);
    return descriptor != NULL && reply(descriptor, length);
}

static bool configure(void) {
    if (control.setup.value > 1u) {
        return false;
    }
    control.configuration = (uint8_t)control.setup.value;
    usb_serial_configure(control.configuration != 0);
    return accept();
}

static bool is_data_endpoint(uint16_t address) {
    return control.configuration != 0 && (address & ~ENDPOINT_IN) == USB_DATA_ENDPOINT;
}

/* Besides the data endpoints there is the one for notifications, which never sends any and so has
 * nothing to halt. */
static bool is_endpoint(uint16_t address) {
    return (address & ~ENDPOINT_IN) == 0 || is_data_endpoint(address) ||
           (control.configuration != 0 && address == (ENDPOINT_IN | USB_NOTIFY_ENDPOINT));
}

static bool endpoint_feature(bool halted) {
    if (control.setup.value != FEATURE_ENDPOINT_HALT || !is_endpoint(control.setup.index)) {
        return false;
    }
    if (is_data_endpoint(control.setup.index)) {
        usb_serial_halt((control.setup.index & ENDPOINT_IN) != 0, halted);
    }
    return accept();
}

static bool give_endpoint_status(void) {
    const uint16_t address = control.setup.index;
    bool halted = is_data_endpoint(address) && usb_serial_halted((address & ENDPOINT_IN) != 0);
    return is_endpoint(address) && reply_small(halted, 0, 2);
}

static bool is_interface(void) {
    return control.configuration != 0 && control.setup.index < INTERFACES;
}

static bool set_interface(void) {
    if (!is_interface() || control.setup.value != 0) {
        return false;
    }
    if (control.setup.index == 1u) {
        usb_serial_halt(true, false);
        usb_serial_halt(false, false);
    }
    return accept();
}

static bool take_line_coding(void) {
    if (control.setup.length != sizeof(line_coding)) {
        return false;
    }
    control.stage = STAGE_DATA_OUT;
    usb_arm(0u, false, USB_PACKET_BYTES, true);
    return true;
}

/* Only the falling edge, which a host makes on purpose or by closing the port: Linux remembers a
 * port's rate, so that an ordinary open after a touch begins at 1200 baud with a rising one. */
static bool set_line_state(void) {
    const bool dtr = (control.setup.value & LINE_STATE_DTR) != 0;
    control.bootsel = control.dtr && !dtr && control.coding.baud == TOUCH_BAUD;
    control.dtr = dtr;
    return accept();
}

static bool handle(void) {
    const setup_packet *setup = &control.setup;
    switch (REQUEST(setup->type, setup->request)) {
    case GET_DESCRIPTOR:
        return give_descriptor();
    case SET_ADDRESS:
        control.new_address = setup->value & 0x7fu;
        return accept();
    case GET_CONFIGURATION:
        return reply_small(control.configuration, 0, 1);
    case SET_CONFIGURATION:
        return configure();
    case GET_DEVICE_STATUS:
        return reply_small(0, 0, 2); /* powered by the bus, no remote wake-up */
    case GET_INTERFACE_STATUS:
        return is_interface() && reply_small(0, 0, 2);
    case GET_ENDPOINT_STATUS:
        return give_endpoint_status();
    case CLEAR_ENDPOINT_FEATURE:
        return endpoint_feature(false);
    case SET_ENDPOINT_FEATURE:
        return endpoint_feature(true);
    case GET_INTERFACE:
        return is_interface() && reply_small(0, 0, 1);
    case SET_INTERFACE:
        return set_interface();
    case SET_LINE_CODING:
        return take_line_coding();
    case GET_LINE_CODING:
        return reply(&control.coding, sizeof control.coding);
    case SET_CONTROL_LINE_STATE:
        return set_line_state();
    default:
        return false;
    }
}

void usb_control_setup(void) {
    usb_get(USB_DPRAM_SETUP - USB_DPRAM, (uint8_t *)&control.setup, sizeof control.setup);
    control.stage = STAGE_IDLE;
    control.new_address = 0;
    control.bootsel = false;
    if (!handle()) {
        stall();
    }
}

void usb_control_sent(void) {
    switch (control.stage) {
    case STAGE_DATA_IN:
        if (control.left > 0 || control.end_with_empty) {
            control.end_with_empty = control.end_with_empty && control.left > 0;
            send_packet();
        } else {
            control.stage = STAGE_STATUS_OUT;
            usb_arm(0u, false, USB_PACKET_BYTES, true);
        }
        break;
    case STAGE_STATUS_IN:
        control.stage = STAGE_IDLE;
        if (control.new_address != 0) {
            REG(USB_ADDR_ENDP) = control.new_address;
        }
        if (control.bootsel) {
            rp2040_enter_bootsel();
        }
        break;
    default:
        break;
    }
}

void usb_control_received(void) {
    if (control.stage != STAGE_DATA_OUT) {
        control.stage = STAGE_IDLE;
        return;
    }
    const uint32_t length = REG(USB_BUFFER_CONTROL(0u, false)) & USB_BUFFER_LENGTH;
    if (length != sizeof control.coding) {
        stall();
        return;
    }
    usb_get(USB_EP0_BUFFER, (uint8_t *)&control.coding, sizeof control.coding);
    (void)accept();
}

#endif
