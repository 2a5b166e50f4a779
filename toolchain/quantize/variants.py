"""Other compressions of a policy, each judged by the same decisions and scenarios."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from toolchain.policy.choice import choose
from toolchain.policy.dense import DensePolicy
from toolchain.policy.validation import Validation
from toolchain.quantize.distil import DistilKnobs, distil
from toolchain.quantize.ordering import narrowed
from toolchain.quantize.post_training import Precision, convert
from toolchain.quantize.quantized import QuantizedPolicy

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
    policy does and then quantized to INT8; ``int16_activations`` is the policy itself with int8
    weights. The figures of all come from TensorFlow Lite Micro, and a board gives the same outputs.

    Args:
        policy: the float policy.
        calibration: (k, n_in) float32 states that set the ranges, and their (k, n_actions) masks.
        states: (n, n_in) float32 states that the policy visits, to train and to compare on.
        masks: (n, n_actions) bool.
        judge: scenarios for the quality.
        seed: of the trainings.
        on_step: called with each variant's name.

    Raises:
        MissingDependencyError: TensorFlow or TensorFlow Lite Micro is not installed.
    """
    half = tuple(max(1, width // 2) for width in policy.widths[1:-1])
    new = DistilKnobs(seed, epochs=60, learning_rate=5e-3, temperature=0.15)
    plans: list[tuple[str, DistilKnobs, tuple[int, ...] | None]] = [
        ("quantization_aware", DistilKnobs(seed, fake_quantization=True), None),
        ("pruned", DistilKnobs(seed, pruned_share=PRUNED_SHARE), None),
        ("narrow", new, half),
    ]
    wanted = choose(policy.scores(states), masks)

    def judged(name: str, model: bytes, extra: dict[str, Any]) -> Variant:
        quantized = QuantizedPolicy(model)
        chosen = choose(quantized.outputs(quantized.quantize(states)), masks)
        summary = {
            "quality": float(judge.quality(quantized).mean()),
            "equal_decisions": float(np.mean(chosen == wanted)),
            "tflite_bytes": len(model),
            "gzip_bytes": len(gzip.compress(model, mtime=0)),
            "ran_by": "tflite-micro",
            **extra,
        }
        return Variant(name, model, summary)

    variants = []
    for name, knobs, hidden in plans:
        on_step(name)
        trained = distil(policy, states, masks, knobs, hidden)
        model = convert(narrowed(trained, *calibration), calibration[0])
        extra: dict[str, Any] = {"widths": list(trained.widths)}
        if name == "pruned":
            extra["zero_weights"] = float(
                np.mean(np.concatenate([w.reshape(-1) for w in trained.weights]) == 0)
            )
        variants.append(judged(name, model, extra))
    on_step("int16_activations")
    model = convert(policy, calibration[0], Precision.INT16_ACTIVATIONS)
    variants.append(judged("int16_activations", model, {"widths": list(policy.widths)}))
    return variants
