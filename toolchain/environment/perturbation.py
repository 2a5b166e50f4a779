"""The perturbations of robustness_score: what the node senses, or what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import numpy as np
from scipy import special, stats

from toolchain.environment.features import N_FEATURES, SENSOR_FEATURES
from toolchain.environment.shift import NEW_FAMILY
from toolchain.environment.simulation import ObservationTransform
from toolchain.errors import InputError, ScenarioError
from toolchain.scenario import (
    FAMILIES,
    CircularSupplyChainGenerator,
    Returns,
    Scenario,
    current_value_eur,
    factors,
    whole_number,
)


class Perturbation(StrEnum):
    """The perturbation set of METRICS.md."""

    SENSOR_NOISE = "sensor_noise"
    """White noise on every sensed feature."""
    STUCK_FEATURE = "stuck_feature"
    """One sensed feature never changes again."""
    MISSING_FEATURES = "missing_features"
    """Sensed values get lost at random and read as the middle of their range."""
    CALIBRATION_DRIFT = "calibration_drift"
    """Gain and offset of every sensed feature drift linearly over the horizon."""
    CORRUPTED_CALIBRATION = "corrupted_calibration"
    """Gain and offset of every sensed feature are wrong from the start."""
    SHIFTED_CONDITIONS = "shifted_conditions"
    """The products are worse than those that the policy was made for."""


_WORSE_ABOVE = ("mechanical_wear", "corrosion", "cosmetic_damage", "battery_cycles")
_WORSE_BELOW = ("electronic_health",)


def perturbed(
    scenario: Scenario, name: str, seed: int
) -> tuple[Scenario, ObservationTransform | None]:
    """Apply one perturbation.

    The first five change what is observed and leave the scenario as it is; ``shifted_conditions``
    draws the returns again, with the same seed and a worse condition. Returns of one's own cannot
    be drawn again: each condition moves to a worse quantile of its own column, by as many normal
    scores, so that it stays inside of the range that the table has; so do those of a family that
    :attr:`Shift.NEW_FAMILY` has brought. A transform draws from the seed and the day only, so that
    a replay may resume on any day.

    Args:
        scenario: what is decided.
        name: one of :class:`Perturbation`.
        seed: of the perturbation, at least 0.

    Returns:
        the scenario to decide, and the transform for :class:`Simulation`, or None.

    Raises:
        InputError: an unknown name.
        ScenarioError: the returns are neither those of the scenario's seed nor one's own, or the
            seed is negative.
    """
    seed = whole_number("seed", seed, 0)
    if name not in list(Perturbation):
        raise InputError(
            f"unknown perturbation {name!r}", hint=f"use one of {', '.join(Perturbation)}"
        )
    if name == Perturbation.SHIFTED_CONDITIONS:
        return _shifted(scenario), None
    makers: dict[str, Callable[[int, int], ObservationTransform]] = {
        Perturbation.SENSOR_NOISE: _noise,
        Perturbation.STUCK_FEATURE: _stuck,
        Perturbation.MISSING_FEATURES: _missing,
        Perturbation.CALIBRATION_DRIFT: _drift,
        Perturbation.CORRUPTED_CALIBRATION: _corrupted,
    }
    return scenario, makers[name](seed, scenario.parameters.horizon_days)


def _shifted(scenario: Scenario) -> Scenario:
    shift_sd = factors().perturbation.condition_shift_sd.value
    given = scenario.parameters
    if given.generator == "own":
        return replace(scenario, returns=_worse(scenario.returns, shift_sd))
    own = CircularSupplyChainGenerator(scenario.seed, given).returns_on(scenario.graph)
    returns = scenario.returns
    new = returns.family == FAMILIES.index(NEW_FAMILY)
    if (
        len(own) != len(returns)
        or not (new | (own.mechanical_wear == returns.mechanical_wear)).all()
    ):
        raise ScenarioError(
            f"the returns are not those of seed {scenario.seed}: they cannot be drawn again worse",
            hint='say generator="own" for returns of your own',
        )
    worse = given.model_copy(update={"condition_shift_sd": given.condition_shift_sd + shift_sd})
    drawn = CircularSupplyChainGenerator(scenario.seed, worse).returns_on(scenario.graph)
    if new.any():
        columns = {name: column.copy() for name, column in drawn.columns().items()}
        of_new = {name: column[new] for name, column in returns.columns().items()}
        for name, column in _worse(Returns(**of_new), shift_sd).columns().items():
            columns[name][new] = column
        drawn = Returns(**columns)
    return replace(scenario, parameters=worse, returns=drawn)


def _worse(returns: Returns, shift_sd: float) -> Returns:
    """Every condition at a worse quantile of its own column; the price falls with it."""
    before = {name: getattr(returns, name) for name in (*_WORSE_ABOVE, *_WORSE_BELOW)}
    after = {name: _moved(before[name], shift_sd) for name in _WORSE_ABOVE}
    after |= {name: -_moved(-before[name], shift_sd) for name in _WORSE_BELOW}
    after["battery_cycles"] = np.floor(after["battery_cycles"])

    def value_eur(condition: dict[str, np.ndarray]) -> np.ndarray:
        return current_value_eur(
            np.ones(len(returns)),
            returns.family,
            returns.age_years,
            condition["mechanical_wear"],
            condition["corrosion"],
            condition["electronic_health"],
            condition["cosmetic_damage"],
            condition["battery_cycles"],
        )

    old, new = value_eur(before), value_eur(after)
    left = np.divide(new, old, out=np.zeros_like(new), where=old > 0)
    return replace(returns, current_value_eur=returns.current_value_eur * left, **after)


def _moved(values: np.ndarray, shift_sd: float) -> np.ndarray:
    """Each value's quantile in its column, raised by ``shift_sd`` normal scores."""
    n = len(values)
    share = (stats.rankdata(values) - 0.5) / n
    raised = special.ndtr(special.ndtri(share) + shift_sd)
    moved: np.ndarray = np.maximum(values, np.quantile(values, raised, method="hazen"))
    return moved


