"""Hand-computed quality, robustness and adaptability."""

import numpy as np
import pyarrow as pa
import pytest

from host.metrics import (
    Provenance,
    adaptability_rate,
    bootstrap_interval,
    decision_quality,
    robustness_score,
)
from toolchain.environment import Optimum, Perturbation
from toolchain.errors import InputError


def _optimum(best, floor):
    best, floor = np.array(best, dtype=float), np.array(floor, dtype=float)
    empty = np.zeros(0, dtype=np.int64)
    zeros = np.zeros(len(best), dtype=np.int64)
    return Optimum(
        value_eur=float(best.sum()),
        floor_eur=float(floor.sum()),
        gap=0.0,
        disposition=zeros,
        facility=zeros,
        processing_day=zeros,
        product_value_eur=best,
        product_floor_eur=floor,
        product_dual_eur=zeros.astype(float),
        slot_facility=empty,
        slot_disposition=empty,
        slot_day=empty,
        slot_capacity=empty,
        slot_dual_eur=empty.astype(float),
        seconds=0.0,
    )


def _rows(values, days=None):
    days = range(len(values)) if days is None else days
    return pa.table({"value_eur": np.array(values, dtype=float), "day": list(days)})


@pytest.mark.parametrize(
    ("values", "unclipped"),
    [
        ([9.0, 4.0], 0.75),
        ([-1.0, -1.0], 0.0),
        ([14.0, 4.0], 1.0),
        ([-11.0, -1.0], -0.5),
        ([24.0, 4.0], 1.5),
    ],
)
def test_quality_by_hand(values, unclipped):
    # The floor is -2 and the optimum 18: 9 + 4 = 13 is 15 of 20 above the floor.
    metric = decision_quality(_rows(values), _optimum([14.0, 4.0], [-1.0, -1.0]))
    assert metric.detail["unclipped"] == pytest.approx(unclipped)
    assert metric.value == pytest.approx(min(1.0, max(0.0, unclipped)))
    assert metric.detail["value_eur"] == sum(values)
    assert (metric.detail["floor_eur"], metric.detail["optimum_eur"]) == (-2.0, 18.0)


def test_undefined_quality_is_unavailable_and_not_zero():
    metric = decision_quality(_rows([-1.0, -1.0]), _optimum([-1.0, -1.0], [-1.0, -1.0]))
    assert metric.value is None
    assert metric.provenance is Provenance.UNAVAILABLE
    assert "no better than the floor" in metric.detail["reason"]


def test_rows_of_another_scenario_are_refused():
    with pytest.raises(InputError, match="1 rows, but an optimum of 2 products"):
        decision_quality(_rows([1.0]), _optimum([1.0, 1.0], [0.0, 0.0]))


SET = {
    "sensor_noise": 0.40,
    "stuck_feature": 0.72,
    "missing_features": 1.20,
    "calibration_drift": -0.30,
    "corrupted_calibration": 0.80,
    "shifted_conditions": 0.60,
}


def test_robustness_by_hand():
    metric = robustness_score(0.8, SET)
    # Ratios 0.5, 0.9, 1.5 -> 1, -0.375 -> 0, 1, 0.75.
    assert metric.value == pytest.approx((0.5 + 0.9 + 1 + 0 + 1 + 0.75) / 6)
    assert metric.detail["ratios"]["missing_features"] == pytest.approx(1.5)
    assert robustness_score(0.8, dict.fromkeys(Perturbation, 0.8)).value == 1.0


def test_robustness_needs_the_whole_set_and_a_nominal_quality():
    with pytest.raises(InputError, match="must be"):
        robustness_score(0.8, {"sensor_noise": 0.5})
    with pytest.raises(InputError, match="fog"):
        robustness_score(0.8, {**SET, "fog": 0.1})
    assert robustness_score(0.0, SET).value is None
    assert robustness_score(None, SET).value is None
    undefined = robustness_score(0.8, {**SET, "stuck_feature": None})
    assert "stuck_feature" in undefined.detail["reason"]


DAYS = 60
SHIFT = 20


