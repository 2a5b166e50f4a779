/* Which meter is on the bus. */
#include "jl_meter.h"

#include <stddef.h>
#include <string.h>

#include "jl_config.h"

static const jl_meter_driver *const drivers[] = {
#if JL_METER_INA228
    &jl_meter_ina228,
#endif
    NULL,
};

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
