"""The least that a dense layer can cost on a 32-bit core with one multiplier and no vectors.

Nothing that such a core executes does more than two multiply-accumulates at a time: that is one
multiplication of two packed inputs by two packed weights. Each of these needs its word of weights
loaded and its product added; each output, its start loaded, one multiplication by its scale and one
shift; and every pair of inputs is loaded, every pair of outputs stored, at least once. With one
cycle for each of them this is a bound that no program of this kind reaches: cutting sums to their
upper half, loops, and whatever does not fit the registers come on top.

With int16 activations two products do not fit one multiplication: each has its own, and its own
addition; a word of weights serves four of them, and an output's scale takes two multiplications.
"""

from __future__ import annotations

from toolchain.compile.network import FullyConnected, Layer

BASIS = (
    "one cycle each, on a single-issue 32-bit core: per two MACs one word of weights loaded, one "
    "multiplication (two MACs in one), one addition; per output its start loaded, one "
    "multiplication, one shift; per two inputs one load, per two outputs one store; with int16 "
    "activations, per four MACs one word of weights loaded, per MAC one multiplication and one "
    "addition, per output two multiplications. Dense layers only"
)
"""How the minimum is computed, for people."""


def minimum_cycles(layer: Layer) -> int | None:
    """The minimum of one layer; ``None`` for a layer without multiply-accumulates."""
    if not isinstance(layer, FullyConnected):
        return None
    inputs, outputs = _pairs(layer.n_inputs), _pairs(layer.n_outputs)
    if layer.wide:
        weights = -(-layer.macs // 4)
        return 2 * layer.macs + weights + 4 * layer.n_outputs + inputs + outputs
    return 3 * layer.n_outputs * inputs + 3 * layer.n_outputs + inputs + outputs


def _pairs(n_values: int) -> int:
    return (n_values + 1) // 2
