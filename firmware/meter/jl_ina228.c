/* Texas Instruments INA228 (datasheet SBOS886, registers in section 7.6).
 *
 * Its 40-bit accumulators add up every conversion of shunt and bus voltage. start() stops the
 * converter, clears them and starts it again, so that the first conversion begins with the window;
 * stop() halts it, so that they can be read without hurry. A conversion that the end cuts off is
 * not counted: the window's ends are uncertain by one JL_INA228_CONVERSION_US. */
#include "jl_config.h"
#include "jl_meter.h"

#if JL_METER_BUS

#define REG_CONFIG 0x00u
#define REG_ADC_CONFIG 0x01u
#define REG_SHUNT_CAL 0x02u
#define REG_VBUS 0x05u
#define REG_ENERGY 0x09u
#define REG_CHARGE 0x0au
#define REG_DIAG_ALRT 0x0bu
#define REG_MANUFACTURER_ID 0x3eu
#define REG_DEVICE_ID 0x3fu

#define MANUFACTURER_TI 0x5449u
#define DEVICE_INA228 0x2280u
#define DEVICE_REVISION_MASK 0x000fu

#define CONFIG_RSTACC (1u << 14)         /* clear ENERGY and CHARGE */
#define CONFIG_ADCRANGE_40MV96 (1u << 4) /* +-40.96 mV over the shunt */

#define ADC_MODE_SHUTDOWN (0x0u << 12)
#define ADC_MODE_CONTINUOUS_BUS_SHUNT (0xbu << 12)
#define ADC_BUS_150US (2u << 9)
#define ADC_SHUNT_150US (2u << 6)

#define DIAG_ENERGYOF (1u << 11)
#define DIAG_CHARGEOF (1u << 10)
#define DIAG_MATHOF (1u << 9)
#define DIAG_MEMSTAT (1u << 0) /* 0: the trim memory's checksum is wrong */

static int identify(jl_meter_reply *description) {
    uint64_t manufacturer = 0;
    uint64_t device = 0;
    uint64_t calibration = 0;
    if (jl_meter_read(REG_MANUFACTURER_ID, 2, &manufacturer) != JL_OK ||
        manufacturer != MANUFACTURER_TI || jl_meter_read(REG_DEVICE_ID, 2, &device) != JL_OK ||
        (device & ~(uint64_t)DEVICE_REVISION_MASK) != DEVICE_INA228) {
        return JL_ERR_NO_METER;
    }
    if (jl_meter_write(REG_CONFIG, CONFIG_ADCRANGE_40MV96) != JL_OK ||
        jl_meter_write(REG_SHUNT_CAL, JL_INA228_SHUNT_CAL) != JL_OK ||
        jl_meter_read(REG_SHUNT_CAL, 2, &calibration) != JL_OK ||
        calibration != JL_INA228_SHUNT_CAL) {
        return JL_ERR_METER;
    }
    description->kind = JL_METER_KIND_INA228;
    description->address = JL_METER_ADDRESS;
    description->manufacturer_id = (uint16_t)manufacturer;
    description->device_id = (uint16_t)device;
    description->shunt_calibration = (uint16_t)calibration;
    description->shunt_uohm = JL_METER_SHUNT_UOHM;
    description->conversion_us = JL_INA228_CONVERSION_US;
    description->energy_lsb_pj = JL_INA228_ENERGY_LSB_PJ;
    description->charge_lsb_pc = JL_INA228_CHARGE_LSB_PC;
    description->bus_voltage_lsb_nv = JL_INA228_BUS_VOLTAGE_LSB_NV;
    return JL_OK;
}

static int start(uint64_t expected_us) {
    (void)expected_us;
    int status = jl_meter_write(REG_ADC_CONFIG, ADC_MODE_SHUTDOWN);
    if (status == JL_OK) {
        status = jl_meter_write(REG_CONFIG, CONFIG_ADCRANGE_40MV96 | CONFIG_RSTACC);
    }
    if (status == JL_OK) {
        status = jl_meter_write(REG_ADC_CONFIG,
                                ADC_MODE_CONTINUOUS_BUS_SHUNT | ADC_BUS_150US | ADC_SHUNT_150US);
    }
    return status;
}

static int stop(void) {
    return jl_meter_write(REG_ADC_CONFIG, ADC_MODE_SHUTDOWN);
}

static int read(uint64_t elapsed_us, jl_meter_reading *reading) {
    uint64_t flags = 0;
    uint64_t bus_voltage = 0;
    /* The flags first: reading an accumulator clears its overflow flag (7.6.1.12). */
    if (jl_meter_read(REG_DIAG_ALRT, 2, &flags) != JL_OK ||
        jl_meter_read(REG_ENERGY, 5, &reading->energy) != JL_OK ||
        jl_meter_read(REG_CHARGE, 5, &reading->charge) != JL_OK ||
        jl_meter_read(REG_VBUS, 3, &bus_voltage) != JL_OK) {
        return JL_ERR_METER;
    }
    reading->covered_us = elapsed_us;
    reading->flags = (uint16_t)flags;
    /* 20 bits, two's complement, in the upper bits of 24. */
    reading->bus_voltage = (int32_t)((uint32_t)bus_voltage << 8) >> 12;
    bool overflow = (flags & (DIAG_ENERGYOF | DIAG_CHARGEOF | DIAG_MATHOF)) != 0;
    return overflow || (flags & DIAG_MEMSTAT) == 0 ? JL_ERR_METER : JL_OK;
}

const jl_meter_driver jl_meter_ina228 = {
    .identify = identify,
    .start = start,
    .stop = stop,
    .read = read,
};

#endif
