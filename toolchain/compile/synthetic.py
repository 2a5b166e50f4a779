"""Makes quantized networks: the benchmark's, and random ones for every corner of the arithmetic.

Nothing is trained here. The networks serve to measure kernels, and to compare them bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.quantization import INT8_MAX, INT8_MIN
from toolchain.compile.tflite_writer import DenseSpec, dense_network
from toolchain.protocol import Element

REFERENCE_SHAPES: dict[str, tuple[int, ...]] = {
    "S": (16, 32, 16, 4),
    "M": (24, 64, 32, 5),
    "L": (32, 128, 64, 8),
}
"""Widths of the benchmark's dense networks, input first (FACTS.md, section 6)."""

RANDOM_WIDTHS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 64, 100, 128, 255, 256, 640)
"""Widths that random networks draw from: around powers of two, odd ones, and the extremes."""

MAX_RANDOM_WEIGHTS = 40_000
"""Most weights of one random layer."""


def reference_network(
    widths: Sequence[int], rng: np.random.Generator, element: Element = Element.INT8
) -> bytes:
    """A dense network as the converter would make it: ReLU between layers, per-channel scales.

    The output scales suit the random weights, so that codes spread over their range and few
    saturate.

    Args:
        widths: number of values, input first.
        rng: draws weights and biases; equal ones give the same network of either element.
        element: of the activations, INT8 or INT16.
    """
    layers = []
    wide = element is Element.INT16
    # The same ranges in 2^8 times as many steps; ReLU's in half of these, for want of a zero point.
    steps = 256 if wide else 1
    input_scale = scale = 0.02
    for i, (n_inputs, n_outputs) in enumerate(pairwise(widths)):
        step = steps if i == 0 or not wide else steps // 2
        # Weights of variance 2/n keep the spread of activations from layer to layer.
        real = rng.normal(0.0, (2.0 / n_inputs) ** 0.5, (n_outputs, n_inputs))
        weight_scales = np.abs(real).max(axis=1) / INT8_MAX
        bias = np.round(rng.normal(0.0, 10.0, n_outputs) * step / weight_scales)
        last = i == len(widths) - 2
        output_scale = scale * (1.5 if i == 0 else 1.0)
        layers.append(
            DenseSpec(
                weights=np.round(real / weight_scales[:, None]).astype(np.int8),
                bias=bias.astype(np.int64 if wide else np.int32),
                weight_scales=tuple(float(np.float32(s)) for s in weight_scales),
                output_scale=output_scale / (steps if last or not wide else steps / 2),
                output_zero_point=0 if last or wide else INT8_MIN,
                activation="NONE" if last else "RELU",
            )
        )
        scale = output_scale
    return dense_network(input_scale / steps, 0, layers, element.name.lower())


def random_network(rng: np.random.Generator, max_layers: int = 3) -> bytes:
    """A random dense network, seldom a sensible one.

    Shapes come from :data:`RANDOM_WIDTHS`; scales are per tensor or per channel; biases are
    missing, ordinary or large; weights are spread, saturated at both ends, sparse or all equal;
    zero points sit at both ends or anywhere; factors lie from 2^-20 to 2^6; every fused activation
    occurs. Three of four layers have a factor that suits their accumulators, so that outputs carry
    information.

    Args:
        rng: decides everything.
        max_layers: most FULLY_CONNECTED layers.
    """
    n_layers = int(rng.integers(1, max_layers + 1))
    widths = [int(rng.choice(RANDOM_WIDTHS))]
    for _ in range(n_layers):
        fitting = [w for w in RANDOM_WIDTHS if w * widths[-1] <= MAX_RANDOM_WEIGHTS]
        widths.append(int(rng.choice(fitting)))
    input_scale = scale = _log_uniform(rng, 1e-4, 1.0)
    layers: list[DenseSpec] = []
    for n_inputs, n_outputs in pairwise(widths):
        layer = _random_layer(rng, n_inputs, n_outputs, scale)
        scale = layer.output_scale
        layers.append(layer)
    return dense_network(input_scale, _random_zero_point(rng), layers)


def random_wide_network(rng: np.random.Generator, max_layers: int = 3) -> bytes:
    """The same with int16 activations: biases up to 2^46, factors from 2^-33 to 2^6.6.

    Args:
        rng: decides everything.
        max_layers: most FULLY_CONNECTED layers.
    """
    widths = [int(rng.choice(RANDOM_WIDTHS))]
    for _ in range(int(rng.integers(1, max_layers + 1))):
        fitting = [w for w in RANDOM_WIDTHS if w * widths[-1] <= MAX_RANDOM_WEIGHTS]
        widths.append(int(rng.choice(fitting)))
    input_scale = scale = _log_uniform(rng, 1e-6, 1e-2)
    layers: list[DenseSpec] = []
    for n_inputs, n_outputs in pairwise(widths):
        layer = _random_wide_layer(rng, n_inputs, n_outputs, scale)
        scale = layer.output_scale
        layers.append(layer)
    return dense_network(input_scale, 0, layers, "int16")


