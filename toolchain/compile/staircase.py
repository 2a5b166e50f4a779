"""Requantization as one clamp and one line, proved equal to the reference code by code.

What follows the accumulator of a dense layer (scale, two roundings, zero point, clamp) is a
staircase: it never falls, and it has at most 256 steps. A core without a 32 x 32 -> 64 multiply
does not have to compute it the way it is defined. With ``a`` the accumulator, cut to where the
staircase rises and counted from there,

    code = (a * high + ((a * low) >> split) + offset) >> 24

takes two multiplications. The line is fitted per output and accepted only when it gives the right
code on both sides of every step, which, as both sides never fall, proves it for every accumulator.

The reference rounds halves away from zero, so the staircase of a layer whose outputs have both
signs bends at accumulator 0: such layers add a second offset below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from toolchain.compile.network import FullyConnected
from toolchain.compile.quantization import Int64Array, divide_by_power_of_two, high_multiply

CODE_BITS = 24
"""Fractional bits of the line: codes are its top eight bits."""

SPLIT = 14
"""Fractional bits of the slope's low part, for staircases that rise within 2^18 accumulators."""

_SLOPE_STEPS = (0, 1, -1, 2, -2, 3, -3, 5, -5, 8, -8)
"""How far from the exact slope, in its last place, the fit looks."""

_INT32 = 2**31
_UNBOUNDED = 2**40


@dataclass(frozen=True, eq=False)
class Staircase:
    """Per output of a layer; every array is (n_outputs,) int64."""

    top: Int64Array
    """Accumulator at which the highest code is reached."""
    width: Int64Array
    """``a`` is clamp(width - (top - accumulator), 0, width)."""
    high: Int64Array
    low: Int64Array
    """Slope: high + low / 2^split, in 2^-24 codes; unsigned 32 bits each."""
    offset: Int64Array
    """Int32; in 2^-24 codes."""
    bend: Int64Array
    """Added below accumulator 0, where ``a`` < ``zero``; int32."""
    zero: Int64Array
    """``a`` of accumulator 0."""
    split: int
    bent: bool
    """Whether any output needs its ``bend``."""

    def codes(self, output: int, accumulators: Int64Array) -> Int64Array:
        """What the emitted operations give for one output, register by register.

        Args:
            output: which.
            accumulators: int32 numbers, bias included.
        """
        width, top = int(self.width[output]), int(self.top[output])
        below = np.maximum(top - accumulators, 0)
        a = np.maximum(width - below, 0)
        line = _line(a, int(self.high[output]), int(self.low[output]), self.split)
        if self.bent:
            line = line + np.where(a < self.zero[output], self.bend[output], 0)
        return _signed(line + self.offset[output]) >> CODE_BITS


def accumulator_range(layer: FullyConnected, low: int, high: int) -> tuple[Int64Array, Int64Array]:
    """Least and greatest accumulator of every output, for inputs in [low, high].

    Returns:
        Two int64 arrays (n_outputs,), not reduced to 32 bits.
    """
    weights = layer.weights.astype(np.int64)
    positive = np.maximum(weights, 0).sum(axis=1)
    negative = np.minimum(weights, 0).sum(axis=1)
    folded = layer.whole_bias
    return folded + positive * low + negative * high, folded + positive * high + negative * low


def fit_staircase(layer: FullyConnected, low: int, high: int) -> Staircase | None:
    """Fit and prove a line for every output.

    Args:
        layer: the layer.
        low: least input code that can occur.
        high: greatest input code that can occur.

    Returns:
        The lines, or ``None`` when an accumulator could leave 32 bits, where the reference wraps
        and is no staircase, or when an output has no line of this form.
    """
    least, greatest = accumulator_range(layer, low, high)
    shifts = np.broadcast_to(layer.shifts, layer.n_outputs).astype(np.int64)
    factors = np.broadcast_to(layer.multipliers, layer.n_outputs).astype(np.int64)
    left = np.maximum(shifts, 0)
    if ((least << left) < -_INT32).any() or ((greatest << left) >= _INT32).any():
        return None
    steps = _steps(layer, factors, shifts, least, greatest)
    fitted: list[tuple[int, ...]] = []
    widths = [_rise(steps[o], least[o], greatest[o], layer)[1] for o in range(layer.n_outputs)]
    split = min(SPLIT, 32 - max(w.bit_length() for w in widths))
    if split < 1:
        return None
    bent = False
    for output in range(layer.n_outputs):
        line = _fit(
            steps[output],
            int(least[output]),
            int(greatest[output]),
            layer,
            float(factors[output]) * 2.0 ** float(shifts[output] - 31),
            split,
        )
        if line is None:
            return None
        bent = bent or line[6] != 0
        fitted.append(line)
    columns = [np.array(column, np.int64) for column in zip(*fitted, strict=True)]
    top, width, high_part, low_part, offset, zero, bend = columns
    return Staircase(top, width, high_part, low_part, offset, bend, zero, split, bent)


