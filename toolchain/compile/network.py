"""What a network is, once its ``.tflite`` has been read and checked.

A :class:`Network` is a chain of layers from one int8 input to one int8 output, in the operators'
own terms; nothing in it depends on a core or on C. What is computed, and in which storage, is
decided in :mod:`toolchain.compile.program`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.tables import Table


@dataclass(frozen=True)
class Tensor:
    """An int8 activation: real = scale * (code - zero_point)."""

    name: str
    """As in the file; it may hold any character."""
    shape: tuple[int, ...]
    scale: float
    """Exactly a float32."""
    zero_point: int

    @property
    def n_values(self) -> int:
        """Number of values, which is also the number of bytes."""
        return prod(self.shape)


@dataclass(frozen=True, eq=False)
class Layer:
    """Base of all layers: one activation in, one out."""

    operator: str
    """Name of the operator in the schema, such as ``FULLY_CONNECTED``."""
    operator_index: int
    """Position in the file's operator list."""
    input: Tensor
    output: Tensor

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return 0

    @property
    def weight_bytes(self) -> int:
        """Bytes of int8 weights."""
        return 0


@dataclass(frozen=True, eq=False)
class FullyConnected(Layer):
    """output = clamp(zero_point + scaled(bias + weights @ (input - input zero point)))."""

    weights: NDArray[np.int8]
    """(n_outputs, n_inputs), zero point 0."""
    bias: NDArray[np.int32] | None
    """(n_outputs,)."""
    weight_scales: NDArray[np.float32]
    """(1,) per tensor or (n_outputs,) per channel."""
    multipliers: NDArray[np.int32]
    """Same shape as ``weight_scales``; see :func:`quantization.quantize_multiplier`."""
    shifts: NDArray[np.int8]
    """Same shape as ``weight_scales``; positive to the left."""
    activation: str
    """A key of :data:`quantization.ACTIVATION_RANGES`."""
    minimum: int
    maximum: int
    """Clamp of the output, in codes."""

    @property
    def n_inputs(self) -> int:
        """Length of a row of weights."""
        return int(self.weights.shape[1])

    @property
    def n_outputs(self) -> int:
        """Number of rows of weights."""
        return int(self.weights.shape[0])

    @property
    def per_channel(self) -> bool:
        """Whether every output has a scale of its own."""
        return len(self.multipliers) > 1

    @property
    def macs(self) -> int:
        """Multiply-accumulates."""
        return int(self.weights.size)

    @property
    def weight_bytes(self) -> int:
        """Bytes of int8 weights."""
        return int(self.weights.size)

    @property
    def folded_bias(self) -> NDArray[np.int32]:
        """Bias with the input's zero point worked in: bias - zero_point * sum of the row.

        Exact modulo 2^32, which is how the accumulator counts.
        """
        bias = np.zeros(self.n_outputs, np.int64) if self.bias is None else self.bias
        sums = self.weights.sum(axis=1, dtype=np.int64)
        folded = np.asarray(bias, np.int64) - self.input.zero_point * sums
        return folded.astype(np.uint32).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Elementwise(Layer):
    """output[i] = table[input[i] + 128]: RELU, RELU6, QUANTIZE, LOGISTIC, TANH."""

    table: Table
    """(256,) int8."""


@dataclass(frozen=True, eq=False)
class Softmax(Layer):
    """SOFTMAX over the last axis, to scale 1/256 and zero point -128."""

    beta: float
    exponentials: NDArray[np.int32]
    """Q0.31, see :func:`tables.softmax_exp_table`."""

    @property
    def n_rows(self) -> int:
        """Rows that are normalised apart."""
        return self.input.n_values // self.row_length

    @property
    def row_length(self) -> int:
        """Values in one row."""
        return self.input.shape[-1]


@dataclass(frozen=True, eq=False)
class Reshape(Layer):
    """The same values under another shape; costs nothing."""


@dataclass(frozen=True, eq=False)
class Network:
    """A chain of layers."""

    name: str
    sha256: str
    """Of the ``.tflite``, in hex."""
    layers: tuple[Layer, ...]
    """In order; each one's input is the one before's output. At least one."""
    float_input: bool
    """Whether the file begins with a QUANTIZE of a float32 input, which is left to the host."""
    float_output: bool
    """Whether the file ends with a DEQUANTIZE to a float32 output, which is left to the host."""

    @property
    def input(self) -> Tensor:
        """The int8 tensor that the program reads."""
        return self.layers[0].input

    @property
    def output(self) -> Tensor:
        """The int8 tensor that the program writes."""
        return self.layers[-1].output

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of int8 weights."""
        return sum(layer.weight_bytes for layer in self.layers)
