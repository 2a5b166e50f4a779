"""Other compressions of a policy, each judged by the same decisions and scenarios."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolchain.environment import DayBatch
from toolchain.policy.choice import choose
from toolchain.policy.dense import DensePolicy
from toolchain.policy.validation import Validation
from toolchain.quantize.distil import DistilKnobs, distil
from toolchain.quantize.int8 import Int8Policy
from toolchain.quantize.ordering import narrowed
from toolchain.quantize.post_training import Precision, convert
from toolchain.quantize.runtime import HostModel

PRUNED_SHARE = 0.5
"""Share of the weights that the pruned variant sets to zero."""


@dataclass(frozen=True)
class Variant:
    """One compressed policy.

    Attributes:
        name: what was done.
        model: the ``.tflite``.
        summary: JSON values: quality, agreement, sizes and what ran it.
    """

    name: str
    model: bytes
    summary: dict[str, Any]


class HostPolicy:
    """A ``.tflite`` of any precision as a policy, run by the host's adapter."""

    def __init__(self, model: bytes) -> None:
        self.host = HostModel(model)

    def scores(self, states: np.ndarray) -> np.ndarray:
        """(n, n_in) float32 to (n, n_out) float32."""
        return self.host.scores(states)

    def __call__(self, batch: DayBatch) -> np.ndarray:
        """The policy as the environment's rollout wants it."""
        return choose(self.scores(batch.states), batch.masks)


def make_variants(
    policy: DensePolicy,
    calibration: tuple[np.ndarray, np.ndarray],
    states: np.ndarray,
    masks: np.ndarray,
    judge: Validation,
    seed: int,
    on_step: Callable[[str], None] = lambda name: None,
) -> list[Variant]:
    """Make and judge every variant.

    ``quantization_aware``, ``pruned`` and ``narrow`` (half the widths) are trained to decide as the
    policy does and then quantized to INT8, whose figures come from TensorFlow Lite Micro.
    ``int16_activations`` is not supported by the compiler: it runs on the host only, and its
    figures come from the host's runtime, which its summary names.

    Args:
        policy: the float policy.
        calibration: (k, n_in) float32 states that set the ranges, and their (k, n_actions) masks.
        states: (n, n_in) float32 states that the policy visits, to train and to compare on.
        masks: (n, n_actions) bool.
        judge: scenarios for the quality.
        seed: of the trainings.
        on_step: called with each variant's name.

    Raises:
        MissingDependencyError: TensorFlow or the host's runtime is not installed.
    """
    half = tuple(max(1, width // 2) for width in policy.widths[1:-1])
    new = DistilKnobs(seed, epochs=60, learning_rate=5e-3, temperature=0.15)
    plans: list[tuple[str, DistilKnobs, tuple[int, ...] | None]] = [
        ("quantization_aware", DistilKnobs(seed, fake_quantization=True), None),
        ("pruned", DistilKnobs(seed, pruned_share=PRUNED_SHARE), None),
        ("narrow", new, half),
    ]
    wanted = choose(policy.scores(states), masks)
    variants = []
    for name, knobs, hidden in plans:
        on_step(name)
        trained = distil(policy, states, masks, knobs, hidden)
        model = convert(narrowed(trained, *calibration), calibration[0])
        int8 = Int8Policy(model)
        chosen = choose(int8.outputs(int8.quantize(states)), masks)
        extra: dict[str, Any] = {"widths": list(trained.widths), "ran_by": "tflite-micro"}
        if name == "pruned":
            extra["zero_weights"] = float(
                np.mean(np.concatenate([w.reshape(-1) for w in trained.weights]) == 0)
            )
        variants.append(_variant(name, model, judge.quality(int8), chosen == wanted, extra))
    on_step("int16_activations")
    model = convert(policy, calibration[0], Precision.INT16_ACTIVATIONS)
    wide = HostPolicy(model)
    chosen = choose(wide.scores(states), masks)
    extra = {"widths": list(policy.widths), "ran_by": wide.host.runtime}
    variants.append(
        _variant("int16_activations", model, judge.quality(wide), chosen == wanted, extra)
    )
    return variants


def _variant(
    name: str, model: bytes, quality: np.ndarray, equal: np.ndarray, extra: dict[str, Any]
) -> Variant:
    summary = {
        "quality": float(quality.mean()),
        "equal_decisions": float(equal.mean()),
        "tflite_bytes": len(model),
        "gzip_bytes": len(gzip.compress(model, mtime=0)),
        **extra,
    }
    return Variant(name, model, summary)
