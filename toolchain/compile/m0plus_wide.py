"""Constants and cost of the Cortex-M0+ kernel for int16, ``firmware/kernels/jl_m0plus_wide.S``."""

from __future__ import annotations

from toolchain.compile.cost import Cost
from toolchain.compile.network import FullyConnected
from toolchain.compile.wide import BLOCK, block_words, n_blocks, n_pairs

KERNEL_BYTES = 560
"""Code of the kernel, once per image."""

_STEPS = 4
"""Words of inputs in one turn of the inner loop."""

_STEP_BYTES = 52

_ENTER = 61
_PAIR_ONCE = 9
_BLOCK = 151
_PAIR = 29
_TURN = 3


def layer_words(layer: FullyConnected) -> list[int]:
    """What the kernel reads, word by word: unsigned 32-bit numbers."""
    skipped = -n_pairs(layer) % _STEPS
    words = [
        4 * n_pairs(layer),
        4 * -(-layer.n_outputs // 2),
        _STEP_BYTES * skipped,
        layer.maximum,
        layer.maximum - layer.minimum,
        layer.minimum,
        *block_words(layer).tolist(),
    ]
    return [word & 0xFFFF_FFFF for word in words]


def layer_cost(layer: FullyConnected) -> Cost:
    """Cycles of one call, and bytes of the layer's constants."""
    pairs, blocks = n_pairs(layer), n_blocks(layer)
    turns = -(-pairs // _STEPS)
    cycles = _ENTER + _PAIR_ONCE * pairs + blocks * (_BLOCK + _PAIR * pairs + _TURN * turns)
    # The last block of one or two outputs stores one word only.
    cycles -= 8 if 0 < layer.n_outputs % BLOCK <= 2 else 0
    return Cost(cycles, 4 * (6 + blocks * (2 * BLOCK + 2 * pairs)))
