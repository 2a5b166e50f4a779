/* What a process has in the place of a chip: an id that it is given, and no fault record. */
#include <stdio.h>
#include <stdlib.h>

#include "jl_port.h"
#include "jl_protocol.h"
#include "posix.h"

#define ID_VARIABLE "JOULELOOP_CHIP_ID" /* 16 hexadecimal digits */

void jl_port_chip_id(uint8_t id[8]) {
    const char *text = getenv(ID_VARIABLE);
    const uint64_t value = text == NULL ? 0 : strtoull(text, NULL, 16);
    for (int i = 0; i < 8; i++) {
        id[i] = (uint8_t)(value >> (8 * (7 - i)));
    }
}

uint8_t jl_port_reset_cause(void) {
    return JL_RESET_CAUSE_POWER_ON;
}

const jl_port_fault *jl_port_last_fault(void) {
    static const jl_port_fault none;
    return &none;
}

void jl_port_fail(const jl_port_fault *fault) {
    (void)fprintf(stderr, "jl_port_fail: cause %u\n", (unsigned)fault->cause);
    abort();
}

/* The system guards a process' stack with a page that cannot be written; how deep it was, nobody
 * counts: both sizes are 0. */
bool jl_port_stack_intact(void) {
    return true;
}

uint32_t jl_port_stack_bytes(void) {
    return 0;
}

uint32_t jl_port_stack_used_bytes(void) {
    return 0;
}
