"""How figures are written for people: the digits that they deserve, a prefix, a unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STEPS = ((1.0, ""), (1e3, "m"), (1e6, "u"), (1e9, "n"))
PREFIXED = ("J", "W", "s", "A")
"""Units that are written with a prefix where the figure is small."""


def format_value(value: float | None, unit: str) -> str:
    """A figure with four digits and its unit, such as ``6.577 uJ``; a dash where there is none.

    Whole bytes have all their digits.
    """
    if value is None:
        return "-"
    if unit in PREFIXED:
        scale, prefix = si_prefix(value)
        value, unit = value * scale, f"{prefix}{unit}"
    if unit == "B" and float(value).is_integer():
        text = f"{value:,.0f}"
    elif value == 0 or 0.001 <= abs(value) < 100_000:
        text = f"{value:,.4g}"
    else:
        text = f"{value:.3e}"
    return text if unit in ("", "1") else f"{text} {unit}"


def typeset_spread(value: float, spread: float, unit: str) -> str:
    """Half of an interval with two digits, in the prefix of the value that it is of."""
    scale, prefix = si_prefix(value) if unit in PREFIXED else (1.0, "")
    return f"±\u00a0{spread * scale:.2g}\u00a0{'µ' if prefix == 'u' else prefix}{unit}"


def assumed_text(figure: Mapping[str, Any]) -> str:
    """What an emulator that counts instructions made cycles, time and joules by, in one line."""
    return (
        f"an instruction takes {figure['value']:.4g} cycles ({figure['low']:.4g} to "
        f"{figure['high']:.4g}), which latency and joules are in proportion to; {figure['source']}"
    )


def si_prefix(value: float) -> tuple[float, str]:
    """Factor and prefix that bring a value to 1 or above; none for 0, nano for what is smaller."""
    if value == 0:
        return _STEPS[0]
    return next(((f, p) for f, p in _STEPS if abs(value) * f >= 1.0), _STEPS[-1])


def typeset(value: float | None, unit: str) -> str:
    """The same for a page: a micro sign, and a space that no line is broken at."""
    text, _, of = format_value(value, unit).partition(" ")
    if unit in PREFIXED and of.startswith("u"):
        of = f"µ{of[1:]}"
    return f"{text}\u00a0{of}" if of else text
