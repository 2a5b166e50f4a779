/* Which meter is on the bus, and how its registers are reached. */
#include "jl_meter.h"

#include <stddef.h>
#include <string.h>

#include "jl_config.h"
#include "jl_port.h"

#if JL_METER_BUS

/* The INA219 has no id and is told by its behaviour, which takes a reset: it comes last. */
static const jl_meter_driver *const drivers[] = {
    &jl_meter_ina228,
    &jl_meter_ina226,
    &jl_meter_ina219,
    NULL,
};

int jl_meter_write(uint8_t address, uint16_t value) {
    const uint8_t bytes[3] = {address, (uint8_t)(value >> 8), (uint8_t)value};
    return jl_port_i2c(JL_METER_ADDRESS, bytes, sizeof bytes, NULL, 0) == 0 ? JL_OK : JL_ERR_METER;
}

int jl_meter_read(uint8_t address, size_t width, uint64_t *value) {
    uint8_t bytes[5];
    if (jl_port_i2c(JL_METER_ADDRESS, &address, 1, bytes, width) != 0) {
        return JL_ERR_METER;
    }
    *value = 0;
    for (size_t i = 0; i < width; i++) {
        *value = *value << 8 | bytes[i];
    }
    return JL_OK;
}

#else

static const jl_meter_driver *const drivers[] = {NULL};

#endif

const jl_meter_driver *jl_meter_find(jl_meter_reply *description, int *error) {
    for (const jl_meter_driver *const *driver = drivers; *driver != NULL; driver++) {
        memset(description, 0, sizeof *description);
        *error = (*driver)->identify(description);
        if (*error == JL_OK) {
            return *driver;
        }
        if (*error != JL_ERR_NO_METER) {
            /* It is this meter, and it is ill: another driver would only hide that. */
            memset(description, 0, sizeof *description);
            return NULL;
        }
    }
    memset(description, 0, sizeof *description);
    *error = JL_ERR_NO_METER;
    return NULL;
}
