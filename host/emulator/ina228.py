"""An emulated INA228 power monitor: registers, conversions and accumulators.

Written from Texas Instruments' datasheet SBOS886 (register map in section 7.6, equations in 8.1.2).
It sees the supply's average over each shunt conversion, quantizes it as the converter does, and
adds to ENERGY and CHARGE once a conversion is complete; nothing in between is visible, as on the
part. Noise, offset and gain error are not modelled.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from host.emulator.ina import Ina, Slot, clamped

CONVERSION_US = (50, 84, 150, 280, 540, 1052, 2074, 4120)
AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)

CONFIG, ADC_CONFIG, SHUNT_CAL, SHUNT_TEMPCO = 0x00, 0x01, 0x02, 0x03
VSHUNT, VBUS, DIETEMP, CURRENT, POWER, ENERGY, CHARGE = 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0A
DIAG_ALRT, MANUFACTURER_ID, DEVICE_ID = 0x0B, 0x3E, 0x3F

REGISTER_BYTES = {VSHUNT: 3, VBUS: 3, CURRENT: 3, POWER: 3, ENERGY: 5, CHARGE: 5}
"""Register widths in bytes where they are not 2."""

VSHUNT_LSB_V = (312.5e-9, 78.125e-9)
VBUS_LSB_V = 195.3125e-6
DIETEMP_25C = round(25 / 7.8125e-3)

RST, RSTACC, ADCRANGE = 1 << 15, 1 << 14, 1 << 4
ENERGYOF, CHARGEOF, MATHOF, CNVRF, MEMSTAT = 1 << 11, 1 << 10, 1 << 9, 1 << 1, 1 << 0


class Ina228(Ina):
    """See :class:`host.emulator.ina.Ina`."""

    POINTER_MASK = 0x3F
    REGISTER_BYTES: ClassVar[Mapping[int, int]] = REGISTER_BYTES

    # -- registers ------------------------------------------------------------------------------

    def _reset(self) -> None:
        self._registers = {CONFIG: 0, ADC_CONFIG: 0xFB68, SHUNT_CAL: 0x1000, SHUNT_TEMPCO: 0}
        self._diagnostics = MEMSTAT
        self._codes = {VSHUNT: 0, VBUS: 0, CURRENT: 0, POWER: 0}
        self._clear_accumulators()
        self._restart()

    def _clear_accumulators(self) -> None:
        self._energy = 0.0
        self._charge = 0.0
        self._diagnostics &= ~(ENERGYOF | CHARGEOF)

    def _store(self, register: int, value: int) -> None:
        if register == CONFIG:
            if value & RST:
                self._reset()
                return
            if value & RSTACC:
                self._clear_accumulators()
            self._registers[CONFIG] = value & ~(RST | RSTACC)
        elif register == ADC_CONFIG:
            self._registers[ADC_CONFIG] = value
            self._restart()
        elif register == SHUNT_CAL:
            self._registers[SHUNT_CAL] = value & 0x7FFF
        elif register in self._registers:
            self._registers[register] = value

    def _load(self, register: int) -> int:
        if register in self._codes:
            return (self._codes[register] << (0 if register == POWER else 4)) & 0xFFFFFF
        if register == ENERGY:
            self._diagnostics &= ~ENERGYOF
            return int(self._energy) & 0xFF_FFFF_FFFF
        if register == CHARGE:
            self._diagnostics &= ~CHARGEOF
            return int(self._charge) & 0xFF_FFFF_FFFF
        if register == DIAG_ALRT:
            value = self._diagnostics
            self._diagnostics &= ~CNVRF
            return value
        fixed = {DIETEMP: DIETEMP_25C, MANUFACTURER_ID: 0x5449, DEVICE_ID: 0x2281}
        return fixed.get(register, self._registers.get(register, 0))

    # -- conversions ----------------------------------------------------------------------------

    def _restart(self) -> None:
        """A write to ADC_CONFIG aborts the running conversion and begins anew (7.4.2)."""
        word = self._registers[ADC_CONFIG]
        mode = word >> 12
        averages = AVERAGES[word & 7]
        channels = (  # bit in MODE, conversion time field, is it the shunt?
            (mode & 1, word >> 9 & 7, False),
            (mode & 2, word >> 6 & 7, True),
            (mode & 4, word >> 3 & 7, False),
        )
        slots = [
            Slot(is_shunt, CONVERSION_US[field] * 1e3 * averages)
            for enabled, field, is_shunt in channels
            if enabled
        ]
        self._convert(slots, continuous=bool(mode & 8))

    def _bus_converted(self, bus_v: float) -> None:
        self._codes[VBUS] = round(bus_v / VBUS_LSB_V)

    def _shunt_converted(self, average_v: float) -> None:
        adc_range = 1 if self._registers[CONFIG] & ADCRANGE else 0
        self._codes[VSHUNT] = clamped(average_v / VSHUNT_LSB_V[adc_range], 20)

    def _turn_ended(self, turn_s: float) -> None:
        # 8.1.2: SHUNT_CAL = 13107.2e6 * CURRENT_LSB * R, so CURRENT = VSHUNT * 4096 / SHUNT_CAL.
        calibration = self._registers[SHUNT_CAL]
        current = round(self._codes[VSHUNT] * 4096 / calibration) if calibration else 0
        if not -(2**19) <= current < 2**19:
            self._diagnostics |= MATHOF
            current = max(-(2**19), min(2**19 - 1, current))
        self._codes[CURRENT] = current
        # POWER_LSB = 3.2 * CURRENT_LSB: power = V * I = VBUS * 195.3125 uV * CURRENT / 3.2.
        self._codes[POWER] = round(abs(self._codes[VBUS] * VBUS_LSB_V * current) / 3.2)
        self._energy += self._codes[POWER] * turn_s / 16
        self._charge += current * turn_s
        if self._energy >= 2**40:
            self._energy -= 2**40
            self._diagnostics |= ENERGYOF
        if not -(2**39) <= self._charge < 2**39:
            self._charge = 0.0
            self._diagnostics |= CHARGEOF
        self._diagnostics |= CNVRF
