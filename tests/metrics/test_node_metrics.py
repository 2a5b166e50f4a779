"""Hand-computed energy, memory, latency and bytes of the node."""

import math

import numpy as np
import pytest

from host.metrics import (
    EnergyWindow,
    Metric,
    Provenance,
    comms_overhead,
    counted,
    energy_of_modes,
    energy_per_decision,
    inference_latency,
    memory_footprint,
    unavailable,
    weakest,
    with_assumed_cycles,
)
from toolchain.board import Sourced
from toolchain.errors import InputError

EMULATED = Provenance.EMULATED


def _busy(energy_j, iterations=1_000, elapsed_s=10.0):
    return EnergyWindow("inference", iterations, elapsed_s, energy_j, 0.001, True)


def _idle(energy_j, elapsed_s=20.0):
    return EnergyWindow("idle", 0, elapsed_s, energy_j, 0.001, True)


def test_energy_by_hand():
    refused = EnergyWindow("inference", 0, 0.0, math.nan, 0.0, False, "the clock did not run")
    windows = [_busy(1.25), _busy(1.20), _busy(1.30), _idle(2.0), refused]
    metric = energy_per_decision(windows, EMULATED)
    assert metric.value == pytest.approx(1.25e-3)
    assert metric.unit == "J"
    assert metric.provenance is EMULATED
    detail = metric.detail
    assert detail["total_j"] == metric.value
    # Idle power 2.0 / 20 = 0.1 W: 1.0 J of each window's 10 s would have gone in anyway.
    assert detail["idle_power_w"] == pytest.approx(0.1)
    assert detail["idle_subtracted_j"] == pytest.approx(0.25e-3)
    # Scatter: a standard deviation of 0.05 mJ over sqrt(3); the meter: 1 uJ / sqrt(12).
    total = math.hypot(0.05e-3 / math.sqrt(3), 1e-6 / math.sqrt(12))
    assert detail["total_uncertainty_j"] == pytest.approx(total)
    from_idle = 0.001 / 20 / math.sqrt(12) * 10 / 1_000
    assert detail["idle_subtracted_uncertainty_j"] == pytest.approx(math.hypot(total, from_idle))
    assert detail["refused"] == ["the clock did not run"]
    assert detail["idle_windows"] == 1


def _mode(mode, energy_j):
    return EnergyWindow("inference", 1_000, 10.0, energy_j, 0.001, True, mode=mode)


def test_energy_of_modes_by_hand():
    windows = [_mode("full", 4.0), _mode("fallback", 1.6), _mode("fallback", 1.6), _idle(2.0)]
    metric = energy_of_modes(windows, {"full": 3, "fallback": 1}, EMULATED)
    # 3/4 of 4 mJ and 1/4 of 1.6 mJ; 1 J of every window is idle.
    assert metric.value == metric.detail["total_j"] == pytest.approx(3.4e-3)
    assert metric.detail["idle_subtracted_j"] == pytest.approx(0.75 * 3e-3 + 0.25 * 0.6e-3)
    digit = 1e-6 / math.sqrt(12)
    uncertainty = math.hypot(0.75 * digit, 0.25 * digit)
    assert metric.detail["total_uncertainty_j"] == pytest.approx(uncertainty)
    modes = metric.detail["modes"]
    assert (modes["full"]["value"], modes["full"]["decisions"]) == (4e-3, 3)
    assert (modes["fallback"]["value"], modes["fallback"]["decisions"]) == (1.6e-3, 1)


def test_a_mode_without_decisions_needs_no_weight_and_is_still_reported():
    windows = [_mode("full", 4.0), _mode("fallback", 1.6)]
    metric = energy_of_modes(windows, {"full": 0, "fallback": 9}, EMULATED)
    assert metric.value == pytest.approx(1.6e-3)
    assert metric.detail["idle_subtracted_j"] is None
    assert metric.detail["modes"]["full"]["value"] == 4e-3
    assert energy_of_modes(windows, {"full": 0, "fallback": 0}, EMULATED).value is None


def test_a_mode_with_decisions_and_no_window_makes_the_energy_unavailable():
    refused = EnergyWindow("inference", 7, 1.0, 1.0, 0.0, False, "too short", mode="fallback")
    metric = energy_of_modes([_mode("full", 4.0), refused], {"full": 5, "fallback": 1}, EMULATED)
    assert metric.value is None
    assert "mode fallback" in metric.detail["reason"] and "too short" in metric.detail["reason"]
    assert energy_of_modes([_mode("full", 4.0), refused], {"full": 5}, EMULATED).value == 4e-3


def test_energy_is_the_median_so_one_outlier_does_not_count():
    assert energy_per_decision([_busy(1.2), _busy(1.2), _busy(99.0)], EMULATED).value == 1.2e-3


def test_energy_without_idle_has_no_idle_subtracted_figure():
    detail = energy_per_decision([_busy(1.2)], EMULATED).detail
    assert detail["idle_subtracted_j"] is None
    assert detail["total_uncertainty_j"] == pytest.approx(1e-6 / math.sqrt(12))


