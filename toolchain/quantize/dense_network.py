"""A dense float network from anywhere: layers with an activation each."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from toolchain.policy.dense import DensePolicy


class Activation(StrEnum):
    """What follows a dense layer."""

    LINEAR = "linear"
    RELU = "relu"
    RELU6 = "relu6"
    SOFTMAX = "softmax"


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """``activation(x @ weight + bias)``.

    Attributes:
        weight: float32 (n_in, n_out).
        bias: float32 (n_out,).
        activation: what follows.
    """

    weight: np.ndarray
    bias: np.ndarray
    activation: Activation

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """(n, n_in) float32 to (n, n_out) float32."""
        result = values @ self.weight + self.bias
        if self.activation == Activation.SOFTMAX:
            odds = np.exp(result - result.max(axis=1, keepdims=True))
            result = odds / odds.sum(axis=1, keepdims=True)
        elif self.activation != Activation.LINEAR:
            top = 6.0 if self.activation == Activation.RELU6 else np.inf
            result = np.clip(result, 0.0, top)
        return result.astype(np.float32)


@dataclass(frozen=True, eq=False)
class DenseNetwork:
    """Layers in order; at least one."""

    layers: tuple[DenseLayer, ...]

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, hidden widths, outputs."""
        return (self.layers[0].weight.shape[0], *(layer.weight.shape[1] for layer in self.layers))

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """(n, n_in) to (n, n_out) float32."""
        values = np.asarray(inputs, dtype=np.float32)
        for layer in self.layers:
            values = layer(values)
        return values

    @classmethod
    def of_policy(cls, policy: DensePolicy) -> DenseNetwork:
        """The same network as a policy: ReLU but for the last layer."""
        last = len(policy.weights) - 1
        return cls(
            tuple(
                DenseLayer(weight, bias, Activation.LINEAR if index == last else Activation.RELU)
                for index, (weight, bias) in enumerate(
                    zip(policy.weights, policy.biases, strict=True)
                )
            )
        )
