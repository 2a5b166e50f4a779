"""How figures are written for people: the digits that they deserve, a prefix, a unit."""

from __future__ import annotations

_STEPS = ((1.0, ""), (1e3, "m"), (1e6, "u"), (1e9, "n"))
PREFIXED = ("J", "W", "s", "A")
"""Units that are written with a prefix where the figure is small."""


def format_value(value: float | None, unit: str) -> str:
    """A figure with four digits and its unit, such as ``6.577 uJ``; a dash where there is none."""
    if value is None:
        return "-"
    if unit in PREFIXED:
        scale, prefix = si_prefix(value)
        value, unit = value * scale, f"{prefix}{unit}"
    if unit == "B":
        text = f"{value:,.0f}"
    elif value == 0 or 0.001 <= abs(value) < 100_000:
        text = f"{value:,.4g}"
    else:
        text = f"{value:.3e}"
    return text if unit in ("", "1") else f"{text} {unit}"


def si_prefix(value: float) -> tuple[float, str]:
    """Factor and prefix that bring a value to 1 or above; none for 0, nano for what is smaller."""
    if value == 0:
        return _STEPS[0]
    return next(((f, p) for f, p in _STEPS if abs(value) * f >= 1.0), _STEPS[-1])
