"""What a network is, once its ``.tflite`` has been read and checked.

A :class:`Network` is a chain of layers from one input to one output, in the operators' own terms.
All its activations are int8, or all are int16; its weights are int8 in both cases. Nothing in it
depends on a core or on C. What is computed, and in which storage, is decided in
:mod:`toolchain.compile.program`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.quantization import code_limits, reduced_multiplier
from toolchain.compile.tables import Table
from toolchain.protocol import Element


@dataclass(frozen=True)
class Tensor:
    """An activation: real = scale * (code - zero_point)."""

    name: str
    """As in the file; it may hold any character."""
    shape: tuple[int, ...]
    scale: float
    """Exactly a float32."""
    zero_point: int
    """0 where codes are int16."""
    element: Element
    """INT8 or INT16."""

    @property
    def n_values(self) -> int:
        """Number of values."""
        return prod(self.shape)

    @property
    def n_bytes(self) -> int:
        """Bytes of all values."""
        return self.n_values * self.element.bytes

    @property
    def dtype(self) -> np.dtype[Any]:
        """How numpy calls the codes' type."""
        return np.dtype(self.element.name.lower())

    @property
    def c_type(self) -> str:
        """How C does."""
        return f"{self.dtype}_t"

    @property
    def limits(self) -> tuple[int, int]:
        """Lowest and highest code."""
        return code_limits(self.element)


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
    """output = clamp(zero_point + scaled(bias + weights @ (input - input zero point))).

    Sums of int8 inputs have 32 bits and wrap; those of int16 inputs have 64, and the reader has
    seen to it that they stay within :data:`quantization.SUM_LIMIT`.
    """

    weights: NDArray[np.int8]
    """(n_outputs, n_inputs), zero point 0."""
    bias: NDArray[np.int32] | NDArray[np.int64] | None
    """(n_outputs,); int64 where inputs are int16."""
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
    def wide(self) -> bool:
        """Whether inputs and outputs are int16."""
        return self.input.element is Element.INT16

    @property
    def whole_bias(self) -> NDArray[np.int64]:
        """Bias with the input's zero point worked in: bias - zero_point * sum of the row."""
        bias = np.zeros(self.n_outputs, np.int64) if self.bias is None else self.bias
        sums = self.weights.sum(axis=1, dtype=np.int64)
        return np.asarray(bias, np.int64) - self.input.zero_point * sums

    @property
    def folded_bias(self) -> NDArray[np.int32]:
        """:attr:`whole_bias` modulo 2^32, which is how the accumulator of int8 inputs counts."""
        return self.whole_bias.astype(np.uint32).astype(np.int32)

    @property
    def factors(self) -> NDArray[np.int64]:
        """(n_outputs,) what sums of int16 inputs are multiplied by, before :attr:`right_shifts`."""
        reduced = np.array([reduced_multiplier(int(m)) for m in self.multipliers], np.int64)
        return np.broadcast_to(reduced, self.n_outputs)

    @property
    def right_shifts(self) -> NDArray[np.int64]:
        """(n_outputs,) by how much such a product is shifted to the right, 8 to 46."""
        return np.broadcast_to(15 - self.shifts.astype(np.int64), self.n_outputs)


@dataclass(frozen=True, eq=False)
class Elementwise(Layer):
    """output[i] = table[input[i] + 128]: RELU, RELU6, QUANTIZE, LOGISTIC, TANH of int8."""

    table: Table
    """(256,) int8."""


@dataclass(frozen=True, eq=False)
class Rescale(Layer):
    """output[i] = clamp(scaled(input[i])): RELU, RELU6, QUANTIZE of int16, too wide for tables."""

    multiplier: int
    shift: int
    """See :func:`quantization.quantize_multiplier`; scaled with both roundings."""
    minimum: int
    maximum: int
    """Clamp of the output, in codes."""

    @property
    def only_clamps(self) -> bool:
        """Whether the factor is exactly 1."""
        return (self.multiplier, self.shift) == (2**30, 1)


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
        """The tensor that the program reads."""
        return self.layers[0].input

    @property
    def output(self) -> Tensor:
        """The tensor that the program writes."""
        return self.layers[-1].output

    @property
    def element(self) -> Element:
        """Of all activations."""
        return self.input.element

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(layer.macs for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """Bytes of int8 weights."""
        return sum(layer.weight_bytes for layer in self.layers)
