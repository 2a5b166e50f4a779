"""The fallback: a much cheaper INT8 network that decides when the board's energy budget is spent.

It is distilled from the policy, on the states that the policy visits and on those that a first
fallback visits itself, because a day that it ends leaves facilities that the policy would not have
left. It takes the policy's own INT8 codes, so that a state is quantized once, whichever network
decides on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from toolchain.board import CostModel, PolicyLimits
from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.errors import ModelError
from toolchain.policy.choice import choose
from toolchain.policy.dense import DensePolicy
from toolchain.policy.sizing import network_cost
from toolchain.policy.validation import Validation
from toolchain.quantize.agreement import visited_states
from toolchain.quantize.distil import DistilKnobs, distil
from toolchain.quantize.ordering import narrowed
from toolchain.quantize.post_training import convert
from toolchain.quantize.quantized import QuantizedPolicy
from toolchain.scenario import Scenario

FALLBACK_HIDDEN: tuple[tuple[int, ...], ...] = ((), (8,))
"""Hidden widths that are tried, the cheapest first."""

LEAST_QUALITY_KEPT = 0.95
"""Share of the policy's validation quality at which the cheapest network is good enough."""

_FIRST_EPOCHS, _EPOCHS = 20, 60


@dataclass(frozen=True)
class Fallback:
    """The network that was chosen.

    Attributes:
        model: the ``.tflite``.
        summary: JSON values: widths, MACs, quality, and what was tried.
    """

    model: bytes
    summary: dict[str, Any]


def make_fallback(
    policy: DensePolicy,
    full: QuantizedPolicy,
    calibration: tuple[np.ndarray, np.ndarray],
    scenarios: Sequence[Scenario],
    judge: Validation,
    seed: int,
) -> Fallback:
    """Distil, quantize and choose the fallback.

    The cheapest that keeps :data:`LEAST_QUALITY_KEPT` of the INT8 policy's validation quality; if
    none does, the best.

    Args:
        policy: whose decisions are learned.
        full: the INT8 policy that it stands in for.
        calibration: (k, n_in) float32, the states that ``full`` was calibrated on, and their
            (k, n_actions) masks.
        scenarios: to visit states in; at least one.
        judge: scenarios for the quality.
        seed: of the trainings.

    Raises:
        ModelError: its input codes would not be those of ``full``.
        MissingDependencyError: TensorFlow is not installed.
    """
    states, masks = visited_states(policy, scenarios)
    wanted = choose(full.outputs(full.quantize(states)), masks)
    full_quality = float(judge.quality(full).mean())
    tried: list[Fallback] = []
    for hidden in FALLBACK_HIDDEN:
        knobs = DistilKnobs(seed, epochs=_FIRST_EPOCHS, learning_rate=5e-3, temperature=0.15)
        first = distil(policy, states, masks, knobs, hidden)
        own_states, own_masks = visited_states(first, scenarios)
        knobs = DistilKnobs(seed, epochs=_EPOCHS, learning_rate=5e-3, temperature=0.15)
        trained = distil(
            policy,
            np.concatenate([states, own_states]),
            np.concatenate([masks, own_masks]),
            knobs,
            hidden,
        )
        model = convert(narrowed(trained, *calibration), calibration[0])
        int8 = QuantizedPolicy(model)
        require_same_edges(full, int8)
        quality = float(judge.quality(int8).mean())
        chosen = choose(int8.outputs(int8.quantize(states)), masks)
        summary: dict[str, Any] = {
            "widths": list(trained.widths),
            "macs": sum(n_in * n_out for n_in, n_out in pairwise(trained.widths)),
            "tflite_bytes": len(model),
            "quality": quality,
            "kept": quality / full_quality,
            "equal_decisions": float(np.mean(chosen == wanted)),
        }
        tried.append(Fallback(model, summary))
        if summary["kept"] >= LEAST_QUALITY_KEPT:
            best = tried[-1]
            break
    else:
        best = max(tried, key=lambda fallback: fallback.summary["quality"])
    full_macs = sum(n_in * n_out for n_in, n_out in pairwise(policy.widths))
    return Fallback(
        best.model,
        best.summary
        | {
            "full_macs": full_macs,
            "full_quality": full_quality,
            "least_quality_kept": LEAST_QUALITY_KEPT,
            "tried": [fallback.summary for fallback in tried],
        },
    )


def limits_beside_fallback(
    limits: PolicyLimits | None, costs: CostModel | None
) -> PolicyLimits | None:
    """What a board's limits leave for the policy, once the largest fallback has its memory.

    None where there are no limits, and the limits themselves where there is no cost model.
    """
    if limits is None or costs is None:
        return limits
    widths = (N_FEATURES, *max(FALLBACK_HIDDEN, key=sum), N_DISPOSITIONS)
    taken = network_cost(widths, costs, clock_hz=1.0)
    return limits.model_copy(
        update={
            "flash_bytes": max(1, limits.flash_bytes - math.ceil(taken.flash_bytes)),
            "ram_bytes": max(1, limits.ram_bytes - math.ceil(taken.ram_bytes)),
        }
    )


def require_same_edges(full: QuantizedPolicy, fallback: QuantizedPolicy) -> None:
    """Refuse a fallback that cannot take the full network's input codes and be chosen from alike.

    Raises:
        ModelError: another number of inputs or outputs, or another input quantization.
    """
    for what in ("n_inputs", "n_outputs", "dtype", "input_scale", "input_zero_point"):
        mine, its = getattr(full, what), getattr(fallback, what)
        if mine != its:
            raise ModelError(
                f"the fallback's {what} is {its}, the policy's is {mine}; they must be equal",
                hint="run 'jouleloop quantize --force', which calibrates both on the same states",
            )
