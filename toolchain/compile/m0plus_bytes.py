"""Constants and cost of the small Cortex-M0+ kernel, ``firmware/kernels/jl_m0plus_bytes.S``."""

from __future__ import annotations

import numpy as np

from toolchain.compile.cost import Cost
from toolchain.compile.network import FullyConnected
from toolchain.compile.staircase import SPLIT, Staircase

KERNEL_BYTES = 480
"""Code of the kernel, once per image."""

WEIGHT_OFFSET = 128
"""What is added to weights, and by the kernel to inputs."""

_ENTER = 63
_INPUTS = 15
_OUTPUTS = 49
_COLUMNS = 62
_CODE = 21
_BEND = 10


def runs(staircase: Staircase) -> bool:
    """Whether the kernel can compute a layer: its shift is fixed."""
    return staircase.split == SPLIT


def layer_words(layer: FullyConnected, staircase: Staircase) -> list[int]:
    """What the kernel reads, word by word.

    Returns:
        Unsigned 32-bit words: bytes of input and of output, whether staircases bend; per four
        outputs their weights, one byte each to a word, their starts and their lines.
    """
    fours = -(-layer.n_inputs // 4)
    blocks = -(-layer.n_outputs // 4)
    weights = np.full((4 * blocks, 4 * fours), WEIGHT_OFFSET, np.int64)
    weights[: layer.n_outputs, : layer.n_inputs] += layer.weights
    # What the inputs' offset and the weights' offset together add to a sum.
    both = WEIGHT_OFFSET * layer.weights.sum(axis=1, dtype=np.int64)
    starts = np.zeros(4 * blocks, np.int64)
    starts[: layer.n_outputs] = staircase.top - layer.folded_bias + both
    line = [staircase.width << SPLIT | staircase.low, staircase.high, staircase.offset]
    line += [staircase.zero, staircase.bend] if staircase.bent else []
    lines = np.zeros((4 * blocks, len(line)), np.int64)
    lines[: layer.n_outputs] = np.stack(line, axis=1)
    words = [4 * fours, 4 * blocks, int(staircase.bent)]
    for begin in range(0, 4 * blocks, 4):
        rows = weights[begin : begin + 4].astype(np.uint8)
        words += np.ascontiguousarray(rows.T).view("<u4").reshape(-1).tolist()
        words += starts[begin : begin + 4].tolist()
        words += lines[begin : begin + 4].reshape(-1).tolist()
    return [word & 0xFFFF_FFFF for word in words]


def layer_cost(layer: FullyConnected, staircase: Staircase) -> Cost:
    """Cycles of one call, and bytes of the layer's constants."""
    fours = -(-layer.n_inputs // 4)
    blocks = -(-layer.n_outputs // 4)
    cycles = _ENTER + _INPUTS * fours + blocks * (_OUTPUTS + _COLUMNS * fours)
    cycles += 4 * blocks * (_CODE + _BEND * staircase.bent)
    return Cost(cycles, 4 * (3 + 4 * blocks * (fours + 1 + (5 if staircase.bent else 3))))
