"""The emulated meter against figures worked out by hand from the datasheet's equations."""

from __future__ import annotations

import pytest

from host.emulator import ina228
from host.emulator.ina228 import Ina228


@pytest.fixture
def meter(clock, load) -> Ina228:
    return Ina228(0x40, load(0.025, 0.020), 0.015, clock.create_alarm)


def write(meter: Ina228, register: int, value: int) -> None:
    meter.start()
    for byte in (register, value >> 8, value & 0xFF):
        assert meter.write(byte)


def read(meter: Ina228, register: int) -> int:
    meter.start()
    meter.write(register)
    width = ina228.REGISTER_BYTES.get(register, 2)
    return int.from_bytes(bytes(meter.read() for _ in range(width)), "big")


def set_up(meter: Ina228) -> None:
    write(meter, ina228.CONFIG, ina228.ADCRANGE)
    write(meter, ina228.SHUNT_CAL, 393)
    write(meter, ina228.ADC_CONFIG, 0xB << 12 | 2 << 9 | 2 << 6 | 2 << 3)  # 150 us, shunt and bus


def test_ids(meter: Ina228) -> None:
    assert read(meter, ina228.MANUFACTURER_ID) == 0x5449  # "TI"
    assert read(meter, ina228.DEVICE_ID) >> 4 == 0x228


def test_a_conversion_by_hand(meter: Ina228, clock) -> None:
    set_up(meter)
    clock.advance_us(299)
    assert read(meter, ina228.CURRENT) == 0  # not complete yet
    clock.advance_us(1)
    # 20 mA * 15 mOhm / 78.125 nV = 3840; 3840 * 4096 / 393 = 40021.98; registers are left-aligned.
    assert read(meter, ina228.VSHUNT) == 3840 << 4
    assert read(meter, ina228.CURRENT) == 40022 << 4
    assert read(meter, ina228.VBUS) == 25600 << 4  # 5 V / 195.3125 uV
    # P = V * I in units of 3.2 CURRENT_LSB: 5 * 40022 / 3.2 = 62534.4
    assert read(meter, ina228.POWER) == 62534
    assert read(meter, ina228.DIAG_ALRT) & ina228.CNVRF
    assert not read(meter, ina228.DIAG_ALRT) & ina228.CNVRF


def test_energy_of_one_second(meter: Ina228, clock) -> None:
    set_up(meter)
    write(meter, ina228.CONFIG, ina228.ADCRANGE | ina228.RSTACC)
    write(meter, ina228.ADC_CONFIG, 0xB << 12 | 2 << 9 | 2 << 6 | 2 << 3)
    clock.advance_us(1_000_000)
    current_lsb_a = 393 / (13107.2e6 * 0.015 * 4)
    energy_j = read(meter, ina228.ENERGY) * 16 * 3.2 * current_lsb_a
    charge_c = read(meter, ina228.CHARGE) * current_lsb_a
    # 3333 whole conversions of 300 us fit one second; the last 100 us are not in the register.
    assert energy_j == pytest.approx(5 * 0.020 * 0.9999, rel=1e-3)
    assert charge_c == pytest.approx(0.020 * 0.9999, rel=1e-3)


def test_the_current_follows_the_core(meter: Ina228, clock) -> None:
    set_up(meter)
    clock.busy = True
    clock.advance_us(300)
    assert read(meter, ina228.VSHUNT) >> 4 == 4800  # 25 mA
    clock.advance_us(225)
    clock.busy = False  # half of the second cycle's shunt slot
    clock.advance_us(75)
    assert read(meter, ina228.VSHUNT) >> 4 == 4320  # 22.5 mA


def test_accumulators_reset_only_on_request(meter: Ina228, clock) -> None:
    set_up(meter)
    clock.advance_us(100_000)
    first = read(meter, ina228.ENERGY)
    assert first > 0
    assert read(meter, ina228.ENERGY) == first
    write(meter, ina228.CONFIG, ina228.ADCRANGE | ina228.RSTACC)
    assert read(meter, ina228.ENERGY) == 0
    assert read(meter, ina228.CONFIG) == ina228.ADCRANGE


def test_a_current_over_the_calibrated_range_is_flagged(clock, load) -> None:
    meter = Ina228(0x40, load(2.0, 2.0), 0.015, clock.create_alarm)
    set_up(meter)
    clock.advance_us(300)
    assert read(meter, ina228.DIAG_ALRT) & ina228.MATHOF
    assert read(meter, ina228.CURRENT) >> 4 == 2**19 - 1
