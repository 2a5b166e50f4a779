"""Hand-computed circularity metrics."""

import pyarrow as pa
import pytest

from host.metrics import (
    Provenance,
    component_reuse_rate,
    energy_recovery,
    material_circularity,
    material_circularity_indicator,
    waste_generation,
)
from toolchain.environment import BASELINES, rollout
from toolchain.errors import InputError
from toolchain.scenario import CircularSupplyChainGenerator, ScenarioParameters

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
    with pytest.raises(InputError, match="utility is 0"):
        material_circularity_indicator(ROWS, utility=0)


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
