"""The comparison's figures: joules per correct decision, the Pareto front, and what is traded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from host.compare.quality import Judged
from host.metrics import Interval, bootstrap_interval
from host.metrics.window import NORMAL_95

GIVEN_UP = 0.01
"""Most quality that the article's trade gives up: "1 % of accuracy", as a share of it."""

SAVED = 0.40
"""Least energy that it saves: "40 % of energy"."""

_RESAMPLES = 2_000
_BOOTSTRAP = 0xC0

Bounds = tuple[float, float, float]
"""Value, and the ends of its 95 % interval."""


@dataclass(frozen=True)
class Joules:
    """A figure in J with its standard uncertainty."""

    value: float
    uncertainty: float

    @property
    def bounds(self) -> Bounds:
        """With its 95 % interval."""
        half = NORMAL_95 * self.uncertainty
        return self.value, self.value - half, self.value + half


@dataclass(frozen=True)
class Line:
    """One network's figures that are compared.

    Attributes:
        name: of the network.
        judged: on each scenario; the same scenarios in every line.
        total: J of one decision, board total; None without a meter.
        idle_subtracted: the same above idle; None likewise.
    """

    name: str
    judged: tuple[Judged, ...]
    total: Joules | None
    idle_subtracted: Joules | None


@dataclass(frozen=True)
class Trade:
    """Changing from one network to another.

    Attributes:
        given: name of the network that is left.
        taken: name of the other.
        quality_lost: share of the mean quality, paired over the scenarios; negative is a gain.
        energy_saved: share of a decision's board total.
        energy_saved_idle_subtracted: share of a decision's energy above idle.
    """

    given: str
    taken: str
    quality_lost: Bounds
    energy_saved: Bounds
    energy_saved_idle_subtracted: Bounds | None

    @property
    def holds(self) -> bool:
        """At most 1 % of quality for at least 40 % of energy, by the figures themselves."""
        return self.quality_lost[0] <= GIVEN_UP and self.energy_saved[0] >= SAVED

    @property
    def holds_surely(self) -> bool:
        """The same at the unfavourable ends of both intervals."""
        return self.quality_lost[2] <= GIVEN_UP and self.energy_saved[1] >= SAVED


def defined_everywhere(lines: Sequence[Line]) -> np.ndarray:
    """Bool (scenarios,): where every network's quality is defined."""
    table = [[judged.quality is not None for judged in line.judged] for line in lines]
    return np.all(np.array(table, dtype=bool), axis=0)


def qualities(line: Line, used: np.ndarray) -> np.ndarray:
    """float64 (k,): decision quality on the scenarios that are used."""
    return np.array([j.quality for j, use in zip(line.judged, used, strict=True) if use], float)


def quality_interval(line: Line, used: np.ndarray, seed: int) -> Interval:
    """Mean decision quality with its bootstrap interval over the scenarios."""
    return bootstrap_interval(qualities(line, used), np.random.default_rng([_BOOTSTRAP, seed]))


def correct_share(line: Line, seed: int) -> Bounds:
    """Share of the made decisions that are correct; 95 % bootstrap over the scenarios."""
    counts = np.array([(j.correct, j.decisions) for j in line.judged], dtype=np.float64)
    return _ratio_of_sums(counts, seed)


def agreement(line: Line) -> float:
    """Share of the float policy's states on which the network decides as it does."""
    return sum(j.equal_to_float for j in line.judged) / sum(j.states for j in line.judged)


def joules_per_correct_decision(energy: Joules, correct: Bounds) -> Bounds | None:
    """J of one decision over the share of decisions that are correct.

    What is spent until one correct decision has been made: the wrong ones are paid for too. The
    interval adds the relative ones of both in quadrature. None when no decision is correct.
    """
    share, low, high = correct
    if share <= 0:
        return None
    value = energy.value / share
    relative = NORMAL_95 * energy.uncertainty / energy.value
    below = math.hypot(relative, (high - share) / share)
    above = math.hypot(relative, (share - low) / share)
    return value, value * max(0.0, 1 - below), value * (1 + above)


