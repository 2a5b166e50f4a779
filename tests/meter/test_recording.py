"""Traces of other instruments, good and bad, and how their pulses become windows."""

from datetime import UTC, datetime, timedelta

import pytest

from host.meter import Recording
from toolchain.errors import InputError, MeasurementError


def test_pulses_become_readings_by_hand(trace) -> None:
    recording = Recording(trace([0.05, 0.02]), step_a=1e-5)
    long, short = recording.readings([0.05, 0.02])
    assert (long.energy_j, short.energy_j) == pytest.approx((0.005, 0.002))
    assert (long.measured_s, short.measured_s) == pytest.approx((0.05, 0.02))
    # One step of 10 uA at 5 V over the pulse, and one sample of 100 us at 0.1 W.
    assert long.digit_j == pytest.approx(1e-5 * 5 * 0.05)
    assert long.ends_j == pytest.approx(0.1 * 1e-4)
    assert long.edge_s == pytest.approx(1e-4)
    assert long.refusals == ()


def test_it_says_what_it_is(trace) -> None:
    description = Recording(trace([0.05]), gain_limit=0.002, range_a=0.5).describe()
    assert description.kind == "trace"
    assert description.sample_rate_hz == pytest.approx(10_000)
    assert description.range_a == 0.5
    # What current and voltage differ by in their last digits: 10 mA between two values here.
    assert description.resolution == "0.01 A"
    assert description.accuracy.gain_uncertainty == pytest.approx(0.002 / 3**0.5)
    assert len(description.settings["sha256"]) == 64


def test_another_number_of_pulses_is_refused_with_both_lists(trace) -> None:
    recording = Recording(trace([0.05, 0.02]))
    with pytest.raises(MeasurementError) as caught:
        recording.readings([0.05, 0.02, 0.03])
    message = str(caught.value)
    assert "has 2 pulses of the gate, the board ran 3 windows" in message
    assert "0.05, 0.02" in message and "0.05, 0.02, 0.03" in message
    assert "warm-ups" in message


def test_a_pulse_that_the_file_cuts_off_is_not_one(trace) -> None:
    file = trace([0.05, 0.02])
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], *lines[60:]]) + "\n")
    with pytest.raises(MeasurementError, match="1 pulses of the gate and 1 that the file's ends"):
        Recording(file).readings([0.05, 0.02])


def test_lost_and_saturated_samples_refuse_their_window_only(trace) -> None:
    file = trace([0.05, 0.05, 0.05])
    lines = file.read_text().splitlines()
    del lines[100:110]
    row = 1 + 50 + 500 + 50 + 100
    lines[row] = lines[row].replace("0.02000", "0.50000")
    file.write_text("\n".join(lines) + "\n")
    first, second, third = Recording(file, range_a=0.5).readings([0.05] * 3)
    assert first.refusals == ("samples were lost in 1 place inside the window",)
    assert second.refusals == ("1 of 500 samples are beyond the meter's range",)
    assert third.refusals == ()


@pytest.mark.parametrize(
    ("header", "row", "message"),
    [
        ("time_s,current_ma,voltage_v,gate", "0,1,5,0", "has the columns time_s, current_ma"),
        ("time_s,current_a,voltage_v", "0,1,5", "has the columns"),
        ("time_s,current_a,voltage_v,gate", "0.1,x,5,0", "Row #3"),
        ("time_s,current_a,voltage_v,gate", "0.1,0.02,5", "Row #3"),
        ("time_s,current_a,voltage_v,gate", "0.0,0.02,5,0", "row 3: time_s 0 is not after"),
        ("time_s,current_a,voltage_v,gate", "0.1,200,5,0", "row 3: current_a 200 is beyond"),
        ("time_s,current_a,voltage_v,gate", "0.1,0.02,5000,0", "row 3: voltage_v 5000 is not"),
        ("time_s,current_a,voltage_v,gate", "0.1,0.02,5,3.3", "row 3: gate 3.3 is neither"),
        ("time_s,current_a,voltage_v,gate", "0.1,nan,5,0", "row 3: current_a nan is no number"),
        ("time_s,current_a,voltage_v,gate", "", "has 1 samples"),
    ],
)
def test_bad_rows_are_named_by_their_number(tmp_path, header, row, message) -> None:
    file = tmp_path / "t.csv"
    first = ",".join(["0.0", "0.02", "5", "0"][: header.count(",") + 1])
    file.write_text("\n".join([header, first, row]).rstrip("\n") + "\n")
    with pytest.raises(InputError) as caught:
        Recording(file).load()
    assert message in str(caught.value)


@pytest.mark.parametrize("content", ["", "\x00\x01\x02"])
def test_what_is_no_table_is_refused(tmp_path, content) -> None:
    file = tmp_path / "t.csv"
    file.write_text(content)
    with pytest.raises(InputError):
        Recording(file).load()
    with pytest.raises(InputError, match="cannot be read"):
        Recording(tmp_path / "none.csv").load()


def test_a_file_from_before_the_windows_is_not_theirs(trace, tmp_path) -> None:
    recording = Recording(trace([0.05]))
    now = datetime.now(UTC)
    recording.require_after(now - timedelta(minutes=1))
    with pytest.raises(MeasurementError, match="before the windows were run"):
        recording.require_after(now + timedelta(minutes=1))
    with pytest.raises(MeasurementError, match="is not there yet") as caught:
        Recording(tmp_path / "later.csv").require_after(now)
    assert "run the same command again" in str(caught.value)
