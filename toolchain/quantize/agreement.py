"""How often the quantized policy decides as the float policy does, on states that it visits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from toolchain.environment import DayBatch, rollout
from toolchain.errors import InputError
from toolchain.policy.choice import choose
from toolchain.policy.dense import DensePolicy
from toolchain.quantize.quantized import QuantizedPolicy
from toolchain.scenario import Scenario


def visited_states(
    policy: DensePolicy, scenarios: Sequence[Scenario]
) -> tuple[np.ndarray, np.ndarray]:
    """States and masks that a policy meets when it decides itself.

    Returns:
        (n, n_in) float32 states and (n, n_actions) bool masks, in the order of the visits.

    Raises:
        InputError: there is no scenario.
    """
    if not scenarios:
        raise InputError(
            "no scenario is left whose states the policy could visit",
            hint="train on more scenarios than are kept for calibration",
        )
    states: list[np.ndarray] = []
    masks: list[np.ndarray] = []

    def recorded(batch: DayBatch) -> np.ndarray:
        states.append(batch.states)
        masks.append(batch.masks)
        return policy(batch)

    for scenario in scenarios:
        rollout(scenario, recorded)
    return np.concatenate(states), np.concatenate(masks)


def agreement(
    policy: DensePolicy, quantized: QuantizedPolicy, states: np.ndarray, masks: np.ndarray
) -> dict[str, Any]:
    """Share of equal decisions, and how far inputs were clipped.

    Args:
        policy: the float policy.
        quantized: its counterpart.
        states: (n, n_in) float32, none of which was used for calibration.
        masks: (n, n_actions) bool.

    Returns:
        JSON values: ``states``, ``equal_decisions`` (0-1), ``saturated_inputs`` (0-1).
    """
    inputs = quantized.quantize(states)
    mine = choose(policy.scores(states), masks)
    theirs = choose(quantized.outputs(inputs), masks)
    represented = (inputs.astype(np.float64) - quantized.input_zero_point) * quantized.input_scale
    clipped = np.abs(represented - states) > quantized.input_scale
    return {
        "states": len(states),
        "equal_decisions": float(np.mean(mine == theirs)),
        "saturated_inputs": float(np.mean(clipped)),
    }
