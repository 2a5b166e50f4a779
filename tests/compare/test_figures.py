"""The comparison's figures by hand: correct decisions, joules per one, Pareto front, the trade."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest

from host.compare.figures import (
    Joules,
    Line,
    agreement,
    correct_share,
    defined_everywhere,
    joules_per_correct_decision,
    quality_interval,
    statement,
    trades,
)
from host.compare.quality import Judged, correct_decisions
from host.metrics import pareto_front

QUALITY = np.array([0.80, 0.84, 0.82, 0.86, 0.78, 0.85])


def line(
    name: str, lost: float, uj: float, *, net: float | None = None, spread: float = 0.0
) -> Line:
    """A network with a share of the reference's quality lost in every scenario."""
    wobble = spread * np.array([1, -1, 1, -1, 1, -1])
    quality = QUALITY * (1 - lost + wobble)
    judged = tuple(Judged(float(q), 100, 60, 95, 100) for q in quality)
    above = None if net is None else Joules(net * 1e-6, 0.0)
    return Line(name, judged, Joules(uj * 1e-6, 0.001e-6), above)


def test_correct_is_the_hindsight_optimums_decision_and_a_dead_node_makes_none():
    rows = pa.table({"action": np.array([0, 3, -1, 4, 2], np.int8)})
    optimum = SimpleNamespace(disposition=np.array([0, 1, 2, 4, 2]))
    assert correct_decisions(rows, optimum) == (4, 3)


def test_joules_per_correct_decision_by_hand():
    # Two of five decisions are correct, so one takes two and a half decisions' energy.
    value, low, high = joules_per_correct_decision(Joules(8e-6, 0.0), (0.4, 0.4, 0.4))
    assert value == low == high == pytest.approx(20e-6)
    # 1.96 x 5 % and 10 % in quadrature, either way.
    value, low, high = joules_per_correct_decision(Joules(8e-6, 0.4e-6), (0.4, 0.36, 0.44))
    relative = math.hypot(1.959964 * 0.05, 0.1)
    assert (low, high) == pytest.approx((20e-6 * (1 - relative), 20e-6 * (1 + relative)))
    assert joules_per_correct_decision(Joules(8e-6, 0.0), (0.0, 0.0, 0.1)) is None


def test_shares_are_over_all_decisions_not_over_scenarios():
    judged = (Judged(0.8, 10, 9, 1, 2), Judged(0.8, 90, 11, 50, 98))
    both = Line("a", judged, None, None)
    share, low, high = correct_share(both, 0)
    assert share == pytest.approx(0.2)
    assert low == pytest.approx(11 / 90) and high == pytest.approx(0.9)
    assert agreement(both) == pytest.approx(0.51)


def test_the_pareto_front_by_hand():
    quality = [0.86, 0.85, 0.85, 0.80, 0.79]
    joules = [9.0, 5.0, 6.0, 1.0, 1.0]
    # 2 is beaten by 1 (as good, dearer), 4 by 3 (as dear, worse).
    assert pareto_front(quality, joules) == [3, 1, 0]
    assert pareto_front([0.5, 0.5], [2.0, 2.0]) == [0, 1]


def test_quality_leaves_out_scenarios_that_are_undefined_for_any_network():
    a = Line("a", tuple(Judged(q, 1, 1, 1, 1) for q in (0.8, 0.9, None)), None, None)
    b = Line("b", tuple(Judged(q, 1, 1, 1, 1) for q in (0.7, None, 0.9)), None, None)
    used = defined_everywhere([a, b])
    assert used.tolist() == [True, False, False]
    assert quality_interval(a, used, 0).mean == pytest.approx(0.8)


def test_a_trade_by_hand_and_its_verdict():
    lines = [line("int8", 0.0, 10.0, net=2.0), line("narrow", 0.008, 5.0, net=1.0)]
    (trade,) = trades(lines, np.ones(6, bool), 0)
    assert (trade.given, trade.taken) == ("int8", "narrow")
    assert trade.quality_lost == pytest.approx((0.008, 0.008, 0.008))
    assert trade.energy_saved[0] == pytest.approx(0.5)
    assert trade.energy_saved_idle_subtracted[0] == pytest.approx(0.5)
    assert trade.holds and trade.holds_surely
    said = statement([trade])
    assert "holds here, within the 95 % intervals for int8 -> narrow" in said
    assert (
        "decision quality by -0.80%" in said
        and "saves 50.0% of the energy, 50.0% above idle" in said
    )


@pytest.mark.parametrize(
    ("lost", "spread", "uj", "holds", "surely"),
    [
        (0.008, 0.02, 5.0, True, False),  # the scenarios differ by more than is left
        (0.012, 0.0, 5.0, False, False),  # gives up too much
        (0.008, 0.0, 7.0, False, False),  # saves too little
        (-0.02, 0.0, 5.0, True, True),  # better and cheaper
    ],
)
def test_what_holds_and_what_does_not(lost, spread, uj, holds, surely):
    lines = [line("a", 0.0, 10.0), line("b", lost, uj, spread=spread)]
    (trade,) = trades(lines, np.ones(6, bool), 0)
    assert (trade.holds, trade.holds_surely) == (holds, surely)
    said = statement([trade])
    assert ("does not hold here: nearest is a -> b" in said) is not holds
    if holds and not surely:
        assert "by the means only" in said


def test_without_a_meter_nothing_is_said_of_the_trade():
    lines = [Line("a", line("a", 0, 1).judged, None, None), line("b", 0.0, 1.0)]
    assert trades(lines, np.ones(6, bool), 0) == []
    assert "cannot be said" in statement([])
