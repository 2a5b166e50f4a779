"""Hand-computed circularity metrics."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from host.metrics import (
    Provenance,
    component_reuse_rate,
    energy_recovery,
    material_circularity,
    material_circularity_indicator,
    product_utility,
    waste_generation,
)
from toolchain.environment import BASELINES, rollout
from toolchain.errors import InputError
from toolchain.scenario import (
    FAMILIES,
    MATERIALS,
    CircularSupplyChainGenerator,
    ScenarioParameters,
)

# Three products of 2, 3 and 5 kg: all reused, two thirds recycled, disposed of.
ROWS = pa.table(
    {
        "mass_kg": [2.0, 3.0, 5.0],
        "mass_reentered_kg": [2.0, 2.0, 0.0],
        "mass_wasted_kg": [0.0, 1.0, 5.0],
        "energy_saved_mj": [40.0, 20.0, 0.0],
        "energy_invested_mj": [3.0, 8.0, 1.0],
        "components": [4, 6, 10],
        "components_reused": [4, 1, 0],
    }
)


@pytest.mark.parametrize(
    ("metric", "value", "unit"),
    [
        (material_circularity, 4 / 10, "kg/kg"),
        (energy_recovery, 60 / 12, "MJ/MJ"),
        (component_reuse_rate, 5 / 20, "1"),
        (waste_generation, 6 / 3, "kg/product"),
    ],
)
def test_by_hand(metric, value, unit):
    result = metric(ROWS)
    assert result.value == pytest.approx(value)
    assert result.unit == unit
    assert result.provenance is Provenance.MODELLED
    assert metric(ROWS, Provenance.MEASURED).provenance is Provenance.MEASURED
    empty = metric(ROWS.slice(0, 0))
    assert empty.value is None
    assert empty.provenance is Provenance.UNAVAILABLE
    assert empty.detail["reason"]


def test_indicator_by_hand():
    # V = 6 and W = 6 of M = 10: LFI = 12 / 20 = 0.6.
    result = material_circularity_indicator(ROWS)
    assert result.value == pytest.approx(1 - 0.6 * 0.9)
    assert result.detail["linear_flow_index"] == pytest.approx(0.6)
    assert material_circularity_indicator(ROWS, utility=2.0).value == pytest.approx(1 - 0.27)
    assert material_circularity_indicator(ROWS, utility=0.5).value == 0.0
    assert material_circularity_indicator(ROWS, utility=0).value == 0.0
    for wrong in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InputError, match=f"utility is {wrong}, must be"):
            material_circularity_indicator(ROWS, utility=wrong)


def test_utility_by_hand():
    parameters = ScenarioParameters(generator="weee", n_products=6, horizon_days=30)
    scenario = CircularSupplyChainGenerator(1, parameters).generate()
    # The mean life of fridges is 16.43 Gamma(1 + 1 / 2.20) = 14.551 years, of flat TVs
    # 11.75 Gamma(1 + 1 / 2.01) = 10.412 years.
    fridge, tv = FAMILIES.index("fridge"), FAMILIES.index("flat_tv")
    given = {
        "family": [fridge, fridge, fridge, fridge, tv, tv],
        "age_years": [14.551 / 2, 14.551, 14.551, 14.551 / 4, 10.412, 0.0],
        "mechanical_wear": [0.0] * 6,
        "corrosion": [0.0] * 6,
        "electronic_health": [1.0] * 6,
        "remanufacture_draw": [0.0, 0.0, 0.999, 0.0, 0.0, 0.0],
        "components": [10] * 6,
        "harvest_draw": [0.5] * 6,
        **{f"{material}_kg": [0.0] * 6 for material in MATERIALS},
        "steel_kg": [10.0, 20.0, 20.0, 5.0, 30.0, 15.0],
    }
    columns = {name: np.array(values) for name, values in given.items()}
    scenario = replace(scenario, returns=replace(scenario.returns, **columns))
    products = scenario.returns.product
    rows = pa.table({"product": products, "realised": [0, 1, 1, 2, 3, 4]})
    # Sold at half a life for half of another; restored for 0.8 of another, and a failure; nine of
    # ten components, 0.36 of the mass, at a quarter of a life; recycled after one life; thrown away
    # as new.
    lives = [0.5 + 0.5, 1 + 0.8, 1.0, 0.25 + 0.36, 1.0, 0.0]
    expected = np.dot(lives, given["steel_kg"]) / 100
    assert product_utility(rows, scenario) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(InputError, match="5 rows that are not the 6 products"):
        product_utility(rows.slice(0, 5), scenario)


@pytest.mark.parametrize("kind", ["article", "weee"])
def test_reuse_counts_for_more_than_recycling(kind):
    parameters = ScenarioParameters(generator=kind, n_products=80, horizon_days=40)
    scenario = CircularSupplyChainGenerator(2, parameters).generate()
    utility = {}
    for name in ("always_dispose", "all_recycle", "greedy_capacity"):
        rows = rollout(scenario, BASELINES[name](parameters, 0))
        utility[name] = product_utility(rows, scenario)
    # The same products have lived as long, whatever becomes of their material.
    assert utility["all_recycle"] == pytest.approx(utility["always_dispose"])
    assert utility["greedy_capacity"] > utility["all_recycle"] + 0.1
    if kind == "article":
        assert utility["always_dispose"] == pytest.approx(1.0, abs=0.2)


def test_everything_reused_and_everything_disposed_of():
    whole = ROWS.slice(0, 1)
    assert material_circularity(whole).value == 1.0
    assert material_circularity_indicator(whole).value == 1.0
    lost = ROWS.slice(2, 1)
    assert material_circularity(lost).value == 0.0
    assert material_circularity_indicator(lost).value == pytest.approx(0.1)


def test_missing_column_is_refused():
    with pytest.raises(InputError, match="without column 'mass_wasted_kg'"):
        waste_generation(ROWS.drop_columns(["mass_wasted_kg"]))


def test_rows_of_a_rollout_are_accepted_and_policies_differ():
    parameters = ScenarioParameters(n_nodes=12, n_products=80, horizon_days=60)
    scenario = CircularSupplyChainGenerator(1, parameters).generate()
    dumped = rollout(scenario, BASELINES["always_dispose"](parameters, 0))
    greedy = rollout(scenario, BASELINES["greedy_capacity"](parameters, 0))
    assert material_circularity(dumped).value == 0.0
    assert energy_recovery(dumped).value == 0.0
    assert waste_generation(dumped).value == pytest.approx(scenario.returns.mass_kg.mean())
    assert 0.2 < material_circularity(greedy).value < 1.0
    assert energy_recovery(greedy).value > 1.0
    assert 0.0 < component_reuse_rate(greedy).value < 1.0
