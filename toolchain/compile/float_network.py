"""What a float32 network is, once its ``.tflite`` has been read and checked.

The counterpart of :mod:`toolchain.compile.network` for the float engine: a chain of layers from one
float32 input to one float32 output.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FLOAT_ACTIVATION_RANGES: dict[str, tuple[float, float]] = {
    "NONE": (-np.inf, np.inf),
    "RELU": (0.0, np.inf),
    "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}
"""Lower and upper clamp of an activation that is fused, or an operator of its own."""


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """Base of all layers: one activation in, one out."""

    operator: str
    """Name of the operator in the schema."""
    operator_index: int
    """Position in the file's operator list."""
    n_inputs: int
    n_outputs: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return 0

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights and biases."""
        return 0


@dataclass(frozen=True, eq=False)
class FloatDense(FloatLayer):
    """output = clamp(weights @ input + bias), summed in the order of the inputs."""

    weights: NDArray[np.float32]
    """(n_outputs, n_inputs), finite."""
    bias: NDArray[np.float32]
    """(n_outputs,), finite; zeros where the file has none."""
    activation: str
    """A key of :data:`FLOAT_ACTIVATION_RANGES`."""

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return int(self.weights.size)

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights and biases."""
        return int(self.weights.nbytes + self.bias.nbytes)


@dataclass(frozen=True, eq=False)
class FloatActivation(FloatLayer):
    """RELU or RELU6 as an operator of its own."""


@dataclass(frozen=True, eq=False)
class FloatFunction(FloatLayer):
    """LOGISTIC or TANH of every value."""


@dataclass(frozen=True, eq=False)
class FloatSoftmax(FloatLayer):
    """SOFTMAX over the last axis: exp(beta * (x - max)) / sum."""

    row_length: int
    beta: float
    """Exactly a float32."""

    @property
    def n_rows(self) -> int:
        """Rows that are normalised apart."""
        return self.n_inputs // self.row_length


@dataclass(frozen=True, eq=False)
class FloatNetwork:
    """A chain of layers."""

    name: str
    sha256: str
    """Of the ``.tflite``, in hex."""
    layers: tuple[FloatLayer, ...]
    """In order, at least one; RESHAPE leaves none."""
    tflite_bytes: int

    @property
    def n_inputs(self) -> int:
        """Values of one input row."""
        return self.layers[0].n_inputs

    @property
    def n_outputs(self) -> int:
        """Values of one output row."""
        return self.layers[-1].n_outputs

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights and biases."""
        return sum(layer.constant_bytes for layer in self.layers)
