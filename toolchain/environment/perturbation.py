"""The perturbations of robustness_score: what the node senses, or what it is handed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import StrEnum

import numpy as np

from toolchain.environment.features import N_FEATURES, SENSOR_FEATURES
from toolchain.environment.simulation import ObservationTransform
from toolchain.errors import InputError, ScenarioError
from toolchain.scenario import CircularSupplyChainGenerator, Scenario


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


NOISE_SD = 0.10
"""Standard deviation of the noise, in units of a feature's half range."""

MISSING_SHARE = 0.15
"""Odds that one sensed value is lost."""

DRIFT = 0.30
"""Largest drift of gain and offset at the end of the horizon."""

CORRUPT_GAIN = (0.6, 1.4)
"""Range of a corrupted gain."""

CORRUPT_OFFSET = 0.25
"""Largest corrupted offset."""

CONDITION_SHIFT_SD = 0.75
"""Shift of the condition, in standard deviations."""


def perturbed(
    scenario: Scenario, name: str, seed: int
) -> tuple[Scenario, ObservationTransform | None]:
    """Apply one perturbation.

    The first five change what is observed and leave the scenario as it is; ``shifted_conditions``
    draws the scenario again, with the same seed, graph and prices and a worse condition. A
    transform draws from the seed and the day only, so that a replay may resume on any day.

    Args:
        scenario: what is decided.
        name: one of :class:`Perturbation`.
        seed: of the perturbation, at least 0.

    Returns:
        the scenario to decide, and the transform for :class:`Simulation`, or None.

    Raises:
        InputError: an unknown name.
        ScenarioError: the scenario was not generated, so it cannot be drawn again.
    """
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
    own = CircularSupplyChainGenerator(scenario.seed, scenario.parameters).generate()
    if not np.array_equal(own.returns.mechanical_wear, scenario.returns.mechanical_wear):
        raise ScenarioError(
            f"the returns are not those of seed {scenario.seed}: they cannot be drawn again worse",
            hint=f"leave {Perturbation.SHIFTED_CONDITIONS} out for returns of your own",
        )
    worse = scenario.parameters.condition_shift_sd + CONDITION_SHIFT_SD
    parameters = scenario.parameters.model_copy(update={"condition_shift_sd": worse})
    drawn = CircularSupplyChainGenerator(scenario.seed, parameters).generate()
    return replace(drawn, regimes=scenario.regimes, outages=scenario.outages)


def _affine(states: np.ndarray, gain: np.ndarray, offset: np.ndarray) -> np.ndarray:
    seen = states.copy()
    seen[:, :SENSOR_FEATURES] = seen[:, :SENSOR_FEATURES] * gain + offset
    return seen


def _noise(seed: int, horizon_days: int) -> ObservationTransform:
    def transform(states: np.ndarray, day: int) -> np.ndarray:
        noise = np.random.default_rng([seed, day]).standard_normal((len(states), SENSOR_FEATURES))
        return _affine(states, np.ones(SENSOR_FEATURES), NOISE_SD * noise)

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
    def transform(states: np.ndarray, day: int) -> np.ndarray:
        lost = np.random.default_rng([seed, day]).random((len(states), N_FEATURES)) < MISSING_SHARE
        lost[:, SENSOR_FEATURES:] = False
        return np.where(lost, 0.0, states)

    return transform


def _drift(seed: int, horizon_days: int) -> ObservationTransform:
    rng = np.random.default_rng(seed)
    gain = rng.uniform(-DRIFT, DRIFT, SENSOR_FEATURES)
    offset = rng.uniform(-DRIFT, DRIFT, SENSOR_FEATURES)

    def transform(states: np.ndarray, day: int) -> np.ndarray:
        share = day / horizon_days
        return _affine(states, 1.0 + share * gain, share * offset)

    return transform


def _corrupted(seed: int, horizon_days: int) -> ObservationTransform:
    rng = np.random.default_rng(seed)
    gain = rng.uniform(*CORRUPT_GAIN, SENSOR_FEATURES)
    offset = rng.uniform(-CORRUPT_OFFSET, CORRUPT_OFFSET, SENSOR_FEATURES)
    return lambda states, day: _affine(states, gain, offset)
