"""What is made of a board file: clock, pins, meter constants, jl_config.h."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from toolchain.board import Board, MeterWiring, at_clock, load_board
from toolchain.build import config_header, meter_constants, rp2040
from toolchain.errors import BoardFileError


def board_with(**sections: dict[str, Any] | None) -> Board:
    """The Pico with some keys changed; None removes a section."""
    data = load_board("pico").model_dump(by_alias=True)
    for name, change in sections.items():
        data[name] = None if change is None else data[name] | change
    return Board.model_validate(data)


def wiring(**changes: Any) -> MeterWiring:
    meter = board_with(meter=changes).meter
    assert meter is not None
    return meter


def test_pll_of_the_pico():
    # 12 MHz * 125 = 1500 MHz, / 6 / 2 = 125 MHz
    assert rp2040.solve_pll(125_000_000) == rp2040.Pll(fbdiv=125, postdiv1=6, postdiv2=2)


@pytest.mark.parametrize("clock_mhz", [48, 100, 120, 125, 132, 133, 200])
def test_pll_settings_give_the_clock_within_the_oscillators_range(clock_mhz: int):
    pll = rp2040.solve_pll(clock_mhz * 1_000_000)
    vco_mhz = 12 * pll.fbdiv
    assert 750 <= vco_mhz <= 1600
    assert 16 <= pll.fbdiv <= 320
    assert 1 <= pll.postdiv2 <= pll.postdiv1 <= 7
    assert Fraction(vco_mhz, pll.postdiv1 * pll.postdiv2) == clock_mhz


@pytest.mark.parametrize("clock_hz", [1_000_000, 137_000_000, 125_000_001, 31_500_000])
def test_a_clock_that_the_pll_cannot_make_is_refused(clock_hz: int):
    with pytest.raises(BoardFileError, match=str(clock_hz)):
        rp2040.solve_pll(clock_hz)


IMPOSSIBLE = {
    "tx on an rx pin": ({"link": {"tx_pin": 1, "rx_pin": 13}}, "link.tx_pin 1"),
    "rx of the other UART": ({"link": {"rx_pin": 5}}, "link.rx_pin 5"),
    "a third UART": ({"link": {"uart": 2}}, "link.uart 2"),
    "sda and scl swapped": ({"meter": {"sda_pin": 5, "scl_pin": 4}}, "meter.sda_pin 5"),
    "scl of the other bus": ({"meter": {"scl_pin": 7}}, "meter.scl_pin 7"),
    "a pin beyond the last": ({"meter": {"gate_pin": 30}}, "meter.gate_pin 30"),
    "gate on the link's pin": ({"meter": {"gate_pin": 1}}, "pin 1 is also"),
    "meter on the link's pins": ({"meter": {"sda_pin": 0}}, "pin 0 is also"),
    "more RAM than there is": ({"memory": {"ram_bytes": 300_000}}, "300000"),
    "a clock out of reach": ({"cpu": {"clock_hz": 137_000_000}}, "137000000"),
    "a name too long for HELLO": ({}, "ASCII"),
}


@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_a_board_that_the_chip_cannot_be_is_refused(case: str):
    changes, message = IMPOSSIBLE[case]
    board = board_with(**changes)
    if not changes:
        board = board.model_copy(update={"name": "x" * 17})
    with pytest.raises(BoardFileError, match=message):
        config_header.render(board, bytes(32))


def test_every_driver_is_told_its_settings_whatever_meter_is_expected():
    texts = {
        kind: config_header.render(board_with(meter={"kind": kind}), bytes(32))
        for kind in ("ina219", "ina226", "ina228")
    }
    assert len(set(texts.values())) == 1, "the image knows which meter is expected"
    text = texts["ina219"]
    assert "#define JL_INA228_SHUNT_CAL 393u\n" in text
    assert "#define JL_INA219_GAIN 0u\n" in text


# 0.262144 A over 0.015 ohm are 3.9 mV; the ranges are 40, 80, 160 and 320 mV.
@pytest.mark.parametrize(("amperes", "gain"), [(0.262144, 0), (2.6, 0), (2.7, 1), (20.0, 3)])
def test_the_narrowest_range_of_an_ina219_that_fits(amperes: float, gain: int):
    assert meter_constants.ina219(wiring(max_current_a=amperes)).gain == gain


def test_a_current_beyond_an_ina219_is_refused():
    with pytest.raises(BoardFileError, match=r"330\.00 mV"):
        meter_constants.ina219(wiring(max_current_a=22.0))


def test_a_board_without_a_meter_has_no_bus():
    text = config_header.render(board_with(meter=None), bytes(32))
    assert "#define JL_METER_BUS 0u\n" in text
    assert "JL_I2C" not in text
    assert "JL_INA" not in text


@pytest.mark.parametrize(("clock_mhz", "vsel"), [(48, 11), (133, 11), (136, 12), (200, 12)])
def test_the_core_gets_the_voltage_that_its_clock_needs(clock_mhz: int, vsel: int):
    board = at_clock(load_board("pico"), clock_mhz * 1_000_000)
    text = config_header.render(board, bytes(32))
    assert f"#define JL_CLOCK_HZ {clock_mhz}000000u\n" in text
    assert f"#define JL_VREG_VSEL {vsel}u\n" in text  # 0.85 V + (vsel - 6) * 50 mV


def test_a_clock_that_the_port_is_not_written_for_is_refused():
    with pytest.raises(BoardFileError, match="252000000 is above 200000000"):
        config_header.render(at_clock(load_board("pico"), 252_000_000), bytes(32))


def test_config_names_the_identity_and_the_pins():
    text = config_header.render(load_board("pico"), bytes(range(32)))
    assert '#define JL_BOARD_NAME "pico"\n' in text
    assert "#define JL_IMAGE_SHA256 {0x00, 0x01, 0x02," in text
    assert "#define JL_CLOCK_HZ 125000000u\n" in text
    assert "#define JL_GATE_PIN 2u\n" in text


def test_ina228_constants_by_hand():
    # 13107.2e6 * 0.5e-6 * 0.015 * 4 = 393.216 -> 393; CURRENT_LSB = 393 / 786432000 A.
    constants = meter_constants.ina228(wiring(shunt_ohm=0.015, max_current_a=0.262144))
    lsb_a = Fraction(393, 786_432_000)
    assert constants.shunt_cal == 393
    assert constants.shunt_uohm == 15_000
    assert constants.charge_lsb_pc == round(lsb_a * 10**12) == 499_725
    assert constants.energy_lsb_pj == round(lsb_a * 512 * 10**11) == 25_585_938
    assert abs(constants.bus_voltage_lsb_nv - 195_312.5) <= 0.5
    assert constants.conversion_us == 300


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shunt_ohm": 0.0150001}, "whole microohm"),
        ({"shunt_ohm": 0.2, "max_current_a": 1.0}, "40.96 mV"),
        ({"shunt_ohm": 5.0, "max_current_a": 3.0}, "SHUNT_CAL would be"),
        ({"shunt_ohm": 0.00001, "max_current_a": 0.001}, "SHUNT_CAL would be 0"),
    ],
)
def test_a_meter_that_cannot_be_calibrated_is_refused(changes: dict[str, float], message: str):
    with pytest.raises(BoardFileError, match=message):
        meter_constants.ina228(wiring(**changes))
