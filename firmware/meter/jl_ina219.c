/* Texas Instruments INA219 (datasheet SBOS448, registers in section 8.6).
 *
 * It has neither accumulators nor an id. start() triggers one conversion that averages the shunt
 * voltage over as many samples as fit into the window, at most 128 in 68 ms, and then takes the bus
 * voltage. */
#include "jl_config.h"
#include "jl_meter.h"

#if JL_METER_BUS

#define REG_CONFIG 0x00u
#define REG_SHUNT_VOLTAGE 0x01u
#define REG_BUS_VOLTAGE 0x02u
#define REG_CALIBRATION 0x05u

#define CONFIG_RESET (1u << 15)
#define CONFIG_AFTER_RESET 0x399fu
#define CONFIG_32V (1u << 13)
#define CONFIG_GAIN (JL_INA219_GAIN << 11)
#define CONFIG_BUS_12_BITS (3u << 7)
#define CONFIG_TRIGGERED_SHUNT_BUS 3u
#define BUS_CONVERSION_READY (1u << 1)
#define BUS_MATH_OVERFLOW (1u << 0)

/* Multiplies the shunt voltage to the current register, which nobody reads: 1. Bit 0 cannot be set,
 * and after a reset all of it is 0. */
#define CALIBRATION_ONE 4096u
#define SHUNT_VOLTAGE_LSB_NV 10000u
#define BUS_VOLTAGE_LSB_NV 4000000u
#define SHUNT_VOLTAGE_MAX (4000 << JL_INA219_GAIN)

/* Settings of SADC by what they take: 9 to 12 bits once, then 2 to 128 times 12 bits. */
static const struct {
    uint32_t us;
    uint8_t setting;
} shunt_samples[] = {
    {84, 0},    {148, 1},   {276, 2},    {532, 3},    {1060, 9},   {2130, 10},
    {4260, 11}, {8510, 12}, {17020, 13}, {34050, 14}, {68100, 15},
};
#define BUS_US 532u

static uint32_t conversion_us;

static int identify(jl_meter_reply *description) {
    uint64_t config = 0;
    uint64_t before = 0;
    uint64_t after = 0;
    if (jl_meter_write(REG_CONFIG, CONFIG_RESET) != JL_OK ||
        jl_meter_read(REG_CONFIG, 2, &config) != JL_OK || config != CONFIG_AFTER_RESET ||
        jl_meter_read(REG_CALIBRATION, 2, &before) != JL_OK || before != 0) {
        return JL_ERR_NO_METER;
    }
    if (jl_meter_write(REG_CALIBRATION, CALIBRATION_ONE) != JL_OK ||
        jl_meter_read(REG_CALIBRATION, 2, &after) != JL_OK || after != CALIBRATION_ONE) {
        return JL_ERR_METER;
    }
    description->kind = JL_METER_KIND_INA219;
    description->address = JL_METER_ADDRESS;
    description->shunt_calibration = (uint16_t)after;
    description->shunt_uohm = JL_METER_SHUNT_UOHM;
    description->conversion_us = shunt_samples[0].us + BUS_US;
    description->shunt_voltage_lsb_nv = SHUNT_VOLTAGE_LSB_NV;
    description->bus_voltage_lsb_nv = BUS_VOLTAGE_LSB_NV;
    return JL_OK;
}

static int start(uint64_t expected_us) {
    uint32_t setting = 0;
    conversion_us = 0;
    for (size_t i = 0; i < sizeof shunt_samples / sizeof shunt_samples[0]; i++) {
        const uint32_t us = shunt_samples[i].us + BUS_US;
        if (jl_meter_slowest_us(us) <= expected_us) {
            conversion_us = us;
            setting = shunt_samples[i].setting;
        }
    }
    if (conversion_us == 0) {
        return JL_ERR_COVERAGE;
    }
    setting =
        setting << 3 | CONFIG_32V | CONFIG_GAIN | CONFIG_BUS_12_BITS | CONFIG_TRIGGERED_SHUNT_BUS;
    return jl_meter_write(REG_CONFIG, (uint16_t)setting);
}

static int stop(void) {
    return JL_OK; /* it has stopped by itself, or read() refuses what it gives */
}

static int read(uint64_t elapsed_us, jl_meter_reading *reading) {
    uint64_t shunt_voltage = 0;
    uint64_t bus_voltage = 0;
    if (jl_meter_read(REG_BUS_VOLTAGE, 2, &bus_voltage) != JL_OK ||
        jl_meter_read(REG_SHUNT_VOLTAGE, 2, &shunt_voltage) != JL_OK) {
        return JL_ERR_METER;
    }
    /* The flags are the lowest bits of the bus voltage's register. */
    reading->flags = (uint16_t)(bus_voltage & (BUS_CONVERSION_READY | BUS_MATH_OVERFLOW));
    reading->shunt_voltage = (int16_t)shunt_voltage;
    reading->bus_voltage = (int32_t)(bus_voltage >> 3);
    /* The flag alone could have risen between the window's end and its reading. */
    if ((reading->flags & BUS_CONVERSION_READY) == 0 ||
        jl_meter_slowest_us(conversion_us) > elapsed_us) {
        return JL_ERR_COVERAGE;
    }
    reading->covered_us = conversion_us;
    const bool saturated =
        reading->shunt_voltage >= SHUNT_VOLTAGE_MAX || reading->shunt_voltage <= -SHUNT_VOLTAGE_MAX;
    return saturated || (reading->flags & BUS_MATH_OVERFLOW) != 0 ? JL_ERR_METER : JL_OK;
}

const jl_meter_driver jl_meter_ina219 = {
    .identify = identify,
    .converts_once = true,
    .start = start,
    .stop = stop,
    .read = read,
};

#endif
