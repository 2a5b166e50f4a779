"""The result in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from host.report.battery import print_battery
from host.report.figures import assumed_text, format_value
from host.report.power import print_power
from host.result import RESULT_FILE

REPORT_FILE = "report.html"
ENERGY_SAVING_ROWS = ("full_only", "fallback_only", "as_decided")
"""Entries of ``energy_saving`` that are shown, in order."""


def print_result(result: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Print the metrics, the composite, the baselines and where the files are."""
    identity = result["identity"]
    console.print(
        f"{result['target']}: {identity['board']} {identity['chip_id']}, engine "
        f"{identity['engine']}, model {identity['model_sha256'][:12]}, image "
        f"{identity['image_sha256'][:12]}, {identity['clock_hz'] / 1e6:g} MHz"
        + (" (outside of the chip's specification)" if identity["outside_specification"] else ""),
        markup=False,
    )
    table = Table(box=None, pad_edge=False)
    table.add_column("metric")
    table.add_column("value", justify="right")
    table.add_column("provenance")
    for name, metric in result["metrics"].items():
        table.add_row(name, format_value(metric["value"], metric["unit"]), metric["provenance"])
    for name in ("composite", "composite_log"):
        score = result[name]
        table.add_row(name, format_value(score["value"], ""), score["provenance"], style="bold")
    console.print(table)
    assumed = result["metrics"]["inference_latency"]["detail"].get("cycles_per_instruction")
    if assumed is not None:
        console.print(assumed_text(assumed), markup=False, soft_wrap=True)

    console.print()
    console.print(_energy_saving(result["energy_saving"]))
    console.print(budget_text(result["energy_saving"]), markup=False, soft_wrap=True)
    console.print()
    print_power(result["power_states"], result["meter"], result["windows"], console)
    console.print()
    print_battery(result["battery_life"], console)

    baselines = Table(box=None, pad_edge=False)
    baselines.add_column("policy")
    baselines.add_column("value (EUR)", justify="right")
    baselines.add_column("decision quality", justify="right")
    for name, entry in result["baselines"].items():
        baselines.add_row(
            name, f"{entry['value_eur']:,.0f}", format_value(entry["decision_quality"], "")
        )
    console.print()
    console.print(baselines)
    console.print()
    console.print(f"result  {folder / 'report' / RESULT_FILE}", markup=False, soft_wrap=True)
    console.print(f"report  {folder / 'report' / REPORT_FILE}", markup=False, soft_wrap=True)


def _energy_saving(saving: Mapping[str, Any]) -> Table:
    """Both networks alone, and as the energy budget mixed them."""
    table = Table(box=None, pad_edge=False)
    table.add_column("network")
    for heading in ("decision quality", "energy per decision", "decided by"):
        table.add_column(heading, justify="left" if heading == "decided by" else "right")
    for name in ENERGY_SAVING_ROWS:
        entry = saving[name]
        table.add_row(
            name.replace("_", " "),
            format_value(entry["decision_quality"], ""),
            format_value(entry["energy_per_decision_j"], "J"),
            entry["decided_by"],
        )
    return table


def budget_text(saving: Mapping[str, Any]) -> str:
    """One sentence on the energy budget and how often it was reached."""
    limit = saving["budget_j_per_decision_cycle"]
    if limit is None:
        return "no energy budget: the full network decided everything"
    share = saving["as_decided"]["decisions"]["fallback"] / max(
        1, sum(saving["as_decided"]["decisions"].values())
    )
    per_cycle, source = saving["energy_j_per_cycle"], saving.get("energy_j_per_cycle_source")
    booked = "" if per_cycle is None else f", {format_value(per_cycle, 'J')} a cycle"
    booked += f" ({source})" if source else ""
    return (
        f"budget {format_value(limit, 'J')} for each decision cycle (a day), reached in "
        f"{saving['decision_cycles_at_the_budget']} of {saving['decision_cycles']}; the fallback "
        f"made {share:.1%} of the decisions{booked}"
    )
