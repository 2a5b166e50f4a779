"""Dense layers on the Cortex-M0+ at full speed: two bytes a weight, two multiplications in one.

A layer runs as loops over its outputs, two or four at a time, and each loop's body is straight-line
code over the inputs. Inputs and weights come in pairs (see :mod:`m0plus_blocks`); the sum of an
output counts down from the top of its staircase, so weights are stored negated.

When may the products of two pairs be added before their upper half is taken? Let H be the sum of
the four wanted products and L the sum of the two unwanted ones. The 32-bit sum is L + H * 2^16, and
its upper half, rounded to nearest, is H as long as -2^15 <= L < 2^15 and |H| < 2^15. Both bounds
follow from the weights and the range of the codes, so it is decided here, per output. The same
condition on a single pair says whether a layer can run this way at all: it can unless some output
has the weight -128 for both inputs of a pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from toolchain.compile.cost import Cost
from toolchain.compile.m0plus_blocks import BLOCKS
from toolchain.compile.network import FullyConnected
from toolchain.compile.quantization import Int64Array
from toolchain.compile.staircase import Staircase

Pair = tuple[int, int | None]
"""Indices of the input in the lower and in the upper half; ``None`` where there is no other."""

NEAR_PAIRS = 127
"""Most pairs of a layer's input that lie in the stack frame: 508 bytes, two of which an 8-bit
offset from the stack pointer reaches."""

_HALF = 2**15


@dataclass(frozen=True)
class Place:
    """Where a layer's pairs are, or its codes go."""

    frame_offset: int | None = None
    """Bytes above the stack pointer."""
    symbol: str | None = None
    """Static memory, where there are too many pairs for the frame."""

    @property
    def near(self) -> bool:
        """Whether it is in the frame."""
        return self.frame_offset is not None


@dataclass(frozen=True, eq=False)
class Loop:
    """Outputs that one body computes, ``width`` of them at a time."""

    width: int
    outputs: tuple[int, ...]
    """In the order in which they are computed; a multiple of ``width``."""
    joined: tuple[frozenset[int], ...]
    """Per place in the body: which couples of pairs are added before they are cut."""

    @property
    def count(self) -> int:
        """How often the body runs."""
        return len(self.outputs) // self.width


@dataclass(frozen=True, eq=False)
class PackedLayer:
    """A dense layer, with everything that is known of it at compile time."""

    layer: FullyConnected
    staircase: Staircase
    pairs: tuple[Pair, ...]
    low: int
    """Least and greatest input code that can occur."""
    high: int

    @property
    def words(self) -> NDArray[np.uint32]:
        """(n_outputs, n_pairs): the negated weights of each pair, packed."""
        lower, upper = _halves(self)
        return ((-upper - (lower << 16)) & 0xFFFF_FFFF).astype(np.uint32)

    def couples_joined(self) -> NDArray[np.bool_]:
        """(n_outputs, n_pairs // 2): whether two neighbouring pairs may be added first."""
        whole = len(self.pairs) // 2 * 2
        return _fits(self, whole, 2)

    def runs(self) -> bool:
        """Whether every single product is safe."""
        return bool(_fits(self, len(self.pairs), 1).all())


def _halves(packed: PackedLayer) -> tuple[Int64Array, Int64Array]:
    weights = packed.layer.weights.astype(np.int64)
    lower = np.stack([weights[:, low] for low, _ in packed.pairs], axis=1)
    zero = np.zeros(packed.layer.n_outputs, np.int64)
    upper = np.stack([zero if h is None else weights[:, h] for _, h in packed.pairs], axis=1)
    return lower, upper


