/* A power meter that the firmware can set up before and read after a window.
 *
 * A driver is one constant struct; firmware/meter/jl_meter.c lists them and finds out which of
 * them is on the bus. No driver is called between start() and stop().
 *
 * A meter with accumulators adds up every conversion of a window. One without is told to convert
 * once, averaging for as long as surely fits into the window; its figures are of that stretch,
 * which begins with the window.
 */
#ifndef JL_METER_H
#define JL_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jl_protocol.h"

/* What a meter found between start() and stop(), in its own counts (jl_meter_reply). */
typedef struct {
    uint64_t covered_us;   /* that the figures are of */
    uint64_t energy;       /* accumulated */
    uint64_t charge;       /* accumulated; two's complement in the register's width */
    int32_t shunt_voltage; /* mean, of a meter without accumulators */
    int32_t bus_voltage;   /* of the last conversion */
    uint16_t flags;        /* the meter's diagnostic register */
} jl_meter_reading;

typedef struct {
    /* Find the meter by its id registers, write its calibration and describe it. JL_OK,
     * JL_ERR_NO_METER when something else or nothing answers, JL_ERR_METER when it does not keep
     * what was written. */
    int (*identify)(jl_meter_reply *description);

    /* It converts once in a window, and must know beforehand how long that is. */
    bool converts_once;

    /* Begin: the first conversion starts with the return. The window will last at least expected_us
     * if converts_once. JL_OK, JL_ERR_METER, or JL_ERR_COVERAGE when no conversion is as short. */
    int (*start)(uint64_t expected_us);

    /* End. JL_OK or JL_ERR_METER. */
    int (*stop)(void);

    /* Read what was found, after stop(), over a window of elapsed_us. JL_OK; JL_ERR_METER when the
     * meter did not answer or reports an overflow, and then *reading holds what could be read;
     * JL_ERR_COVERAGE when the conversion was longer than the window. */
    int (*read)(uint64_t elapsed_us, jl_meter_reading *reading);
} jl_meter_driver;

/* The meter on the bus, identified anew at every call; *description is all zero if there is none.
 * *error is JL_OK, JL_ERR_NO_METER or JL_ERR_METER, and the result NULL unless it is JL_OK. */
const jl_meter_driver *jl_meter_find(jl_meter_reply *description, int *error);

extern const jl_meter_driver jl_meter_ina219, jl_meter_ina226, jl_meter_ina228;

/* Registers of the meter at JL_METER_ADDRESS: 16 bits to write, up to 5 bytes to read, big-endian.
 * JL_OK or JL_ERR_METER. */
int jl_meter_write(uint8_t address, uint16_t value);
int jl_meter_read(uint8_t address, size_t width, uint64_t *value);

/* The longest that the slowest INA219 or INA226 takes for a conversion of this nominal length: 10.2
 * % more (586 us of 532, 9.068 ms of 8.244; electrical characteristics of both datasheets). */
static inline uint64_t jl_meter_slowest_us(uint32_t nominal_us) {
    return ((uint64_t)nominal_us * 1129u >> 10) + 1u;
}

#endif
