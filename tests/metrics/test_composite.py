"""Hand-computed composites, and what their weights may be."""

import pytest

from host.metrics import (
    DEFAULT_WEIGHTS,
    METRIC_NAMES,
    UNITS,
    Metric,
    Provenance,
    composite,
    composite_log,
    unavailable,
)
from toolchain.board import Budget, Budgets
from toolchain.errors import InputError

MODELLED, EMULATED, MEASURED = Provenance.MODELLED, Provenance.EMULATED, Provenance.MEASURED
BUDGETS = Budgets(
    energy_per_decision_j=Budget(best=1e-6, budget=1e-2),
    waste_kg_per_product=Budget(best=0.01, budget=10.0),
    comms_bytes_per_decision=Budget(best=1.0, budget=1000.0),
)


def _metrics(**changed):
    values = {
        "material_circularity": 0.6,
        "energy_recovery": 4.0,
        "component_reuse_rate": 0.3,
        "waste_generation": 1.0,
        "energy_per_decision": 1e-4,
        "memory_footprint": 8_000.0,
        "inference_latency": 1e-4,
        "comms_overhead": 250.0,
        "decision_quality": 0.8,
        "robustness_score": 0.9,
        "adaptability_rate": 0.5,
    } | changed
    return {name: Metric(value, UNITS[name], MEASURED) for name, value in values.items()}


def test_names_and_weights_are_those_of_the_contract():
    assert len(METRIC_NAMES) == 11
    assert set(UNITS) == set(METRIC_NAMES) == set(_metrics())
    assert sum(DEFAULT_WEIGHTS.values()) == pytest.approx(1.0)


def test_composite_by_hand():
    metric = composite(_metrics())
    expected = 0.25 * 0.6 + 0.2 / (1 + 1e-4) + 0.2 * 0.8 + 0.15 / 2 + 0.1 * 0.9 + 0.1 / 1.25
    assert metric.value == pytest.approx(expected)
    assert metric.detail["scores"]["comms_overhead"] == pytest.approx(0.8)
    assert metric.detail["weights"] == DEFAULT_WEIGHTS


def test_composite_log_by_hand():
    metric = composite_log(_metrics(), BUDGETS)
    # Energy: 2 of 4 decades; waste: 2 of 3; bytes: 2.398 of 3.
    scores = metric.detail["scores"]
    assert scores["energy_per_decision"] == pytest.approx(0.5)
    assert scores["waste_generation"] == pytest.approx(1 / 3)
    assert scores["comms_overhead"] == pytest.approx(1 - 2.39794 / 3, abs=1e-6)
    expected = 0.25 * 0.6 + 0.2 * 0.5 + 0.2 * 0.8 + 0.15 / 3 + 0.1 * 0.9
    assert metric.value == pytest.approx(expected + 0.1 * scores["comms_overhead"])


def test_the_articles_composite_is_blind_to_microjoules_and_the_log_is_not():
    cheap, dear = _metrics(energy_per_decision=8e-6), _metrics(energy_per_decision=8e-3)
    assert composite(cheap).value - composite(dear).value < 0.002
    assert composite_log(cheap, BUDGETS).value - composite_log(dear, BUDGETS).value > 0.1


@pytest.mark.parametrize(("energy_j", "score"), [(0.0, 1.0), (1e-7, 1.0), (1e-2, 0.0), (5.0, 0.0)])
def test_log_scores_are_clipped(energy_j, score):
    metric = composite_log(_metrics(energy_per_decision=energy_j), BUDGETS)
    assert metric.detail["scores"]["energy_per_decision"] == pytest.approx(score)


def test_provenance_is_the_weakest_of_the_weighted_parts():
    metrics = _metrics()
    assert composite(metrics).provenance is MEASURED
    metrics["decision_quality"] = Metric(0.8, "1", MODELLED)
    metrics["comms_overhead"] = Metric(1.0, "B/decision", EMULATED)
    result = composite(metrics)
    assert result.provenance is MODELLED
    assert result.detail["provenances"]["comms_overhead"] == "emulated"
    metrics["memory_footprint"] = unavailable("B", "no image")
    assert composite(metrics).provenance is MODELLED


def test_unavailable_part_makes_it_unavailable():
    metrics = _metrics()
    metrics["energy_per_decision"] = unavailable("J", "no meter")
    for result in (composite(metrics), composite_log(metrics, BUDGETS)):
        assert result.value is None
        assert "no meter" in result.detail["reason"]
    without = {"material_circularity": 0.5, "adaptability_rate": 0.5, "energy_per_decision": 0.0}
    assert composite(metrics, without).value == pytest.approx(0.55)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"circularity": 1.0}, "unknown weight circularity"),
        ({"memory_footprint": 1.0}, "unknown weight memory_footprint"),
        ({"material_circularity": 0.5}, "add up to 0.5"),
        ({"material_circularity": 0.7, "decision_quality": 0.4}, "add up to 1.1"),
        ({"material_circularity": 1.5, "decision_quality": -0.5}, "decision_quality is -0.5"),
        ({"material_circularity": float("nan")}, "material_circularity is nan"),
        ({}, "add up to 0"),
    ],
)
def test_impossible_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        composite(_metrics(), weights)
    with pytest.raises(InputError, match=message):
        composite_log(_metrics(), BUDGETS, weights)


def test_missing_and_negative_metrics_are_refused():
    metrics = _metrics(waste_generation=-1.0)
    with pytest.raises(InputError, match="waste_generation is -1"):
        composite(metrics)
    del metrics["waste_generation"]
    with pytest.raises(InputError, match="no metric waste_generation"):
        composite(metrics)


def test_budget_below_its_best_is_refused():
    wrong = BUDGETS.model_copy(update={"waste_kg_per_product": Budget(best=2.0, budget=1.0)})
    with pytest.raises(InputError, match="budget 1 must be above best 2"):
        composite_log(_metrics(), wrong)