def trades(lines: Sequence[Line], used: np.ndarray, seed: int) -> list[Trade]:
    """Every change from a network to one that takes less energy, the largest saving first."""
    found = []
    for given, taken in permutations(lines, 2):
        if given.total is None or taken.total is None or taken.total.value >= given.total.value:
            continue
        net = None
        if given.idle_subtracted is not None and taken.idle_subtracted is not None:
            net = _saved(given.idle_subtracted, taken.idle_subtracted)
        pairs = np.column_stack([qualities(taken, used), qualities(given, used)])
        if not pairs[:, 1].any():  # no share of nothing can be given up
            continue
        kept, low, high = _ratio_of_sums(pairs, seed)
        found.append(
            Trade(
                given=given.name,
                taken=taken.name,
                quality_lost=(1 - kept, 1 - high, 1 - low),
                energy_saved=_saved(given.total, taken.total),
                energy_saved_idle_subtracted=net,
            )
        )
    return sorted(found, key=lambda trade: -trade.energy_saved[0])


def statement(found: Sequence[Trade]) -> str:
    """Whether 1 % of accuracy buys 40 % of energy here, in words and figures."""
    claim = f"{GIVEN_UP:.0%} of accuracy for {SAVED:.0%} of energy"
    if not found:
        return f'"{claim}": cannot be said, since no energy was measured'
    holding = [trade for trade in found if trade.holds]
    if not holding:
        cheap = [trade for trade in found if trade.energy_saved[0] >= SAVED]
        nearest = min(cheap, key=lambda trade: trade.quality_lost[0]) if cheap else found[0]
        return f'"{claim}" does not hold here: nearest is {_trade_text(nearest)}'
    surely = [trade for trade in holding if trade.holds_surely]
    if surely:
        names = ", ".join(f"{trade.given} -> {trade.taken}" for trade in surely)
        weight = f"within the 95 % intervals for {names}"
    else:
        weight = "by the means only: no pair keeps both marks at the far ends of its 95 % intervals"
    # Trades are sorted by what they save, so each network's first one saves most.
    largest = {trade.given: trade for trade in reversed(holding)}.values()
    said = "; ".join(_trade_text(trade) for trade in holding if trade in largest)
    return f'"{claim}" holds here, {weight}. The largest saving from each network: {said}'


def _trade_text(trade: Trade) -> str:
    lost, saved, net = trade.quality_lost, trade.energy_saved, trade.energy_saved_idle_subtracted
    return (
        f"{trade.given} -> {trade.taken} changes the decision quality by {-lost[0]:+.2%} "
        f"({-lost[2]:+.2%} to {-lost[1]:+.2%}) and saves {saved[0]:.1%} of the energy"
        + ("" if net is None else f", {net[0]:.1%} above idle")
    )


def _saved(given: Joules, taken: Joules) -> Bounds:
    """1 - taken / given. The meter's gain is common to both; the interval counts it twice all the
    same, and so is too wide rather than too narrow."""
    left = taken.value / given.value
    relative = math.hypot(taken.uncertainty / taken.value, given.uncertainty / given.value)
    half = NORMAL_95 * abs(left) * relative
    return 1 - left, 1 - left - half, 1 - left + half


def _ratio_of_sums(pairs: np.ndarray, seed: int) -> Bounds:
    """Sum of the first column over that of the second, bootstrapped over the rows."""
    rng = np.random.default_rng([_BOOTSTRAP, seed])
    drawn = pairs[rng.integers(len(pairs), size=(_RESAMPLES, len(pairs)))].sum(axis=1)
    low, high = np.percentile(drawn[:, 0] / drawn[:, 1], [2.5, 97.5])
    top, bottom = pairs.sum(axis=0)
    return float(top / bottom), float(low), float(high)
