"""Which windows are refused, and what they say."""

from dataclasses import replace

import pytest

from host.meter import MeterDescription, Reading, accuracy_of
from host.metrics import Provenance
from host.replay import RanWindow, check_windows, judge_windows
from toolchain.errors import MeasurementError

CLOCK_HZ = 125_000_000
METER = MeterDescription(
    kind="ina228",
    serial="",
    provenance=Provenance.MEASURED,
    sample_rate_hz=3_333.0,
    range_a=2.7,
    resolution="",
    gate="",
    accuracy=accuracy_of("ina228", shunt_ohm=0.015, shunt_tolerance=0.001),
    settings={},
)
READING = Reading(
    energy_j=0.01, measured_s=0.1, digit_j=5e-5, ends_j=4e-5, voltage_v=5.0, edge_s=1e-5
)
BUSY = RanWindow("inference", "full", 1_000, 0, 1_000, 100_000, 12_500_000, False, READING)
IDLE = RanWindow("idle", "", 0, 100_000, 0, 100_010, 0, False, READING)


def _judged(window, count=5):
    return judge_windows([window] * count, METER, CLOCK_HZ)[0]


def test_good_windows_are_accepted_with_the_meters_errors() -> None:
    for window in (BUSY, IDLE):
        judged = _judged(window)
        assert judged.accepted and judged.reason == ""
        assert (judged.energy_j, judged.resolution_j) == pytest.approx((0.01, 9e-5))
        assert judged.gain_uncertainty == METER.accuracy.gain_uncertainty
        assert judged.offset_w == pytest.approx(1e-6 / 0.015 * 5.0 / 3**0.5)


@pytest.mark.parametrize(
    ("window", "changed", "reason"),
    [
        (BUSY, {"iterations": 999}, "999 decisions inside, expected 1000"),
        (BUSY, {"elapsed_us": 0}, "the timer did not run"),
        (BUSY, {"cycles": 12_000_000}, "cycle counter 0.096"),
        (BUSY, {"cycles": 0}, "cycle counter 0.000"),
        (BUSY, {"fault": "METER (the power meter did not answer)"}, "METER (the power meter"),
        (IDLE, {"elapsed_us": 99_000}, "timer says 0.099000 s, 0.100000 s were asked for"),
        (IDLE, {"elapsed_us": 110_000}, "timer says 0.110000 s"),
        (IDLE, {"kind": "wake", "asked": 3, "iterations": 2}, "2 wake-ups inside, expected 3"),
        (IDLE, {"kind": "wake", "asked": 3, "iterations": 3}, "0.300000 s were asked for"),
        (IDLE, {"kind": "link", "asked": 3, "iterations": 2}, "2 bytes inside, expected 3"),
    ],
)
def test_a_board_that_did_otherwise_is_refused(window, changed, reason) -> None:
    judged = _judged(replace(window, **changed))
    assert not judged.accepted
    assert reason in judged.reason


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"refusals": ("the gate was not seen to rise",)}, "the gate was not seen to rise"),
        ({"refusals": ("a", "b")}, "a; b"),
        ({"measured_s": 0.0998}, "the gate was high for 0.099800 s, the board's timer says 0.1"),
        ({"measured_s": 0.1002}, "the gate was high for 0.100200 s"),
        ({"energy_j": 0.0049}, "0.0049 J, at least 100 times the 5e-05 J of the meter's last"),
        ({"ends_j": 1.1e-4}, "at least 100 times the 0.00011 J that the window's ends may have"),
        ({"energy_j": 0.0, "digit_j": 0.0, "ends_j": 0.0}, "energy of 0 J"),
    ],
)
def test_a_meter_that_saw_otherwise_is_refused(changed, reason) -> None:
    judged = _judged(replace(BUSY, reading=replace(READING, **changed)))
    assert not judged.accepted
    assert reason in judged.reason


def test_a_window_that_nobody_measured_cannot_be_accepted() -> None:
    assert not _judged(replace(BUSY, reading=None)).accepted


def test_warm_ups_do_not_count() -> None:
    assert judge_windows([replace(BUSY, warm_up=True)], METER, CLOCK_HZ) == []


def _set(*energies_j):
    return [replace(BUSY, reading=replace(READING, energy_j=e)) for e in energies_j]


def test_a_set_that_is_spread_too_wide_is_refused_as_a_whole() -> None:
    windows = judge_windows([*_set(0.0100, 0.0101, 0.0106), IDLE, IDLE], METER, CLOCK_HZ)
    assert [window.accepted for window in windows] == [False] * 3 + [True] * 2
    for window in windows[:3]:
        assert window.reason == "the set's 3 windows are spread by 5.9%, at most 5% is allowed"
        assert window.energy_j > 0
    assert all(w.accepted for w in judge_windows(_set(0.0100, 0.0101, 0.0105), METER, CLOCK_HZ))


def test_a_refused_window_does_not_spread_its_set() -> None:
    bad = replace(BUSY, iterations=5, reading=replace(READING, energy_j=0.5))
    windows = judge_windows([*_set(0.01, 0.01), bad], METER, CLOCK_HZ)
    assert [window.accepted for window in windows] == [True, True, False]


def test_a_set_that_mostly_failed_has_no_median() -> None:
    bad = replace(BUSY, iterations=5)
    windows = judge_windows([*_set(0.01, 0.01), bad, bad, bad, IDLE], METER, CLOCK_HZ)
    assert [window.accepted for window in windows] == [False] * 5 + [True]
    for window in windows[:2]:
        assert window.reason == "only 2 of the set's 5 windows can be used, more than half must be"
    assert "expected 1000" in windows[2].reason
    windows = judge_windows([*_set(0.01, 0.01, 0.01), bad, bad], METER, CLOCK_HZ)
    assert [window.accepted for window in windows] == [True] * 3 + [False] * 2


def test_modes_are_sets_of_their_own() -> None:
    cheap = [replace(w, mode="fallback") for w in _set(0.006, 0.006)]
    assert all(w.accepted for w in judge_windows([*_set(0.01, 0.01), *cheap], METER, CLOCK_HZ))


def test_a_run_without_usable_windows_of_a_decision_is_refused() -> None:
    check_windows(judge_windows([BUSY, IDLE], METER, CLOCK_HZ))
    bad = replace(IDLE, elapsed_us=0)
    with pytest.raises(MeasurementError, match="no idle window can be used: the timer did not"):
        check_windows(judge_windows([BUSY, bad], METER, CLOCK_HZ))
    with pytest.raises(MeasurementError, match="no inference window can be used: none was run"):
        check_windows(judge_windows([IDLE], METER, CLOCK_HZ))
    sleepless = replace(IDLE, kind="sleep", elapsed_us=0)
    check_windows(judge_windows([BUSY, IDLE, sleepless], METER, CLOCK_HZ))