def _affine(states: np.ndarray, gain: np.ndarray, offset: np.ndarray) -> np.ndarray:
    seen = states.copy()
    seen[:, :SENSOR_FEATURES] = seen[:, :SENSOR_FEATURES] * gain + offset
    return seen


def _noise(seed: int, horizon_days: int) -> ObservationTransform:
    sd = factors().perturbation.noise_sd.value

    def transform(states: np.ndarray, day: int) -> np.ndarray:
        noise = np.random.default_rng([seed, day]).standard_normal((len(states), SENSOR_FEATURES))
        return _affine(states, np.ones(SENSOR_FEATURES), sd * noise)

    return transform


def _stuck(seed: int, horizon_days: int) -> ObservationTransform:
    rng = np.random.default_rng(seed)
    feature = int(rng.integers(SENSOR_FEATURES))
    value = rng.uniform(-1.0, 1.0)

    def transform(states: np.ndarray, day: int) -> np.ndarray:
        seen = states.copy()
        seen[:, feature] = value
        return seen

    return transform


def _missing(seed: int, horizon_days: int) -> ObservationTransform:
    share = factors().perturbation.missing_share.value

    def transform(states: np.ndarray, day: int) -> np.ndarray:
        lost = np.random.default_rng([seed, day]).random((len(states), N_FEATURES)) < share
        lost[:, SENSOR_FEATURES:] = False
        return np.where(lost, 0.0, states)

    return transform


def _drift(seed: int, horizon_days: int) -> ObservationTransform:
    rng = np.random.default_rng(seed)
    most = factors().perturbation.drift.value
    gain = rng.uniform(-most, most, SENSOR_FEATURES)
    offset = rng.uniform(-most, most, SENSOR_FEATURES)

    def transform(states: np.ndarray, day: int) -> np.ndarray:
        share = day / horizon_days
        return _affine(states, 1.0 + share * gain, share * offset)

    return transform


def _corrupted(seed: int, horizon_days: int) -> ObservationTransform:
    rng = np.random.default_rng(seed)
    gains, offsets = factors().perturbation.corrupt_gain, factors().perturbation.corrupt_offset
    gain = rng.uniform(gains.low, gains.high, SENSOR_FEATURES)
    offset = rng.uniform(offsets.low, offsets.high, SENSOR_FEATURES)
    return lambda states, day: _affine(states, gain, offset)