def _code(
    accumulators: Int64Array, layer: FullyConnected, factors: Int64Array, shifts: Int64Array
) -> Int64Array:
    """The reference, per row; accumulators (n_outputs, n), factors and shifts (n_outputs, 1)."""
    scaled = high_multiply(accumulators << np.maximum(shifts, 0), factors)
    right = np.maximum(-shifts, 0)
    for exponent in np.unique(right):
        rows = (right == exponent)[:, 0]
        scaled[rows] = divide_by_power_of_two(scaled[rows], int(exponent))
    # A product that saturates wraps when the zero point is added, as in the reference; clamping
    # first would hide it, and it cannot happen within the accumulators that are admitted here.
    return np.clip(scaled + layer.output.zero_point, layer.minimum, layer.maximum)


def _steps(
    layer: FullyConnected,
    factors: Int64Array,
    shifts: Int64Array,
    least: Int64Array,
    greatest: Int64Array,
) -> Int64Array:
    """Least accumulator of every code above the minimum, (n_outputs, codes), by bisection.

    One more than the greatest accumulator stands for a code that is never reached.
    """
    codes = np.arange(layer.minimum + 1, layer.maximum + 1)
    shape = (layer.n_outputs, len(codes))
    below = np.broadcast_to((least - 1)[:, None], shape).copy()
    reached = np.broadcast_to((greatest + 1)[:, None], shape).copy()
    while (reached - below > 1).any():
        middle = (below + reached) >> 1
        # At the ends of the search the middle is a bound itself; those lanes stay as they are.
        is_reached = _code(middle, layer, factors[:, None], shifts[:, None]) >= codes
        open_ = reached - below > 1
        reached = np.where(open_ & is_reached, middle, reached)
        below = np.where(open_ & ~is_reached, middle, below)
    return reached


def _rise(
    steps: Int64Array, least: np.int64, greatest: np.int64, layer: FullyConnected
) -> tuple[int, int]:
    """Where the staircase's rise ends, and how wide it is, within the accumulators that occur."""
    inside = steps[(steps > least) & (steps <= greatest)]
    if not len(inside):
        return int(greatest), 0
    return int(inside[-1]), int(inside[-1] - inside[0] + 1)


def _line(a: Int64Array, high: int, low: int, split: int) -> Int64Array:
    # Both products fit 32 unsigned bits: ``_fit`` has seen to it.
    return a * high + ((a * low) >> split)


def _signed(values: Int64Array) -> Int64Array:
    return ((values + _INT32) & 0xFFFF_FFFF) - _INT32


def _fit(
    steps: Int64Array, least: int, greatest: int, layer: FullyConnected, factor: float, split: int
) -> tuple[int, ...] | None:
    """(top, width, high, low, offset, zero, bend) of one output, or ``None``."""
    codes = np.arange(layer.minimum + 1, layer.maximum + 1, dtype=np.int64)
    first_code = layer.minimum + int((steps <= least).sum())
    inside = (steps > least) & (steps <= greatest)
    if not inside.any():
        return greatest, 0, 0, 0, first_code << CODE_BITS, 0, 0
    steps, codes = steps[inside], codes[inside]
    top, width = int(steps[-1]), int(steps[-1] - steps[0] + 1)
    base = top - width
    # Where the code must have reached ``reached``, and where it must not yet: either side of every
    # step, and both ends, which lines that are steeper than a code per accumulator could leave.
    reached_at = np.append(steps, base)
    reached = np.append(codes, codes[0] - 1) << CODE_BITS
    not_yet_at = np.append(steps - 1, top)
    not_yet = (np.append(codes, codes[-1] + 1) << CODE_BITS) - 1
    exact = round(factor * 2.0 ** (CODE_BITS + split))
    for nudge in _SLOPE_STEPS:
        slope = exact + nudge
        high, low = slope >> split, slope & ((1 << split) - 1)
        if slope <= 0 or width * high >= 2**32:
            continue
        lower = reached - _line(reached_at - base, high, low, split)
        upper = not_yet - _line(not_yet_at - base, high, low, split)
        least_up, most_up = _bounds(lower[reached_at >= 0], upper[not_yet_at >= 0])
        least_down, most_down = _bounds(lower[reached_at < 0], upper[not_yet_at < 0])
        offset, bend = max(least_up, least_down), 0
        if offset > min(most_up, most_down):
            offset, bend = least_up, least_down - least_up
        if bend and (least_up > most_up or least_down > most_down):
            continue
        line = (top, width, high, low, offset, -base, bend)
        if _stays_in_range(line, split):
            return line
    return None


def _bounds(lower: Int64Array, upper: Int64Array) -> tuple[int, int]:
    """Least and greatest offset; wider than 32 bits where nothing bounds it."""
    return (
        int(lower.max()) if len(lower) else -_UNBOUNDED,
        int(upper.min()) if len(upper) else _UNBOUNDED,
    )


def _stays_in_range(line: tuple[int, ...], split: int) -> bool:
    """Whether the line fits 32 signed bits from end to end, and the offsets fit 32 bits."""
    _, width, high, low, offset, _, bend = line
    if not (-_INT32 <= offset < _INT32 and -_INT32 <= bend < _INT32):
        return False
    ends = [
        value + extra
        for value in (offset, int(_line(np.int64(width), high, low, split)) + offset)  # type: ignore[arg-type]
        for extra in (0, bend)
    ]
    return all(-_INT32 <= end < _INT32 for end in ends)
