/* Texas Instruments INA226 (datasheet SBOS547, registers in section 7.1).
 *
 * It has no accumulators. start() triggers one conversion that averages shunt and bus voltage in
 * turn, as many times and for as long as fits into the window; the registers change when all of it
 * is done. */
#include "jl_config.h"
#include "jl_meter.h"

#if JL_METER_BUS

#define REG_CONFIG 0x00u
#define REG_SHUNT_VOLTAGE 0x01u
#define REG_BUS_VOLTAGE 0x02u
#define REG_CALIBRATION 0x05u
#define REG_MASK_ENABLE 0x06u
#define REG_MANUFACTURER_ID 0xfeu
#define REG_DIE_ID 0xffu

#define MANUFACTURER_TI 0x5449u
#define DIE_INA226 0x2260u

#define CONFIG_RESERVED (1u << 14) /* reads as 1 */
#define CONFIG_TRIGGERED_SHUNT_BUS 3u
#define CONFIG_BUS_SHORTEST (0u << 6)
#define MASK_CONVERSION_READY (1u << 3)
#define MASK_MATH_OVERFLOW (1u << 2)

/* Multiplies the shunt voltage to the current register, which nobody reads: 1. */
#define CALIBRATION_ONE 2048u
#define SHUNT_VOLTAGE_LSB_NV 2500u
#define BUS_VOLTAGE_LSB_NV 1250000u
#define SHUNT_VOLTAGE_MAX 0x7fff

/* Of one sample, and how many are averaged. The bus voltage hardly changes: it gets the shortest.
 */
static const uint16_t sample_us[8] = {140, 204, 332, 588, 1100, 2116, 4156, 8244};
static const uint16_t averages[8] = {1, 4, 16, 64, 128, 256, 512, 1024};

static uint32_t conversion_us;

static int identify(jl_meter_reply *description) {
    uint64_t manufacturer = 0;
    uint64_t die = 0;
    uint64_t calibration = 0;
    if (jl_meter_read(REG_MANUFACTURER_ID, 2, &manufacturer) != JL_OK ||
        manufacturer != MANUFACTURER_TI || jl_meter_read(REG_DIE_ID, 2, &die) != JL_OK ||
        die != DIE_INA226) {
        return JL_ERR_NO_METER;
    }
    if (jl_meter_write(REG_CALIBRATION, CALIBRATION_ONE) != JL_OK ||
        jl_meter_read(REG_CALIBRATION, 2, &calibration) != JL_OK ||
        calibration != CALIBRATION_ONE) {
        return JL_ERR_METER;
    }
    description->kind = JL_METER_KIND_INA226;
    description->address = JL_METER_ADDRESS;
    description->manufacturer_id = (uint16_t)manufacturer;
    description->device_id = (uint16_t)die;
    description->shunt_calibration = (uint16_t)calibration;
    description->shunt_uohm = JL_METER_SHUNT_UOHM;
    description->conversion_us = (uint32_t)sample_us[0] * 2u;
    description->shunt_voltage_lsb_nv = SHUNT_VOLTAGE_LSB_NV;
    description->bus_voltage_lsb_nv = BUS_VOLTAGE_LSB_NV;
    return JL_OK;
}

static uint32_t total_us(uint32_t average, uint32_t shunt) {
    return averages[average] * ((uint32_t)sample_us[shunt] + sample_us[0]);
}

/* The longest conversion that fits even on the slowest part; among equals the fewest switches
 * between the channels. */
static int start(uint64_t expected_us) {
    uint32_t setting = 0;
    conversion_us = 0;
    for (uint32_t average = 0; average < 8u; average++) {
        for (uint32_t shunt = 0; shunt < 8u; shunt++) {
            const uint32_t us = total_us(average, shunt);
            if (us > conversion_us && jl_meter_slowest_us(us) <= expected_us) {
                conversion_us = us;
                setting = average << 9 | shunt << 3;
            }
        }
    }
    if (conversion_us == 0) {
        return JL_ERR_COVERAGE;
    }
    setting |= CONFIG_RESERVED | CONFIG_BUS_SHORTEST | CONFIG_TRIGGERED_SHUNT_BUS;
    return jl_meter_write(REG_CONFIG, (uint16_t)setting);
}

static int stop(void) {
    return JL_OK; /* it has stopped by itself, or read() refuses what it gives */
}

static int read(uint64_t elapsed_us, jl_meter_reading *reading) {
    uint64_t flags = 0;
    uint64_t shunt_voltage = 0;
    uint64_t bus_voltage = 0;
    if (jl_meter_read(REG_MASK_ENABLE, 2, &flags) != JL_OK ||
        jl_meter_read(REG_SHUNT_VOLTAGE, 2, &shunt_voltage) != JL_OK ||
        jl_meter_read(REG_BUS_VOLTAGE, 2, &bus_voltage) != JL_OK) {
        return JL_ERR_METER;
    }
    reading->flags = (uint16_t)flags;
    reading->shunt_voltage = (int16_t)shunt_voltage;
    reading->bus_voltage = (int16_t)bus_voltage;
    /* The flag alone could have risen between the window's end and its reading. */
    if ((flags & MASK_CONVERSION_READY) == 0 || jl_meter_slowest_us(conversion_us) > elapsed_us) {
        return JL_ERR_COVERAGE;
    }
    reading->covered_us = conversion_us;
    const bool saturated =
        reading->shunt_voltage >= SHUNT_VOLTAGE_MAX || reading->shunt_voltage <= -SHUNT_VOLTAGE_MAX;
    return saturated || (flags & MASK_MATH_OVERFLOW) != 0 ? JL_ERR_METER : JL_OK;
}

const jl_meter_driver jl_meter_ina226 = {
    .identify = identify,
    .converts_once = true,
    .start = start,
    .stop = stop,
    .read = read,
};

#endif
