"""The Joulescope's driver against an emulated JS220 behind pyjoulescope-driver's interface."""

import builtins

import pytest

from host.meter import Joulescope
from toolchain.errors import LinkError, MeasurementError, MissingDependencyError


def _read(fake, window_reply, seconds=0.02):
    with Joulescope(driver=lambda: fake) as meter:
        meter.arm()
        fake.play(seconds)
        return meter.read(window_reply(seconds))


def test_a_good_window_by_hand(joulescope, window_reply) -> None:
    reading = _read(joulescope, window_reply)
    assert reading.refusals == ()
    assert reading.energy_j == pytest.approx(0.02 * 5.0 * 0.02, rel=1e-6)
    assert reading.measured_s == pytest.approx(0.02)
    assert reading.edge_s == pytest.approx(5e-6)
    # The range of 180 mA in 2^14 steps, and one sample of 5 us.
    assert reading.digit_j == pytest.approx(0.18 / 2**14 * 5.0 * 0.02)
    assert reading.ends_j == pytest.approx(0.1 * 5e-6, rel=1e-6)
    assert joulescope.finalized


def test_windows_follow_each_other(joulescope, window_reply) -> None:
    with Joulescope(driver=lambda: joulescope) as meter:
        assert meter.describe().serial == "001234"
        for seconds in (0.01, 0.03):
            meter.arm()
            joulescope.play(seconds)
            reading = meter.read(window_reply(seconds))
            assert reading.measured_s == pytest.approx(seconds)
            assert reading.refusals == ()


def test_it_is_set_up_for_current_voltage_gate_and_range(joulescope, window_reply) -> None:
    _read(joulescope, window_reply)
    path = joulescope.PATH
    published = dict(joulescope.published[:6])
    assert published[f"{path}/h/fs"] == 200_000
    assert published[f"{path}/s/i/range/mode"] == "auto"
    for name in ("i", "v", "gpi/0", "i/range"):
        assert published[f"{path}/s/{name}/ctrl"] == 1


@pytest.mark.parametrize(("code", "amps"), [(7, 0.0), (0, 10.5)])
def test_a_saturated_range_is_refused(joulescope, window_reply, code, amps) -> None:
    joulescope.range_code, joulescope.current_a = code, amps
    (reason,) = _read(joulescope, window_reply).refusals
    assert reason == "4000 of 4000 samples are beyond the meter's range"


def test_a_dropped_block_is_refused(joulescope, window_reply) -> None:
    joulescope.drop_block = 4
    (reason,) = _read(joulescope, window_reply).refusals
    assert reason == "samples were lost in 1 place inside the window"


def test_samples_that_are_no_numbers_are_lost_ones(joulescope, window_reply) -> None:
    joulescope.volts = float("nan")
    reading = _read(joulescope, window_reply)
    assert "samples were lost" in reading.refusals[0]
    assert reading.energy_j == 0.0


def test_one_that_disappears_is_named(joulescope, window_reply) -> None:
    with Joulescope(driver=lambda: joulescope) as meter:
        meter.arm()
        joulescope.unplug()
        with pytest.raises(MeasurementError, match="u/js220/001234 broke off") as gone:
            meter.read(window_reply())
        assert "the same command goes on" in str(gone.value)


def test_one_that_falls_silent_is_named(joulescope, window_reply, monkeypatch) -> None:
    monkeypatch.setattr("host.meter.joulescope.PATIENCE_S", 0.1)
    with Joulescope(driver=lambda: joulescope) as meter:
        joulescope.close(joulescope.PATH)
        with joulescope._turn:
            pass
        with pytest.raises(MeasurementError, match="sent nothing of i, v"):
            meter.arm()


@pytest.mark.parametrize("paths", [[], ["u/js220/1", "u/js110/2"], ["u/js320/1"]])
def test_none_or_several_are_refused(joulescope, paths) -> None:
    joulescope.paths = paths
    with (
        pytest.raises(LinkError, match=r"Joulescopes are there"),
        Joulescope(driver=lambda: joulescope),
    ):
        pass
    assert joulescope.finalized


def test_the_one_that_is_asked_for(joulescope) -> None:
    joulescope.paths = ["u/js220/1", "u/js220/001234"]
    with Joulescope("001234", driver=lambda: joulescope) as meter:
        assert meter.describe().kind == "joulescope js220"
    with (
        pytest.raises(LinkError, match="with serial number 9"),
        Joulescope("9", driver=lambda: joulescope),
    ):
        pass


def test_one_that_another_program_has(joulescope) -> None:
    joulescope.refuses = RuntimeError("open failed")
    with (
        pytest.raises(LinkError, match="cannot be opened: open failed"),
        Joulescope(driver=lambda: joulescope),
    ):
        pass
    assert joulescope.finalized


def test_the_installed_driver_has_what_is_called() -> None:
    """The emulated one stands in for this class; a new version without one of these must fail."""
    from pyjoulescope_driver import Driver

    for name in ("device_paths", "open", "close", "publish", "subscribe", "finalize"):
        assert callable(getattr(Driver, name))
    with Driver() as driver:
        assert isinstance(driver.device_paths(), list)


def test_without_the_package_the_pip_command_is_named(monkeypatch) -> None:
    real = builtins.__import__

    def missing(name, *arguments, **keywords):
        if name.startswith("pyjoulescope_driver"):
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, "__import__", missing)
    with (
        pytest.raises(MissingDependencyError, match=r"pip install 'jouleloop\[joulescope\]'"),
        Joulescope(),
    ):
        pass