def test_energy_without_an_accepted_window_is_unavailable_with_the_reasons():
    refused = EnergyWindow("inference", 7, 1.0, 1.0, 0.0, False, "7 of 9 inferences")
    metric = energy_per_decision([refused, _idle(1.0)], EMULATED)
    assert metric.value is None
    assert "7 of 9 inferences" in metric.detail["reason"]
    assert "no inference window was taken" in energy_per_decision([], EMULATED).detail["reason"]


@pytest.mark.parametrize(
    "window",
    [
        ("inference", 0, 1.0, 1.0, 0.0),
        ("idle", 5, 1.0, 1.0, 0.0),
        ("inference", 5, 0.0, 1.0, 0.0),
        ("inference", 5, 1.0, -1.0, 0.0),
        ("inference", 5, 1.0, math.nan, 0.0),
        ("inference", 5, math.inf, 1.0, 0.0),
        ("inference", 5, 1.0, 1.0, -0.1),
    ],
)
def test_impossible_window_cannot_be_accepted(window):
    with pytest.raises(InputError, match=f"accepted {window[0]} window"):
        EnergyWindow(*window, True)
    EnergyWindow(*window, False, "refused")


def test_memory_by_hand():
    metric = memory_footprint(
        {"text": 4_000, "rodata": 1_500, "data": 100},
        {"data": 100, "bss": 900, "stack": 250},
        EMULATED,
    )
    assert metric.value == 5_600 + 1_250
    assert metric.unit == "B"
    assert (metric.detail["flash_bytes"], metric.detail["ram_bytes"]) == (5_600, 1_250)
    assert metric.detail["ram_parts"]["stack"] == 250


@pytest.mark.parametrize("parts", [{}, {"text": -1}])
def test_impossible_memory_is_refused(parts):
    with pytest.raises(InputError, match="flash parts"):
        memory_footprint(parts, {"bss": 1}, EMULATED)
    with pytest.raises(InputError, match="RAM parts"):
        memory_footprint({"text": 1}, parts, EMULATED)


def test_latency_by_hand():
    cycles = np.arange(1, 102) * 1_250  # 1 to 101 in steps of 10 us at 125 MHz
    metric = inference_latency(cycles, 125e6, EMULATED)
    assert metric.value == pytest.approx(51 * 10e-6)
    assert metric.unit == "s"
    assert metric.detail["p95_s"] == pytest.approx(96 * 10e-6)
    assert metric.detail["max_s"] == pytest.approx(101 * 10e-6)
    assert metric.detail["median_cycles"] == 51 * 1_250
    assert metric.detail["decisions"] == 101


def test_an_emulators_assumed_cycles_are_named_and_instructions_found_again():
    assumed = Sourced(value=1.25, low=1.0, high=1.5, source="assumption: made up")
    metric = inference_latency(np.array([1_250, 2_500, 3_751]), 125e6, EMULATED, assumed)
    assert metric.value == pytest.approx(20e-6) and metric.provenance is Provenance.MODELLED
    assert "median_cycles" not in metric.detail
    assert metric.detail["median_instructions"] == 2_000
    assert counted(np.array([1_250, 3_751]), assumed).tolist() == [1_000, 3_001]
    assert counted(np.array([1_250]), None).tolist() == [1_250]
    energy = with_assumed_cycles(energy_per_decision([_busy(1.25)], EMULATED), assumed)
    assert energy.provenance is EMULATED
    assert energy.detail["assumed_range_j"] == pytest.approx([1.0e-3, 1.5e-3])
    assert energy.detail["cycles_per_instruction"]["source"] == "assumption: made up"
    nothing = energy_per_decision([], EMULATED)
    assert with_assumed_cycles(nothing, assumed) == nothing


def test_latency_of_a_clock_that_did_not_run_is_refused():
    with pytest.raises(InputError, match="0 cycles"):
        inference_latency(np.array([5, 0]), 125e6, EMULATED)
    with pytest.raises(InputError, match=r"0\.0 Hz"):
        inference_latency(np.array([5]), 0.0, EMULATED)
    assert inference_latency(np.array([]), 125e6, EMULATED).value is None


def test_comms_by_hand():
    metric = comms_overhead(30_000, 200, 500, EMULATED)
    assert metric.value == 60.0
    assert metric.unit == "B/decision"
    assert metric.detail["messages_per_decision"] == 0.4
    assert comms_overhead(10, 1, 0, EMULATED).provenance is Provenance.UNAVAILABLE
    with pytest.raises(InputError, match="-1 messages"):
        comms_overhead(10, -1, 1, EMULATED)


def test_a_metric_has_a_value_exactly_when_it_is_available():
    with pytest.raises(InputError, match="None cannot be measured"):
        Metric(None, "J", Provenance.MEASURED)
    with pytest.raises(InputError, match=r"1.0 cannot be unavailable"):
        Metric(1.0, "J", Provenance.UNAVAILABLE)
    with pytest.raises(InputError, match="nan"):
        Metric(math.nan, "J", Provenance.MEASURED)
    assert unavailable("J", "no meter").as_dict() == {
        "value": None,
        "unit": "J",
        "provenance": "unavailable",
        "detail": {"reason": "no meter"},
    }


def test_weakest_provenance():
    assert weakest([Provenance.MEASURED, Provenance.EMULATED]) is Provenance.EMULATED
    assert weakest([Provenance.MODELLED, Provenance.MEASURED]) is Provenance.MODELLED