def _adapt(quality, reference=1.0, others=None):
    """One product a day, floor 0 and optimum 1, so that a value is a quality."""
    optimum = _optimum(np.ones(DAYS), np.zeros(DAYS))
    references = {"best": _rows(np.broadcast_to(reference, DAYS).copy()), **(others or {})}
    return adaptability_rate(_rows(quality), optimum, references, SHIFT)


def test_adaptability_by_hand():
    # 0 for ten days behind the shift, then 1. The window of days 30-43 is the first of quality 1,
    # but 13.3 of 14 days are enough for 95 %: the window must hold at most 0.7 bad days, so d = 10.
    quality = np.ones(DAYS)
    quality[SHIFT : SHIFT + 10] = 0.0
    metric = _adapt(quality)
    assert metric.detail["days"] == 10
    assert metric.value == pytest.approx(1 / (1 + 10 / 30))
    # Against a best policy of 0.8, the window needs 0.76 * 14 = 10.64: eleven good days, d = 7.
    metric = _adapt(quality, reference=0.8)
    assert metric.detail["days"] == 7
    assert metric.value == pytest.approx(1 / (1 + 7 / 30))


def test_adaptability_of_the_unmoved_and_of_the_lost():
    assert _adapt(np.ones(DAYS)).value == 1.0
    lost = np.ones(DAYS)
    lost[SHIFT:] = 0.9
    metric = _adapt(lost)
    assert metric.value == 0.0
    assert metric.detail["days"] is None
    assert metric.provenance is Provenance.MODELLED
    # What was before the shift does not count.
    before = np.ones(DAYS)
    before[:SHIFT] = -5.0
    assert _adapt(before).value == 1.0


def test_adaptability_takes_the_best_reference_in_the_same_days():
    quality = np.full(DAYS, 0.5)
    seasonal = np.where(np.arange(DAYS) < 40, 1.0, 0.5)
    metric = _adapt(quality, seasonal, {"worse": _rows(np.full(DAYS, 0.1))})
    assert metric.detail["reference"] == "best"
    # The window from day 40 on lies in the poor season, but the one from day 39 on holds one rich
    # day: 0.95 * (1 + 13 * 0.5) / 14 = 0.509 is still above 0.5.
    assert metric.detail["days"] == 20
    assert metric.detail["reference_level"] == pytest.approx((20 * 1 + 20 * 0.5) / 40)


def test_adaptability_refuses_what_it_cannot_judge():
    optimum = _optimum(np.ones(DAYS), np.zeros(DAYS))
    rows = _rows(np.ones(DAYS))
    with pytest.raises(InputError, match="no reference"):
        adaptability_rate(rows, optimum, {}, SHIFT)
    with pytest.raises(InputError, match="day -1, must be at least 0"):
        adaptability_rate(rows, optimum, {"best": rows}, -1)
    assert adaptability_rate(rows, optimum, {"best": rows}, 46).value == 1.0
    for late, left in ((47, 13), (60, 0), (70, 0)):
        short = adaptability_rate(rows, optimum, {"best": rows}, late)
        assert short.value is None
        assert f"{left} days of arrivals lie behind" in short.detail["reason"]
    worthless = adaptability_rate(rows, optimum, {"zero": _rows(np.zeros(DAYS))}, SHIFT)
    assert worthless.value is None


def test_bootstrap_covers_the_mean_and_repeats():
    rng = np.random.default_rng
    values = rng(0).normal(3.0, 1.0, 200)
    interval = bootstrap_interval(values, rng(1))
    assert interval == bootstrap_interval(values, rng(1))
    assert interval.mean == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(200)
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)
    assert interval.samples == 200
    wider = bootstrap_interval(values, rng(1), confidence=0.99)
    assert wider.low < interval.low < interval.high < wider.high
    same = bootstrap_interval([0.5, 0.5], rng(1))
    assert (same.low, same.high) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("values", "confidence"), [([], 0.95), ([1.0, np.nan], 0.95), ([1.0], 1.0)]
)
def test_bootstrap_refuses_what_it_cannot_resample(values, confidence):
    with pytest.raises(InputError):
        bootstrap_interval(values, np.random.default_rng(0), confidence)
