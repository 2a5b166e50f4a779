/* A power meter that the firmware can reset before and read after a window.
 *
 * A driver is one constant struct; firmware/meter/jl_meter.c lists them and finds out which of
 * them is on the bus. No driver is called between start() and stop().
 */
#ifndef JL_METER_H
#define JL_METER_H

#include <stdint.h>

#include "jl_protocol.h"

/* What a meter accumulated between start() and stop(), in its own counts (jl_meter_reply). */
typedef struct {
    uint64_t energy;
    uint64_t charge;     /* two's complement in the register's width */
    int32_t bus_voltage; /* of the last conversion */
    uint16_t flags;      /* the meter's diagnostic register */
} jl_meter_reading;

typedef struct {
    /* Find the meter by its id registers, write its calibration and describe it. JL_OK,
     * JL_ERR_NO_METER when something else or nothing answers, JL_ERR_METER when it does not keep
     * what was written. */
    int (*identify)(jl_meter_reply *description);

    /* Clear the accumulators; the first conversion begins with the return. JL_OK or JL_ERR_METER.
     */
    int (*start)(void);

    /* End accumulation. JL_OK or JL_ERR_METER. */
    int (*stop)(void);

    /* Read what was accumulated, after stop(). JL_OK, or JL_ERR_METER when the meter did not
     * answer or reports an overflow; then *reading holds what could be read. */
    int (*read)(jl_meter_reading *reading);
} jl_meter_driver;

/* The meter on the bus, identified anew at every call; *description is all zero if there is none.
 * *error is JL_OK, JL_ERR_NO_METER or JL_ERR_METER, and the result NULL unless it is JL_OK. */
const jl_meter_driver *jl_meter_find(jl_meter_reply *description, int *error);

extern const jl_meter_driver jl_meter_ina228;

#endif
