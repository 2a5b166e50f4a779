"""The power states and the meter that they come from, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from host.report.figures import si_prefix

POWER_STATES = {
    "idle_w": "idle",
    "sleep_w": "asleep",
    "run_w": "deciding",
    "inference_j": "one decision",
    "inference_idle_subtracted_j": "one decision, above idle",
    "wake_up_j": "one wake-up, above sleep",
    "link_j_per_byte": "one byte sent",
}
"""Figures of ``power_states`` in the order that they are shown in, and what they are of."""
EXPANDED = 2
"""Coverage factor of the uncertainties that are shown: about 95 %."""


def uncertain(figure: Mapping[str, Any]) -> str:
    """A figure with its expanded uncertainty, such as ``125 mW +- 1.5``."""
    scale, prefix = si_prefix(figure["value"])
    value, spread = figure["value"] * scale, EXPANDED * figure["uncertainty"] * scale
    return f"{value:.4g} ± {spread:.2g} {prefix}{figure['unit']}"


def print_power(
    states: Mapping[str, Any],
    meter: Mapping[str, Any],
    windows: Mapping[str, int],
    console: Console,
) -> None:
    """Print the power states, what measured them, and how many windows were refused.

    Args:
        states: ``power_states`` of the result.
        meter: ``meter`` of the result.
        windows: ``windows`` of the result: how many were run, and how many refused.
        console: to print on.
    """
    if not any(states[name] for name in POWER_STATES):
        reason = meter.get("reason") or next(iter(states["reasons"].values()))
        console.print(f"power states: unavailable, {reason}", markup=False, soft_wrap=True)
        return
    gain = EXPANDED * meter["accuracy"]["gain_uncertainty"]
    console.print(
        f"power states by {meter['kind']} {meter['serial']}".rstrip()
        + f", {windows['run']} windows, {windows['refused']} refused; ± is twice the standard "
        f"uncertainty (the meter's gain alone: {gain:.2%})",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("state")
    table.add_column("value", justify="right")
    table.add_column("provenance")
    for name, title in POWER_STATES.items():
        figure = states[name]
        if figure is None:
            table.add_row(title, "-", f"unavailable: {states['reasons'][name]}")
        else:
            table.add_row(title, uncertain(figure), figure["provenance"])
    console.print(table)
