"""Uncertainties of energy windows and power states, by hand."""

import math

import pytest

from host.metrics import EnergyWindow, PowerStates, Provenance, energy_of_modes, power_states
from host.metrics.window import energy_each, energy_each_above, mean_power, mixed_parts

GAIN, OFFSET_W = 0.01, 0.002
MEASURED = Provenance.MEASURED


def _window(kind, energy_j, iterations=0, elapsed_s=10.0, mode="", accepted=True, reason=""):
    return EnergyWindow(
        kind, iterations, elapsed_s, energy_j, 0.0012, accepted, reason, mode, GAIN, OFFSET_W
    )


def _busy(energy_j, mode="full"):
    return _window("inference", energy_j, 1_000, mode=mode)


def _idle(energy_j=1.0):
    return _window("idle", energy_j)


def test_mean_power_by_hand() -> None:
    figure = mean_power([_idle(1.0), _idle(1.2), _idle(1.1)])
    assert figure.value == pytest.approx(0.11)
    assert figure.parts["scatter"] == pytest.approx(0.01 / math.sqrt(3))
    assert figure.parts["resolution"] == pytest.approx(0.00012 / math.sqrt(12))
    assert figure.parts["gain"] == pytest.approx(0.0011)
    assert figure.parts["offset"] == OFFSET_W
    assert figure.uncertainty == pytest.approx(
        math.sqrt(0.01**2 / 3 + 0.00012**2 / 12 + 0.0011**2 + OFFSET_W**2)
    )


def test_gain_and_offset_do_not_shrink_with_more_windows() -> None:
    few = energy_each([_busy(2.0)])
    many = energy_each([_busy(2.0)] * 100)
    assert few.parts == many.parts
    # 2 mJ a decision: 1 % of it, and 2 mW over 10 ms.
    assert many.parts["gain"] == pytest.approx(2e-5)
    assert many.parts["offset"] == pytest.approx(2e-5)


def test_a_difference_keeps_the_gain_of_the_difference_and_loses_the_offset() -> None:
    net = energy_each_above([_busy(2.0)], [_idle(1.0)])
    assert net.value == pytest.approx(1e-3)
    assert net.parts["gain"] == pytest.approx(1e-5)
    assert "offset" not in net.parts
    digit = 0.0012 / math.sqrt(12)
    assert net.parts["resolution"] == pytest.approx(digit / 1_000)
    assert net.parts["baseline"] == pytest.approx(digit / 1_000)


def test_a_gain_error_scales_what_it_is_said_to_scale() -> None:
    """What the arithmetic claims, done: the same windows with a gain that is off."""
    honest = energy_each_above([_busy(2.0)], [_idle(1.0)])
    off = energy_each_above([_busy(2.0 * (1 + GAIN))], [_idle(1.0 * (1 + GAIN))])
    assert off.value - honest.value == pytest.approx(honest.parts["gain"])
    shifted = energy_each_above([_busy(2.0 + 10 * OFFSET_W)], [_idle(1.0 + 10 * OFFSET_W)])
    assert shifted.value == pytest.approx(honest.value)


def test_parts_of_a_mixture_by_hand() -> None:
    parts = mixed_parts(
        [
            (0.75, {"scatter": 4.0, "resolution": 0.0, "gain": 1.0}),
            (0.25, {"scatter": 16.0, "resolution": 8.0, "gain": 2.0}),
        ]
    )
    assert parts == {"scatter": 5.0, "resolution": 2.0, "gain": 1.25}


def test_modes_share_the_meters_errors() -> None:
    windows = [_busy(4.0), _busy(1.6, "fallback"), _idle(1.0)]
    metric = energy_of_modes(windows, {"full": 3, "fallback": 1}, MEASURED)
    parts = metric.detail["total_uncertainty_parts_j"]
    assert parts["gain"] == pytest.approx(GAIN * metric.value)
    assert parts["offset"] == pytest.approx(OFFSET_W * 10 / 1_000)
    digit = 0.0012 / 1_000 / math.sqrt(12)
    assert parts["resolution"] == pytest.approx(math.hypot(0.75 * digit, 0.25 * digit))
    assert metric.detail["total_uncertainty_j"] == pytest.approx(math.hypot(*parts.values()))
    net = metric.detail["idle_subtracted_uncertainty_parts_j"]
    assert net["gain"] == pytest.approx(GAIN * metric.detail["idle_subtracted_j"])


def test_power_states_by_hand() -> None:
    states = power_states(
        [
            _busy(2.0),
            _busy(1.0, "fallback"),
            _idle(1.0),
            _window("sleep", 0.05),
            _window("wake", 0.25, 100),
            _window("link", 1.5, 500),
        ],
        MEASURED,
    )
    assert states.run_w.value == pytest.approx(0.2)
    assert states.idle_w.value == pytest.approx(0.1)
    # P 10 + W = 50 mJ and P 10 + 100 W = 250 mJ: W is 200/99 mJ, P a tenth of the rest.
    assert states.wake_up_j.value == pytest.approx(0.2 / 99)
    assert states.sleep_w.value == pytest.approx((0.05 - 0.2 / 99) / 10)
    assert states.inference_j.value == pytest.approx(2e-3)
    assert states.inference_idle_subtracted_j.value == pytest.approx(1e-3)
    assert states.wake_up_j.unit == "J"
    assert states.link_j_per_byte.value == pytest.approx(3e-3)
    assert states.link_j_per_byte.provenance is MEASURED
    assert states.reasons == {}
    assert PowerStates.from_dict(states.as_dict()) == states


def test_sleep_and_wake_up_keep_the_meters_errors_by_hand() -> None:
    windows = [_window("sleep", 0.05), _window("wake", 0.25, 100)]
    states = power_states(windows, MEASURED)
    digit = 0.0012 / math.sqrt(12)
    share = 0.1 / 10
    own_j = math.hypot(digit / 100, digit / 10 * 0.1) / (1 - share)
    gain_j = GAIN * 0.2 / 99
    assert states.wake_up_j.uncertainty == pytest.approx(math.hypot(own_j, gain_j))
    power_w = states.sleep_w.value
    parts = (digit / 10, GAIN * power_w, OFFSET_W, own_j / 10)
    assert states.sleep_w.uncertainty == pytest.approx(math.hypot(*parts))
    # Done: a gain that is off scales both.
    off = power_states(
        [_window("sleep", 0.05 * (1 + GAIN)), _window("wake", 0.25 * (1 + GAIN), 100)], MEASURED
    )
    assert off.sleep_w.value == pytest.approx(power_w * (1 + GAIN))
    assert off.wake_up_j.value == pytest.approx(states.wake_up_j.value * (1 + GAIN))


def test_what_was_refused_or_not_run_is_none_with_the_reason() -> None:
    refused = _window("sleep", 0.0, accepted=False, reason="the gate was not seen to rise")
    states = power_states([_busy(2.0), _window("wake", 0.25, 100), refused], MEASURED)
    assert states.run_w is not None
    assert states.idle_w is None and states.sleep_w is None and states.wake_up_j is None
    assert states.reasons["sleep_w"] == (
        "no sleep window can be used: the gate was not seen to rise"
    )
    asleep = power_states([_window("sleep", 0.05)], MEASURED)
    assert asleep.reasons["sleep_w"] == "no wake window can be used: none was run"
    assert "none was run" in states.reasons["link_j_per_byte"]
    assert PowerStates.from_dict(states.as_dict()) == states
