"""Hand-computed quality and joules of the two networks, alone and mixed."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from host.metrics import EnergyWindow, Provenance, decisions_by_mode, energy_saving
from toolchain.environment import Optimum

BUDGET = {"limit_j": 2e-5, "energy_j_per_cycle": 1e-9}


def _rows(values, modes, cycles):
    return pa.table(
        {
            "day": pa.array([0, 0, 1, 4], pa.int32()),
            "value_eur": pa.array(values, pa.float64()),
            "cycles": pa.array(cycles, pa.uint32()),
            "mode": pa.array(modes, pa.string()),
        }
    )


@pytest.fixture
def optimum():
    each, none = np.full(4, 10.0), np.zeros(4)
    return Optimum(
        value_eur=40.0,
        floor_eur=0.0,
        gap=0.0,
        disposition=none.astype(int),
        facility=none.astype(int),
        processing_day=none.astype(int),
        product_value_eur=each,
        product_floor_eur=none,
        product_dual_eur=none,
        slot_facility=none.astype(int),
        slot_disposition=none.astype(int),
        slot_day=none.astype(int),
        slot_capacity=none.astype(int),
        slot_dual_eur=none,
        seconds=0.0,
    )


def _windows():
    for mode, energy_j in (("full", 10.0), ("fallback", 2.0)):
        yield EnergyWindow("inference", 1_000, 10.0, energy_j, 0.001, True, mode=mode)


def test_both_networks_and_the_mix_by_hand(optimum):
    mixed = _rows([9, 5, 9, 0], ["full", "fallback", "full", None], [900, 90, 902, None])
    fallback = _rows([5, 5, 5, 0], ["fallback"] * 3 + [None], [90, 92, 90, None])
    full = _rows([9, 9, 9, 1], [None] * 4, [None] * 4)
    assert decisions_by_mode(mixed) == {"full": 2, "fallback": 1}
    saving = energy_saving(
        BUDGET, mixed, fallback, full, optimum, list(_windows()), Provenance.EMULATED
    )
    assert saving["budget_j_per_decision_cycle"] == 2e-5
    assert saving["accounting"] == "modelled"
    # Days 0 and 1 were decided, day 4 was not; the fallback came in on day 0.
    assert (saving["decision_cycles"], saving["decision_cycles_at_the_budget"]) == (2, 1)
    got = {
        name: (saving[name]["decision_quality"], saving[name]["energy_per_decision_j"])
        for name in ("full_only", "fallback_only", "as_decided")
    }
    assert got["full_only"] == (pytest.approx(28 / 40), pytest.approx(10e-3))
    assert got["fallback_only"] == (pytest.approx(15 / 40), pytest.approx(2e-3))
    assert got["as_decided"] == (pytest.approx(23 / 40), pytest.approx((2 * 10e-3 + 2e-3) / 3))
    assert saving["as_decided"]["decisions"] == {"full": 2, "fallback": 1}
    assert saving["as_decided"]["median_cycles"] == {"full": 901.0, "fallback": 90.0}
    assert saving["as_decided"]["energy_provenance"] == "emulated"
    assert [saving[name]["decided_by"] for name in got] == [
        "reference on the host",
        "board",
        "board",
    ]


def test_without_windows_there_are_no_joules_but_still_a_quality(optimum):
    rows = _rows([9, 5, 9, 0], ["full", "fallback", "full", None], [900, 90, 902, None])
    saving = energy_saving(BUDGET, rows, rows, rows, optimum, [], Provenance.EMULATED)
    assert saving["as_decided"]["energy_per_decision_j"] is None
    assert saving["as_decided"]["energy_provenance"] == "unavailable"
    assert saving["as_decided"]["decision_quality"] == pytest.approx(23 / 40)