def _fits(packed: PackedLayer, n_pairs: int, group: int) -> NDArray[np.bool_]:
    """Whether ``group`` neighbouring products can be added and cut together, per output."""
    lower, upper = (-half[:, :n_pairs] for half in _halves(packed))
    shape = (packed.layer.n_outputs, n_pairs // group, group)

    def bounds(weights: Int64Array) -> tuple[Int64Array, Int64Array]:
        ends = np.stack([weights * packed.low, weights * packed.high])
        return (
            ends.min(axis=0).reshape(shape).sum(axis=2),
            ends.max(axis=0).reshape(shape).sum(axis=2),
        )

    # The unwanted product is the lower input by the upper weight.
    unwanted_low, unwanted_high = bounds(upper)
    first, last = (a + b for a, b in zip(bounds(lower), bounds(upper), strict=True))
    return np.asarray(
        (unwanted_low >= -_HALF)
        & (unwanted_high < _HALF)
        & (np.minimum(first, last) > -_HALF)
        & (np.maximum(first, last) < _HALF)
    )


def byte_pairs(n_inputs: int) -> tuple[Pair, ...]:
    """Pairs of inputs that come as bytes: of every four, 0 with 2 and 1 with 3."""
    pairs: list[Pair] = []
    for base in range(0, n_inputs, 4):
        for low, high in ((base, base + 2), (base + 1, base + 3)):
            if low < n_inputs:
                pairs.append((low, high if high < n_inputs else None))
    return tuple(pairs)


def output_pairs(loops: Sequence[Loop]) -> tuple[Pair, ...]:
    """Pairs that a layer leaves for the next one."""
    order = [output for loop in loops for output in loop.outputs]
    return tuple(
        (order[i], order[i + 1] if i + 1 < len(order) else None) for i in range(0, len(order), 2)
    )


def plan_loops(
    packed: PackedLayer, source: Place, *, to_bytes: bool, cycles_per_byte: float
) -> tuple[Loop, ...]:
    """Choose how many outputs go at a time, and which products are added first.

    Args:
        packed: the layer.
        source: where its inputs are.
        to_bytes: whether it ends a chain, so that outputs must be computed in their own order.
        cycles_per_byte: what a byte of code is worth.
    """
    joined = packed.couples_joined()
    order = list(range(packed.layer.n_outputs)) if to_bytes else _easiest_first(joined)
    whole = len(order) // 2 * 2

    def price(loops: tuple[Loop, ...]) -> float:
        cost = estimate(packed, loops, source, to_bytes)
        return cost.cycles + cycles_per_byte * cost.n_bytes

    candidates = [_loops(order, whole, joined)]
    if source.near:
        candidates += [_loops(order, twos, joined) for twos in range(0, whole, 2)]
    return min(candidates, key=price)


def _easiest_first(joined: NDArray[np.bool_]) -> list[int]:
    """Outputs such that those in front have as many common joined couples as possible."""
    left = list(range(len(joined)))
    common = np.ones(joined.shape[1], bool)
    order = []
    while left:
        chosen = max(left, key=lambda o: (int((common & joined[o]).sum()), -o))
        common &= joined[chosen]
        order.append(chosen)
        left.remove(chosen)
    return order


def _loops(order: list[int], twos: int, joined: NDArray[np.bool_]) -> tuple[Loop, ...]:
    """The first ``twos`` outputs two at a time, the others four at a time, then what is left."""
    fours = (len(order) - twos) // 4 * 4
    whole = len(order) // 2 * 2
    cuts = [
        (2, order[:twos]),
        (4, order[twos : twos + fours]),
        (2, order[twos + fours : whole]),
        (1, order[whole:]),
    ]
    return tuple(_loop(width, outputs, joined) for width, outputs in cuts if outputs)


def _loop(width: int, outputs: list[int], joined: NDArray[np.bool_]) -> Loop:
    if width == 4:
        return Loop(width, tuple(outputs), (frozenset(),) * 4)
    places = tuple(
        frozenset(np.flatnonzero(joined[outputs[place::width]].all(axis=0)).tolist())
        for place in range(width)
    )
    return Loop(width, tuple(outputs), places)


def estimate(packed: PackedLayer, loops: Sequence[Loop], source: Place, to_bytes: bool) -> Cost:
    """Cost of a layer's loops, less what all choices have in common; quicker than writing them."""
    couples, odd = divmod(len(packed.pairs), 2)
    load = Cost(2, 2)
    total = Cost()
    for loop in loops:
        store = BLOCKS[f"jl_{'put' if to_bytes else 'pack'}{loop.width}"].cost
        bent = "bent_" if packed.staircase.bent else ""
        code = BLOCKS[f"jl_{bent}code{4 if loop.width == 4 else 2}"].cost
        if loop.width == 4:
            columns = len(packed.pairs) * (load + BLOCKS["jl_column4"].cost)
        else:
            if not source.near:
                once = BLOCKS["jl_inputs2"].cost + loop.width * BLOCKS["jl_far2"].cost
            elif loop.width == 2:
                once = load + load + BLOCKS["jl_weights2"].cost + BLOCKS["jl_products2"].cost
            else:
                once = load + load + BLOCKS["jl_columns1"].cost
            joined = sum(map(len, loop.joined))
            columns = couples * once + joined * BLOCKS["jl_joined"].cost
            columns += (couples * loop.width - joined) * BLOCKS["jl_apart"].cost
            columns += odd * (load + BLOCKS[f"jl_last_column{loop.width}"].cost)
        body = columns + loop.width * code + store + Cost(1 + loop.width, 2)
        around = Cost(4, 14) if loop.count > 1 else Cost()
        total += Cost(loop.count * (body.cycles + around.cycles), body.n_bytes + around.n_bytes)
    return total
