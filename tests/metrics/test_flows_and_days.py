"""The mass on its way, and the days of a replay: what goes in comes out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from host.metrics import material_circularity, material_flows, replay_days, waste_generation
from host.metrics.flows import DISPOSAL, IN_A_LOOP, LOST, RECYCLING
from toolchain.environment import BASELINES, UNDECIDED, rollout
from toolchain.errors import InputError
from toolchain.scenario import CircularSupplyChainGenerator, Scenario, ScenarioParameters


@pytest.fixture(scope="module", params=["article", "weee"])
def scenario(request: pytest.FixtureRequest) -> Scenario:
    parameters = ScenarioParameters(generator=request.param, n_products=300, horizon_days=60)
    return CircularSupplyChainGenerator(3, parameters).generate()


def decided(scenario: Scenario, policy: str = "random") -> pa.Table:
    """Rows as a board leaves them: every third product by the fallback, the dead node's by none."""
    rows = rollout(scenario, BASELINES[policy](scenario, 5))
    made = rows["action"].to_numpy() != UNDECIDED
    cycles = np.arange(rows.num_rows) + 100
    modes = np.where(np.arange(rows.num_rows) % 3 == 0, "fallback", "full")
    rows = rows.append_column("cycles", pa.array(cycles, mask=~made).cast(pa.uint32()))
    return rows.append_column("mode", pa.array(modes, mask=~made))


def test_masses_close_and_are_the_metrics(scenario: Scenario) -> None:
    rows = decided(scenario)
    flows = material_flows(rows, scenario)["flows"]
    received, sent = Counter(), Counter()
    for flow in flows:
        assert flow["mass_kg"] > 0 and flow["products"] > 0
        sent[flow["source"]] += flow["mass_kg"]
        received[flow["target"]] += flow["mass_kg"]
    between = received.keys() & sent.keys()
    assert {RECYCLING, DISPOSAL} < between
    for node in between:
        assert sent[node] == pytest.approx(received[node]), node
    assert received.keys() - sent.keys() == {IN_A_LOOP, LOST}
    circularity = material_circularity(rows).detail
    assert received[IN_A_LOOP] == pytest.approx(circularity["mass_reentered_kg"])
    assert received[LOST] == pytest.approx(waste_generation(rows).detail["mass_wasted_kg"])
    assert sum(sent[stream] for stream in sent.keys() - received.keys()) == pytest.approx(
        circularity["mass_kg"]
    )


def test_failed_remanufacturing_falls_to_recycling(scenario: Scenario) -> None:
    rows = decided(scenario)
    flows = {(f["source"], f["target"]): f for f in material_flows(rows, scenario)["flows"]}
    failed = flows["remanufacture", RECYCLING]
    restored = flows["remanufacture", IN_A_LOOP]
    remanufactured = rows["realised"].to_numpy() == 1
    chosen = rows["action"].to_numpy() == 1
    assert failed["products"] + restored["products"] == int((remanufactured & chosen).sum())
    assert failed["products"] > 0


def test_rows_of_another_scenario_are_refused(scenario: Scenario) -> None:
    rows = decided(scenario).slice(0, 10)
    with pytest.raises(InputError, match="10 rows that are not the 300 products"):
        material_flows(rows, scenario)


def test_days_add_up_to_the_rows(scenario: Scenario) -> None:
    rows = decided(scenario)
    days = replay_days(rows, scenario, 2e-9)
    assert len(days) == 60 and days.arrivals.sum() == 300
    first = int(rows["day"][0].as_py())
    of_first = rows.filter(pa.compute.equal(rows["day"], first))
    assert days.arrivals[first] == of_first.num_rows
    assert days.value_eur[first] == pytest.approx(sum(of_first["value_eur"].to_pylist()))
    assert days.account_j is not None
    cycles = sum(count or 0 for count in of_first["cycles"].to_pylist())
    assert days.account_j[first] == pytest.approx(2e-9 * cycles)
    assert days.value_eur.sum() == pytest.approx(sum(rows["value_eur"].to_pylist()))
    for kind, used in days.used.items():
        assert (used <= days.slots[kind]).all(), kind
    assert sum(used.sum() for used in days.used.values()) <= 300
    assert replay_days(rows, scenario, None).account_j is None
