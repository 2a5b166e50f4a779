/* What the board tells of itself on USB: a serial line (USB 2.0, 9.6; USB CDC 1.2, 5.2; PSTN 1.2,
 * 5.3), as drivers for such lines expect it. The vendor and product ids are those that the Pico
 * SDK's serial line has, so that tools which look for an RP2040 find it. */
#include <string.h>

#include "jl_config.h"
#include "jl_port.h"
#include "usb.h"

#if JL_USB

#define LE16(value) (uint8_t)((value) & 0xffu), (uint8_t)((value) >> 8)

enum { TYPE_DEVICE = 1, TYPE_CONFIGURATION, TYPE_STRING, TYPE_INTERFACE, TYPE_ENDPOINT };
enum { TYPE_CS_INTERFACE = 0x24 };
enum { CLASS_CDC = 2, CLASS_CDC_DATA = 10, SUBCLASS_ACM = 2 };
enum { STRING_LANGUAGES, STRING_MANUFACTURER, STRING_PRODUCT, STRING_SERIAL };
enum { ENDPOINT_IN = 0x80, ENDPOINT_BULK = 2, ENDPOINT_INTERRUPT = 3 };

#define DEVICE_VERSION 0x0100u
#define LANGUAGE_ENGLISH_US 0x0409u
#define POWERED_BY_BUS 0x80u
#define MAX_POWER_2MA 125u      /* 250 mA, in units of 2 mA: board and meter */
#define ACM_LINE_REQUESTS 0x02u /* line coding and line state are understood; breaks are not */
#define NOTIFY_BYTES 8u
#define NOTIFY_INTERVAL_MS 255u

static const uint8_t device[] = {
    18,
    TYPE_DEVICE,
    LE16(0x0200u),
    CLASS_CDC,
    0,
    0,
    USB_PACKET_BYTES,
    LE16(JL_USB_VENDOR_ID),
    LE16(JL_USB_PRODUCT_ID),
    LE16(DEVICE_VERSION),
    STRING_MANUFACTURER,
    STRING_PRODUCT,
    STRING_SERIAL,
    1,
};

#define CONFIGURATION_BYTES (9 + 9 + 5 + 5 + 4 + 5 + 7 + 9 + 7 + 7)

static const uint8_t configuration[] = {
    9,
    TYPE_CONFIGURATION,
    LE16(CONFIGURATION_BYTES),
    2,
    1,
    0,
    POWERED_BY_BUS,
    MAX_POWER_2MA,
    /* Interface 0 manages the line: header, call management, ACM and union descriptors. */
    9,
    TYPE_INTERFACE,
    0,
    0,
    1,
    CLASS_CDC,
    SUBCLASS_ACM,
    0,
    0,
    5,
    TYPE_CS_INTERFACE,
    0,
    LE16(0x0120u),
    5,
    TYPE_CS_INTERFACE,
    1,
    0,
    1,
    4,
    TYPE_CS_INTERFACE,
    2,
    ACM_LINE_REQUESTS,
    5,
    TYPE_CS_INTERFACE,
    6,
    0,
    1,
    7,
    TYPE_ENDPOINT,
    ENDPOINT_IN | USB_NOTIFY_ENDPOINT,
    ENDPOINT_INTERRUPT,
    LE16(NOTIFY_BYTES),
    NOTIFY_INTERVAL_MS,
    /* Interface 1 carries the bytes. */
    9,
    TYPE_INTERFACE,
    1,
    0,
    2,
    CLASS_CDC_DATA,
    0,
    0,
    0,
    7,
    TYPE_ENDPOINT,
    USB_DATA_ENDPOINT,
    ENDPOINT_BULK,
    LE16(USB_PACKET_BYTES),
    0,
    7,
    TYPE_ENDPOINT,
    ENDPOINT_IN | USB_DATA_ENDPOINT,
    ENDPOINT_BULK,
    LE16(USB_PACKET_BYTES),
    0,
};
_Static_assert(sizeof device == 18, "device descriptor");
_Static_assert(sizeof configuration == CONFIGURATION_BYTES, "configuration descriptor");

static const uint8_t languages[] = {4, TYPE_STRING, LE16(LANGUAGE_ENGLISH_US)};

#define TEXT_MAX 31u /* so that a string descriptor is one packet */
_Static_assert(sizeof JL_USB_MANUFACTURER <= TEXT_MAX + 1u, "manufacturer is too long");
_Static_assert(sizeof JL_USB_PRODUCT <= TEXT_MAX + 1u, "product is too long");

static uint8_t string_descriptor[2u + 2u * TEXT_MAX];

/* ASCII to UTF-16 */
static const uint8_t *string_of(const char *text, size_t *length) {
    size_t at = 2;
    for (; *text != '\0'; text++) {
        string_descriptor[at++] = (uint8_t)*text;
        string_descriptor[at++] = 0;
    }
    string_descriptor[0] = (uint8_t)at;
    string_descriptor[1] = TYPE_STRING;
    *length = at;
    return string_descriptor;
}

/* As HELLO's chip_id is printed, so that one text names the board everywhere. */
static const uint8_t *serial_number(size_t *length) {
    static const char digits[] = "0123456789abcdef";
    uint8_t id[8];
    char text[2 * sizeof id + 1];
    jl_port_chip_id(id);
    for (size_t i = 0; i < sizeof id; i++) {
        text[2 * i] = digits[id[i] >> 4];
        text[2 * i + 1] = digits[id[i] & 15u];
    }
    text[2 * sizeof id] = '\0';
    return string_of(text, length);
}

const uint8_t *usb_descriptor(uint8_t type, uint8_t index, size_t *length) {
    if (type == TYPE_STRING) {
        switch (index) {
        case STRING_LANGUAGES:
            *length = sizeof languages;
            return languages;
        case STRING_MANUFACTURER:
            return string_of(JL_USB_MANUFACTURER, length);
        case STRING_PRODUCT:
            return string_of(JL_USB_PRODUCT, length);
        case STRING_SERIAL:
            return serial_number(length);
        default:
            return NULL;
        }
    }
    if (type == TYPE_DEVICE && index == 0) {
        *length = sizeof device;
        return device;
    }
    if (type == TYPE_CONFIGURATION && index == 0) {
        *length = sizeof configuration;
        return configuration;
    }
    return NULL; /* also the device qualifier: this device has no other speed */
}

#endif
