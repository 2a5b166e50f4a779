"""Dense layers of int16 activations: when 32 bits hold a sum, and what is left of its scaling.

The reference sums int8 weights times int16 codes in 64 bits, multiplies by 15 bits and shifts. A
32-bit core need not: where no sum that can occur leaves 32 bits, and the shift is at least
:data:`LEAST_SHIFT`, two 16 x 15 bit products and 32-bit additions give the same code, because the
lower half of the sum reaches the result only through the upper half of its own product
(``jl_wide_scale()`` in ``firmware/kernels/jl_fixed_point.h``). Both are decided here, from the
layer's own weights and biases.

The kernels for one core take four outputs at a time. A word has one weight of each in its bytes;
:func:`block_words` lays it out, and ``firmware/kernels/jl_m0plus_wide.S`` says how the sums come
apart again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.network import FullyConnected
from toolchain.compile.quantization import Int64Array
from toolchain.compile.staircase import accumulator_range

LEAST_SHIFT = 17
"""Of a scaling in 32 bits: below, half a unit is not a whole number of 2^16."""


BLOCK = 4
"""Outputs that the kernels compute at a time."""

WEIGHT_OFFSET = 128
"""What is added to weights, so that bytes are not negative."""


def needs_64_bits(layer: FullyConnected, low: int, high: int) -> bool:
    """Whether 32 bits are not proven to be enough, for input codes in [low, high].

    Sums may wrap on their way: they are counted modulo 2^32, so only where they end matters.
    """
    least, greatest = accumulator_range(layer, low, high)
    fits = (least >= -(2**31)) & (greatest < 2**31) & (layer.right_shifts >= LEAST_SHIFT)
    return not bool(fits.all())


def split_words(values: Int64Array) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """Lower and upper 32 bits of 64-bit numbers."""
    low = (values & 0xFFFF_FFFF).astype(np.uint32)
    return low, (values >> 32).astype(np.int32)


def n_pairs(layer: FullyConnected) -> int:
    """Words of inputs."""
    return -(-layer.n_inputs // 2)


def n_blocks(layer: FullyConnected) -> int:
    """Fours of outputs."""
    return -(-layer.n_outputs // BLOCK)


def block_words(layer: FullyConnected) -> NDArray[np.uint32]:
    """Constants of a layer that :func:`needs_64_bits` does not.

    Returns:
        Per four outputs: what their four gathered sums start at, one word of weights per input of
        the whole words, and a word of scale per output, factor + (shift - 16) * 2^16.
    """
    outputs, inputs = BLOCK * n_blocks(layer), 2 * n_pairs(layer)
    weights = np.full((outputs, inputs), WEIGHT_OFFSET, np.int64)
    weights[: layer.n_outputs, : layer.n_inputs] += layer.weights
    bias = np.zeros(outputs, np.int64)
    bias[: layer.n_outputs] = layer.whole_bias
    scales = np.full(outputs, 1 << 16, np.int64)
    scales[: layer.n_outputs] = layer.factors + ((layer.right_shifts - 16) << 16)
    pieces = []
    for begin in range(0, outputs, BLOCK):
        rows = slice(begin, begin + BLOCK)
        # A gathered sum is its own output's plus 256 times the next one.
        starts = bias[rows].copy()
        for place in reversed(range(BLOCK - 1)):
            starts[place] += starts[place + 1] << 8
        packed = np.ascontiguousarray(weights[rows].T.astype(np.uint8)).view("<u4").reshape(-1)
        pieces += [starts, packed.astype(np.int64), scales[rows]]
    return (np.concatenate(pieces) & 0xFFFF_FFFF).astype(np.uint32)
