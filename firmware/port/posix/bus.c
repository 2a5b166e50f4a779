/* No bus, so no meter, and no pin to gate one with. */
#include "jl_port.h"

int jl_port_i2c(uint8_t address, const uint8_t *out, size_t out_length, uint8_t *in,
                size_t in_length) {
    (void)address, (void)out, (void)out_length, (void)in, (void)in_length;
    return JL_PORT_I2C_NO_ANSWER;
}

bool jl_port_gate(bool high) {
    (void)high;
    return false;
}
