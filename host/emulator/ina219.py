"""An emulated INA219 power monitor: registers, averaged conversions and their flags.

Written from Texas Instruments' datasheet SBOS448 (registers in section 8.6). All samples of the
shunt voltage are converted, then all of the bus voltage. The average is taken before it is
quantized.
"""

from __future__ import annotations

from host.emulator.ina import Ina, Slot

CONFIG, VSHUNT, VBUS, POWER, CURRENT, CALIBRATION = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05

CONFIG_RESET = 0x399F
RST = 1 << 15
CNVR, OVF = 1 << 1, 1 << 0
VSHUNT_LSB_V = 10e-6
VBUS_LSB_V = 4e-3
VBUS_MOST = 8000
"""Counts of 32 V."""
NINE_TO_TWELVE_BITS_US = (84, 148, 276, 532)
SAMPLES_US = (532, 1060, 2130, 4260, 8510, 17_020, 34_050, 68_100)
"""Of 1 to 128 samples of 12 bits."""


def conversion_us(setting: int) -> int:
    """us of the 4-bit setting BADC or SADC (table 5)."""
    return SAMPLES_US[setting & 7] if setting & 8 else NINE_TO_TWELVE_BITS_US[setting & 3]


class Ina219(Ina):
    """See :class:`host.emulator.ina.Ina`."""

    POINTER_MASK = 0x07

    def _reset(self) -> None:
        self._registers = {CONFIG: CONFIG_RESET, CALIBRATION: 0}
        self._codes = {VSHUNT: 0, VBUS: 0, POWER: 0, CURRENT: 0}
        self._flags = 0
        self._restart()

    def _store(self, register: int, value: int) -> None:
        if register == CONFIG and value & RST:
            self._reset()
        elif register == CONFIG:
            self._registers[CONFIG] = value & 0x3FFF
            if value & 7 not in (0, 4):  # neither power-down nor disabled
                self._flags &= ~CNVR
            self._restart()
        elif register == CALIBRATION:
            self._registers[CALIBRATION] = value & 0xFFFE  # bit 0 cannot be set

    def _load(self, register: int) -> int:
        if register == VBUS:
            return self._codes[VBUS] << 3 | self._flags
        if register == POWER:
            self._flags &= ~CNVR  # reading clears it
        known = self._registers | self._codes
        return known.get(register, 0) & 0xFFFF

    def _restart(self) -> None:
        """A write to the configuration aborts the running conversion and begins anew."""
        word = self._registers[CONFIG]
        channels = ((word & 1, word >> 3 & 0xF, True), (word & 2, word >> 7 & 0xF, False))
        slots = [
            Slot(is_shunt, conversion_us(setting) * 1e3)
            for enabled, setting, is_shunt in channels
            if enabled
        ]
        self._convert(slots, continuous=bool(word & 4))

    def _shunt_converted(self, average_v: float) -> None:
        most = 4000 << (self._registers[CONFIG] >> 11 & 3)  # 40 mV to 320 mV
        self._codes[VSHUNT] = max(-most, min(most, round(average_v / VSHUNT_LSB_V)))

    def _bus_converted(self, bus_v: float) -> None:
        most = VBUS_MOST if self._registers[CONFIG] & 1 << 13 else VBUS_MOST // 2
        self._codes[VBUS] = max(0, min(most, round(bus_v / VBUS_LSB_V)))

    def _turn_ended(self, turn_s: float) -> None:
        # 8.5.1: CURRENT = VSHUNT * CALIBRATION / 4096, POWER = CURRENT * VBUS / 5000.
        current = self._codes[VSHUNT] * self._registers[CALIBRATION] // 4096
        overflow = not -(2**15) <= current < 2**15
        self._codes[CURRENT] = max(-(2**15), min(2**15 - 1, current))
        self._codes[POWER] = abs(self._codes[CURRENT] * self._codes[VBUS]) // 5000
        self._flags = CNVR | (OVF if overflow else 0)
