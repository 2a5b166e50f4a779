"""Battery life in the terminal: one line a carrier and message policy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from host.metrics.battery import DAILY_BATCH, EVERY_DECISION

OFTEN = {EVERY_DECISION: "each", DAILY_BATCH: "daily"}
"""Message policies, as short as a table wants them."""


def print_battery(life: Mapping[str, Any], console: Console) -> None:
    """Print the lives at the scenario's rate of decisions, and the node that its messages kill.

    Args:
        life: ``battery_life`` of the result.
        console: to print on.
    """
    if not life["cases"]:
        console.print(f"battery life: unavailable, {life['reason']}", markup=False, soft_wrap=True)
        return
    cases = [case for case in life["cases"] if case["duty_cycle"] == "scenario"]
    console.print(
        f"battery life at {cases[0]['decisions_per_day']:.2g} decisions a day, asleep between: "
        f"{life['provenance']} from {life['power_states']} power states, and the assumptions of "
        "battery.toml",
        markup=False,
        soft_wrap=True,
    )
    console.print(_table(cases))
    console.print(life["statement"], markup=False, soft_wrap=True)


def _table(cases: list[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("messages", no_wrap=True)
    cells = list(cases[0]["life_days"])
    for heading in ("J a day", "asleep", "sending", *cells):
        table.add_column(heading, justify="right", no_wrap=True)
    for case in cases:
        energy = case["energy_j_per_day"]
        table.add_row(
            f"{case['carrier']}, {OFTEN[case['policy']]}",
            f"{energy['total']:.4g}",
            f"{energy['sleep'] / energy['total']:.1%}",
            f"{case['communication_share']:.1%}",
            *(f"{case['life_days'][cell]['value']:,.1f} d" for cell in cells),
        )
    return table
