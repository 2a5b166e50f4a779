"""Makes float32 networks: the benchmark's shapes, and random ones, for measuring and comparing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite


@dataclass(frozen=True, eq=False)
class FloatDenseSpec:
    """One FULLY_CONNECTED layer."""

    weights: NDArray[np.float32]
    """(n_outputs, n_inputs)."""
    bias: NDArray[np.float32] | None
    """(n_outputs,)."""
    activation: str = "NONE"


def float_network(layers: Sequence[FloatDenseSpec], functions: Sequence[str] = ()) -> bytes:
    """A chain of FULLY_CONNECTED layers, then operators that keep the shape, as a ``.tflite``.

    Args:
        layers: at least one.
        functions: names of operators behind them, such as ``SOFTMAX``.
    """
    tensors = [TensorSpec((1, layers[0].weights.shape[1]), "float32", name="in")]
    operators = []
    source = 0
    for i, layer in enumerate(layers):
        operands = [source, len(tensors)]
        tensors.append(
            TensorSpec(layer.weights.shape, "float32", data=layer.weights, name=f"weights{i}")
        )
        if layer.bias is not None:
            operands.append(len(tensors))
            tensors.append(
                TensorSpec(layer.bias.shape, "float32", data=layer.bias, name=f"bias{i}")
            )
        source = len(tensors)
        tensors.append(TensorSpec((1, len(layer.weights)), "float32", name=f"layer{i}"))
        operators.append(
            OperatorSpec("FULLY_CONNECTED", tuple(operands), (source,), layer.activation)
        )
    for name in functions:
        tensors.append(TensorSpec(tensors[source].shape, "float32", name=name.lower()))
        operators.append(OperatorSpec(name, (source,), (len(tensors) - 1,)))
        source = len(tensors) - 1
    return write_tflite(ModelSpec(tuple(tensors), tuple(operators), (0,), (source,)))


def reference_float_network(widths: Sequence[int], rng: np.random.Generator) -> bytes:
    """A dense network with ReLU between layers, the float32 counterpart of the INT8 benchmark's.

    Args:
        widths: number of values, input first.
        rng: draws weights and biases.
    """
    last = len(widths) - 2
    return float_network(
        [
            FloatDenseSpec(
                rng.normal(0.0, (2.0 / n_in) ** 0.5, (n_out, n_in)).astype(np.float32),
                rng.normal(0.0, 0.1, n_out).astype(np.float32),
                "NONE" if i == last else "RELU",
            )
            for i, (n_in, n_out) in enumerate(pairwise(widths))
        ]
    )