def _random_wide_layer(
    rng: np.random.Generator, n_inputs: int, n_outputs: int, scale: float
) -> DenseSpec:
    weights = _random_weights(rng, n_outputs, n_inputs)
    spread = float(np.sqrt((weights.astype(np.float64) ** 2).sum(axis=1).mean())) * 19_000.0 + 1.0
    kind = int(rng.choice(3, p=[0.75, 0.15, 0.1]))
    factor = (
        min(25.0, _log_uniform(rng, 2e3, 3e4) / spread),
        _log_uniform(rng, 0.2, 20.0),
        _log_uniform(rng, 2.0**-33, 2.0**-20),
    )[kind]
    output_scale = _log_uniform(rng, 1e-5, 1e-3)
    n_scales = n_outputs if rng.random() < 0.5 else 1
    weight_scales = [factor * output_scale / scale] * n_scales
    if n_scales > 1:
        weight_scales = [w * _log_uniform(rng, 0.25, 4.0) for w in weight_scales]
    bias = None
    if rng.random() < 0.8:
        magnitude = float(rng.choice([spread, 2.0**31, 2.0**40, 2.0**46], p=[0.6, 0.2, 0.1, 0.1]))
        bias = np.round(rng.uniform(-magnitude, magnitude, n_outputs)).astype(np.int64)
    return DenseSpec(
        weights=weights,
        bias=bias,
        weight_scales=tuple(float(np.float32(w)) for w in weight_scales),
        output_scale=output_scale,
        output_zero_point=0,
        activation=str(rng.choice(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"])),
    )


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.float32(np.exp(rng.uniform(np.log(low), np.log(high)))))


def _random_zero_point(rng: np.random.Generator) -> int:
    anywhere = int(rng.integers(INT8_MIN, INT8_MAX + 1))
    return int(rng.choice([INT8_MIN, INT8_MAX, 0, anywhere]))


def _random_output(rng: np.random.Generator) -> tuple[str, int]:
    """A fused activation and a zero point that, mostly, leave the output some range."""
    activation = str(rng.choice(["NONE", "RELU", "RELU6", "RELU_N1_TO_1"]))
    if activation == "NONE" or rng.random() < 0.1:
        return activation, _random_zero_point(rng)
    return activation, int(rng.integers(INT8_MIN, 1)) if rng.random() < 0.5 else INT8_MIN


def _random_weights(rng: np.random.Generator, n_outputs: int, n_inputs: int) -> NDArray[np.int8]:
    shape = (n_outputs, n_inputs)
    spread = rng.integers(INT8_MIN, INT8_MAX + 1, shape)
    saturated = rng.choice([INT8_MIN, -INT8_MAX, INT8_MAX], shape)
    sparse = spread * (rng.random(shape) < 0.1)
    equal = np.broadcast_to(rng.choice([INT8_MIN, INT8_MAX, 0], (n_outputs, 1)), shape)
    choice = int(rng.choice(4, p=[0.5, 0.25, 0.15, 0.1]))
    return (spread, saturated, sparse, equal)[choice].astype(np.int8)


def _random_layer(
    rng: np.random.Generator, n_inputs: int, n_outputs: int, scale: float
) -> DenseSpec:
    weights = _random_weights(rng, n_outputs, n_inputs)
    spread = float(np.sqrt((weights.astype(np.float64) ** 2).sum(axis=1).mean())) * 74.0 + 1.0
    # The factor that suits the accumulators' spread gives outputs all over the range; others
    # saturate, or vanish.
    kind = int(rng.choice(3, p=[0.75, 0.15, 0.1]))
    factor = (
        _log_uniform(rng, 10.0, 120.0) / spread,
        _log_uniform(rng, 1.0, 64.0),
        _log_uniform(rng, 2.0**-20, 2.0**-8),
    )[kind]
    output_scale = _log_uniform(rng, 2e-3, 0.5)
    n_scales = n_outputs if rng.random() < 0.5 else 1
    weight_scales = [factor * output_scale / scale] * n_scales
    if n_scales > 1:
        weight_scales = [w * _log_uniform(rng, 0.25, 4.0) for w in weight_scales]
    bias = None
    if rng.random() < 0.7:
        magnitude = float(rng.choice([spread, 2.0**20], p=[0.9, 0.1]))
        bias = np.round(rng.uniform(-magnitude, magnitude, n_outputs)).astype(np.int32)
    activation, zero_point = _random_output(rng)
    return DenseSpec(
        weights=weights,
        bias=bias,
        weight_scales=tuple(float(np.float32(w)) for w in weight_scales),
        output_scale=output_scale,
        output_zero_point=zero_point,
        activation=activation,
    )
