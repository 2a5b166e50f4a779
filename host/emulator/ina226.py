"""An emulated INA226 power monitor: registers, averaged conversions and their flags.

Written from Texas Instruments' datasheet SBOS547 (registers in section 7.1). Shunt and bus voltage
are converted in turn, as many times as are averaged; the registers change once all are done. The
average is taken before it is quantized.
"""

from __future__ import annotations

from host.emulator.ina import Ina, Slot, clamped

CONVERSION_US = (140, 204, 332, 588, 1100, 2116, 4156, 8244)
AVERAGES = (1, 4, 16, 64, 128, 256, 512, 1024)

CONFIG, VSHUNT, VBUS, POWER, CURRENT, CALIBRATION = 0x00, 0x01, 0x02, 0x03, 0x04, 0x05
MASK_ENABLE, ALERT_LIMIT, MANUFACTURER_ID, DIE_ID = 0x06, 0x07, 0xFE, 0xFF

VSHUNT_LSB_V = 2.5e-6
VBUS_LSB_V = 1.25e-3
CONFIG_RESET = 0x4127
RST = 1 << 15
CVRF, OVF = 1 << 3, 1 << 2


class Ina226(Ina):
    """See :class:`host.emulator.ina.Ina`."""

    def _reset(self) -> None:
        self._registers = {CONFIG: CONFIG_RESET, CALIBRATION: 0, MASK_ENABLE: 0, ALERT_LIMIT: 0}
        self._codes = {VSHUNT: 0, VBUS: 0, POWER: 0, CURRENT: 0}
        self._restart()

    def _store(self, register: int, value: int) -> None:
        if register == CONFIG and value & RST:
            self._reset()
        elif register == CONFIG:
            self._registers[CONFIG] = value
            self._restart()
        elif register == CALIBRATION:
            self._registers[CALIBRATION] = value & 0x7FFF
        elif register == MASK_ENABLE:
            flags = self._registers[MASK_ENABLE] & (CVRF | OVF)
            self._registers[MASK_ENABLE] = value & ~(CVRF | OVF) | flags
        elif register == ALERT_LIMIT:
            self._registers[ALERT_LIMIT] = value

    def _load(self, register: int) -> int:
        if register == MASK_ENABLE:
            value = self._registers[MASK_ENABLE]
            self._registers[MASK_ENABLE] &= ~CVRF  # reading clears it
            return value
        fixed = {MANUFACTURER_ID: 0x5449, DIE_ID: 0x2260}
        known = self._registers | self._codes | fixed
        return known.get(register, 0) & 0xFFFF

    def _restart(self) -> None:
        """A write to the configuration aborts the running conversion and begins anew (7.1.1)."""
        word = self._registers[CONFIG]
        self._registers[MASK_ENABLE] &= ~CVRF
        self._averages = AVERAGES[word >> 9 & 7]
        self._shunt_v = self._bus_v = 0.0
        channels = (
            (word & 1, word >> 3 & 7, True),
            (word & 2, word >> 6 & 7, False),
        )
        once = [
            Slot(is_shunt, CONVERSION_US[field] * 1e3)
            for enabled, field, is_shunt in channels
            if enabled
        ]
        self._convert(once * self._averages, continuous=bool(word & 4))

    def _shunt_converted(self, average_v: float) -> None:
        self._shunt_v += average_v / self._averages

    def _bus_converted(self, bus_v: float) -> None:
        self._bus_v += bus_v / self._averages

    def _turn_ended(self, turn_s: float) -> None:
        word = self._registers[CONFIG]
        if word & 1:
            self._codes[VSHUNT] = clamped(self._shunt_v / VSHUNT_LSB_V, 16)
        if word & 2:
            self._codes[VBUS] = clamped(self._bus_v / VBUS_LSB_V, 16)
        self._shunt_v = self._bus_v = 0.0
        # 6.5.1: CURRENT = VSHUNT * CALIBRATION / 2048, POWER = CURRENT * VBUS / 20000.
        current = self._codes[VSHUNT] * self._registers[CALIBRATION] // 2048
        overflow = not -(2**15) <= current < 2**15
        self._codes[CURRENT] = clamped(current, 16)
        self._codes[POWER] = abs(self._codes[CURRENT] * self._codes[VBUS]) // 20_000
        flags = self._registers[MASK_ENABLE] & ~OVF
        self._registers[MASK_ENABLE] = flags | CVRF | (OVF if overflow else 0)
