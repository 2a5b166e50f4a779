/* Functions of the boot ROM (2.8.3): found by two letters in its table. */
#include "jl_port.h"
#include "rp2040.h"
#include "usb.h"

#define ROM_FUNCTION_TABLE 0x14u /* each holds a 16-bit address */
#define ROM_TABLE_LOOKUP 0x18u
#define ROM_CODE(a, b) ((uint32_t)(a) | (uint32_t)(b) << 8)

typedef void *(*table_lookup)(const uint16_t *table, uint32_t code);
typedef void (*reset_to_usb_boot)(uint32_t activity_pin_mask, uint32_t disable_interface_mask);

/* The ROM lies at address 0, where a compiler may take any access for a mistake. */
static uintptr_t rom_pointer(uintptr_t address) {
    __asm volatile("" : "+r"(address));
    return *(const volatile uint16_t *)address;
}

void rp2040_enter_bootsel(void) {
    (void)jl_port_quiet_begin();
    /* The drive lives as long as its user takes. */
    REG(WATCHDOG_CTRL) = 0;
    table_lookup lookup = (table_lookup)rom_pointer(ROM_TABLE_LOOKUP);
    const uint16_t *table = (const uint16_t *)rom_pointer(ROM_FUNCTION_TABLE);
    reset_to_usb_boot boot = (reset_to_usb_boot)lookup(table, ROM_CODE('U', 'B'));
    boot(0, 0);
    for (;;) {
    }
}
