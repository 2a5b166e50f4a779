"""Training a network to decide as another does: quantization-aware, pruned, or narrower.

TensorFlow's model optimisation toolkit does not take Keras 3 models, so the fake quantization is
our own: weights are rounded to int8 by output channel (symmetric, 127 steps) and hidden values to
256 steps of the range that they have on the calibration states, both with a straight-through
gradient. The converter then measures the ranges itself, so what this trains is only weights that
do not mind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from toolchain.errors import InputError
from toolchain.policy.dense import DensePolicy
from toolchain.policy.late_tensorflow import import_tensorflow

_WEIGHT_STEPS = 127.0
_VALUE_STEPS = 255.0


@dataclass(frozen=True)
class DistilKnobs:
    """Everything that can be turned.

    Attributes:
        seed: of new weights and the batches.
        epochs: over the states.
        batch_size: states per step.
        learning_rate: of Adam, falling to zero by a cosine.
        temperature: that softens the teacher's scores, in units of their spread.
        fake_quantization: round weights and hidden values while training.
        pruned_share: of each layer's weights that are set to zero, smallest first.
    """

    seed: int
    epochs: int = 15
    batch_size: int = 256
    learning_rate: float = 1e-3
    temperature: float = 0.5
    fake_quantization: bool = False
    pruned_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.pruned_share < 1.0:
            raise InputError(f"pruned_share {self.pruned_share}, must be at least 0 and below 1")


def distil(
    teacher: DensePolicy,
    states: np.ndarray,
    masks: np.ndarray,
    knobs: DistilKnobs,
    hidden: tuple[int, ...] | None = None,
) -> DensePolicy:
    """Train a network on the teacher's softened choices.

    Args:
        teacher: whose decisions count.
        states: (n, n_in) float32 that it visits.
        masks: (n, n_out) bool.
        knobs: see :class:`DistilKnobs`.
        hidden: widths of a new network; None to start from the teacher's weights.

    Raises:
        InputError: there are no states.
        MissingDependencyError: TensorFlow is not installed.
    """
    if len(states) == 0:
        raise InputError("no states to distil on")
    tensorflow = import_tensorflow()
    tensorflow.keras.utils.set_random_seed(knobs.seed)
    tensorflow.config.experimental.enable_op_determinism()
    first = teacher if hidden is None else _fresh(teacher, hidden, knobs.seed)
    weights = [tensorflow.Variable(weight) for weight in first.weights]
    biases = [tensorflow.Variable(bias) for bias in first.biases]
    keep = [_kept(weight, knobs.pruned_share) for weight in first.weights]
    ranges = _hidden_tops(first, states) if knobs.fake_quantization else None

    def forward(values: Any) -> Any:
        for index, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
            used = weight * keep[index]
            if ranges is not None:
                used = _fake_weights(tensorflow, used)
            values = values @ used + bias
            if index + 1 < len(weights):
                values = tensorflow.nn.relu(values)
                if ranges is not None:
                    values = _fake_values(tensorflow, values, ranges[index])
        return values

    scores = teacher.scores(states)
    spread = float(np.std(scores[masks])) or 1.0
    logits = np.where(masks, scores / (knobs.temperature * spread), -np.inf)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    _fit(tensorflow, forward, [*weights, *biases], spread, states, masks, odds, knobs)
    return DensePolicy(
        tuple((w.numpy() * k).astype(np.float32) for w, k in zip(weights, keep, strict=True)),
        tuple(bias.numpy() for bias in biases),
    )


def _fit(
    tensorflow: Any,
    forward: Callable[[Any], Any],
    variables: list[Any],
    spread: float,
    states: np.ndarray,
    masks: np.ndarray,
    odds: np.ndarray,
    knobs: DistilKnobs,
) -> None:
    batch = min(knobs.batch_size, len(states))
    n_batches = len(states) // batch
    schedule = tensorflow.keras.optimizers.schedules.CosineDecay(
        knobs.learning_rate, knobs.epochs * n_batches
    )
    optimizer = tensorflow.keras.optimizers.Adam(schedule)
    optimizer.build(variables)
    columns = [tensorflow.constant(c, tensorflow.float32) for c in (states, masks, odds)]

    @tensorflow.function
    def epoch(order: Any) -> None:
        for number in tensorflow.range(n_batches):
            part = order[number * batch : (number + 1) * batch]
            rows, allowed, wanted = (tensorflow.gather(column, part) for column in columns)
            with tensorflow.GradientTape() as tape:
                logits = forward(rows) / (knobs.temperature * spread) + (allowed - 1.0) * 1e9
                log_odds = tensorflow.nn.log_softmax(logits)
                loss = -tensorflow.reduce_mean(
                    tensorflow.reduce_sum(wanted * log_odds * allowed, 1)
                )
            gradients = tape.gradient(loss, variables)
            optimizer.apply_gradients(zip(gradients, variables, strict=True))

    rng = np.random.default_rng([knobs.seed, 4])
    for _ in range(knobs.epochs):
        epoch(tensorflow.constant(rng.permutation(len(states))))


def _fresh(teacher: DensePolicy, hidden: tuple[int, ...], seed: int) -> DensePolicy:
    rng = np.random.default_rng([seed, 5])
    widths = (teacher.widths[0], *hidden, teacher.widths[-1])
    weights = [
        (rng.standard_normal((n_in, n_out)) * np.sqrt(2.0 / n_in)).astype(np.float32)
        for n_in, n_out in pairwise(widths)
    ]
    return DensePolicy(
        tuple(weights), tuple(np.zeros(width, dtype=np.float32) for width in widths[1:])
    )


def _kept(weight: np.ndarray, pruned_share: float) -> np.ndarray:
    count = round(pruned_share * weight.size)
    keep = np.ones(weight.size, dtype=np.float32)
    keep[np.argsort(np.abs(weight), axis=None, kind="stable")[:count]] = 0.0
    return keep.reshape(weight.shape)


def _hidden_tops(policy: DensePolicy, states: np.ndarray) -> list[float]:
    """Largest value of each hidden layer on the states."""
    values, tops = np.asarray(states, dtype=np.float32), []
    for weight, bias in zip(policy.weights[:-1], policy.biases[:-1], strict=True):
        values = np.maximum(values @ weight + bias, 0)
        tops.append(float(values.max()) or 1.0)
    return tops


def _fake_weights(tensorflow: Any, weight: Any) -> Any:
    scale = tensorflow.reduce_max(tensorflow.abs(weight), axis=0, keepdims=True) / _WEIGHT_STEPS
    scale = tensorflow.stop_gradient(tensorflow.maximum(scale, 1e-12))
    rounded = tensorflow.round(weight / scale) * scale
    return weight + tensorflow.stop_gradient(rounded - weight)


def _fake_values(tensorflow: Any, values: Any, top: float) -> Any:
    scale = top / _VALUE_STEPS
    clipped = tensorflow.minimum(values, top)
    rounded = tensorflow.round(clipped / scale) * scale
    return clipped + tensorflow.stop_gradient(rounded - clipped)
