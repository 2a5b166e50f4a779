/* The RP2040's single precision: the boot ROM's table of routines (datasheet 2.8.3.2.1). */
#include <stddef.h>

#include "jl_float.h"

/* Datasheet 2.8.3: the ROM's signature and version, and the 16-bit pointers behind them. */
#define ROM_HEADER 0x00000010u
typedef struct {
    uint32_t signature_and_version;
    uint16_t function_table;
    uint16_t data_table;
    uint16_t look_up;
} rom_header;

#define SIGNATURE_MASK 0x00ffffffu
#define SIGNATURE ('M' | 'u' << 8 | 1 << 16)
#define SOFT_FLOAT_TABLE ('S' | 'F' << 8)

/* Byte offsets within that table, which every version of the ROM has. */
#define OFFSET_ADD 0x00u
#define OFFSET_SUBTRACT 0x04u
#define OFFSET_MULTIPLY 0x08u
#define OFFSET_DIVIDE 0x0cu
#define OFFSET_EXPONENTIAL 0x4cu

typedef const uint8_t *(*rom_lookup)(const uint16_t *table, uint32_t code);
typedef float (*binary)(float, float);
typedef float (*unary)(float);

static jl_float_arithmetic found;

static uintptr_t entry(const uint8_t *table, uint32_t offset) {
    return *(const uintptr_t *)(const void *)(table + offset);
}

const jl_float_arithmetic *jl_float_find(void) {
    /* Through a register, because compilers take what is near address 0 for a mistake. */
    uintptr_t address = ROM_HEADER;
    __asm volatile("" : "+r"(address));
    const rom_header *rom = (const rom_header *)address;
    if ((rom->signature_and_version & SIGNATURE_MASK) != SIGNATURE) {
        return NULL;
    }
    rom_lookup look_up = (rom_lookup)(uintptr_t)rom->look_up;
    const uint8_t *table = look_up((const uint16_t *)(uintptr_t)rom->data_table, SOFT_FLOAT_TABLE);
    if (table == NULL) {
        return NULL;
    }
    found.add = (binary)entry(table, OFFSET_ADD);
    found.subtract = (binary)entry(table, OFFSET_SUBTRACT);
    found.multiply = (binary)entry(table, OFFSET_MULTIPLY);
    found.divide = (binary)entry(table, OFFSET_DIVIDE);
    found.exponential = (unary)entry(table, OFFSET_EXPONENTIAL);
    return &found;
}
