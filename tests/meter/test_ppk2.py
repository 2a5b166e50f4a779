"""The PPK2's driver against an emulated PPK2 that speaks its commands and its samples."""

import builtins

import pytest
import serial

from host.meter import Ppk2
from toolchain.errors import InputError, LinkError, MeasurementError, MissingDependencyError

VOLT = 5.0
ADC_STEP_V = 4 * 1.8 / 163_840
"""V per code: ppk2-api multiplies the 14-bit code by 4."""


def test_a_good_window_by_hand(make_ppk2, window_reply) -> None:
    fake = make_ppk2(current_a=0.02)
    with Ppk2(fake.port, volt=VOLT) as meter:
        meter.arm()
        fake.play(0.05)
        reading = meter.read(window_reply())
        assert meter.describe().kind == "ppk2"
    # 20 mA over 0.94 ohm is 18.8 mV: code 428 of the range of 0.94 ohm.
    code = round(0.02 * 0.94 / ADC_STEP_V)
    shown_a = code * ADC_STEP_V / 0.94
    assert reading.refusals == ()
    assert reading.energy_j == pytest.approx(shown_a * VOLT * 0.05)
    assert reading.measured_s == pytest.approx(0.05)
    assert reading.edge_s == pytest.approx(10e-6)
    assert reading.digit_j == pytest.approx(ADC_STEP_V / 0.94 * VOLT * 0.05)
    assert reading.ends_j == pytest.approx(shown_a * VOLT * 10e-6)


def test_ampere_mode_never_asks_for_a_supply_and_source_mode_does(make_ppk2, monkeypatch) -> None:
    monkeypatch.setattr("host.meter.ppk2.POWER_SETTLES_S", 0.0)
    for mode, argument in (("ampere", 1), ("source", 2)):
        fake = make_ppk2()
        with Ppk2(fake.port, volt=3.3, mode=mode):
            fake.wait_for(0x0C)
        assert [c for c in fake.commands if c[0] == 0x11] == [(0x11, argument)]
        # 3.3 V is 2500 mV above 0.8 V, which is (3, 32): 2532 = 9 x 256 + 228.
        assert (0x0D, 3 + 9, 228) in fake.commands


@pytest.mark.parametrize("gate", [0, 5])
def test_the_gate_is_the_logic_input_that_it_is_wired_to(make_ppk2, window_reply, gate) -> None:
    fake = make_ppk2(gate=gate)
    with Ppk2(fake.port, volt=VOLT, gate=gate) as right:
        right.arm()
        fake.play(0.01)
        assert right.read(window_reply()).measured_s == pytest.approx(0.01)


def test_a_gate_on_another_input_is_not_seen(make_ppk2, window_reply, monkeypatch) -> None:
    monkeypatch.setattr("host.meter.ppk2.PATIENCE_S", 0.2)
    fake = make_ppk2(gate=3)
    with Ppk2(fake.port, volt=VOLT, gate=0) as meter:
        meter.arm()
        fake.play(0.01)
        assert meter.read(window_reply()).refusals == ("the gate was not seen to rise",)


@pytest.mark.parametrize(("level", "what"), [(1, "was high before"), (0, "not seen to rise")])
def test_a_gate_that_hangs_is_refused(make_ppk2, window_reply, monkeypatch, level, what) -> None:
    monkeypatch.setattr("host.meter.ppk2.PATIENCE_S", 0.2)
    fake = make_ppk2()
    with Ppk2(fake.port, volt=VOLT) as meter:
        fake.stuck = level
        meter.arm()
        fake.play(0.01)
        (reason,) = meter.read(window_reply()).refusals
        assert what in reason


def test_a_gate_that_does_not_fall_is_refused(make_ppk2, window_reply, monkeypatch) -> None:
    monkeypatch.setattr("host.meter.ppk2.PATIENCE_S", 0.2)
    fake = make_ppk2()
    with Ppk2(fake.port, volt=VOLT) as meter:
        meter.arm()
        fake.send(2_000, high=True)
        assert meter.read(window_reply()).refusals == ("the gate was not seen to fall",)


def test_a_saturated_top_range_is_refused_and_a_lower_one_too_when_it_lasts(
    make_ppk2, window_reply
) -> None:
    for chosen in (4, 2):
        fake = make_ppk2()
        fake.saturated_range = chosen
        with Ppk2(fake.port, volt=VOLT) as meter:
            meter.arm()
            fake.play(0.02)
            (reason,) = meter.read(window_reply()).refusals
        assert reason == "2000 of 2000 samples are beyond the meter's range"


@pytest.mark.parametrize("lost", [1, 30, 63])
def test_a_dropped_block_of_samples_is_refused(make_ppk2, window_reply, lost) -> None:
    fake = make_ppk2()
    fake.drop = slice(700, 700 + lost)
    with Ppk2(fake.port, volt=VOLT) as meter:
        meter.arm()
        fake.play(0.02)
        (reason,) = meter.read(window_reply()).refusals
    assert reason == "samples were lost in 1 place inside the window"


def test_samples_lost_outside_of_the_window_do_not_matter(make_ppk2, window_reply) -> None:
    fake = make_ppk2()
    with Ppk2(fake.port, volt=VOLT) as meter:
        meter.arm()
        fake._counter += 7
        fake.send(300, high=False)
        fake.play(0.02)
        assert meter.read(window_reply()).refusals == ()


def test_what_it_says_the_window_after_a_bad_one_is_good(make_ppk2, window_reply) -> None:
    fake = make_ppk2()
    with Ppk2(fake.port, volt=VOLT) as meter:
        for drop in (slice(100, 110), None):
            fake.drop = drop
            meter.arm()
            fake.play(0.01)
            reading = meter.read(window_reply())
        assert reading.refusals == ()
        assert reading.measured_s == pytest.approx(0.01)


def test_an_instrument_that_disappears_is_named(make_ppk2, window_reply) -> None:
    fake = make_ppk2()
    with Ppk2(fake.port, volt=VOLT) as meter:
        meter.arm()
        fake.unplug()
        with pytest.raises(MeasurementError, match=f"the PPK2 at {fake.port} broke off") as gone:
            meter.read(window_reply())
        assert "the same command goes on" in str(gone.value)
        with pytest.raises(MeasurementError, match="broke off"):
            meter.arm()


def test_what_is_no_ppk2_is_refused(make_ppk2, monkeypatch) -> None:
    monkeypatch.setattr("host.meter.ppk2.METADATA_TRIES", 1)
    for metadata in ("", "hello\nEND\n"):
        fake = make_ppk2(metadata=metadata)
        meter = Ppk2(fake.port, volt=VOLT)
        with pytest.raises(LinkError, match="is no PPK2"), meter:
            pass
        with serial.Serial(fake.port, exclusive=True):  # it was released
            pass


def test_a_port_that_is_not_there(tmp_path) -> None:
    with pytest.raises(LinkError, match="cannot be opened"), Ppk2(str(tmp_path / "x"), volt=VOLT):
        pass


@pytest.mark.parametrize("volt", [0.5, 5.5])
def test_an_impossible_supply_is_refused(volt) -> None:
    with pytest.raises(InputError, match="V, a PPK2 takes"):
        Ppk2(None, volt=volt)


def test_without_the_package_the_pip_command_is_named(monkeypatch) -> None:
    real = builtins.__import__

    def missing(name, *arguments, **keywords):
        if name.startswith("ppk2_api"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)
    with (
        pytest.raises(MissingDependencyError, match=r"pip install 'jouleloop\[ppk2\]'"),
        Ppk2("/dev/null", volt=VOLT),
    ):
        pass
