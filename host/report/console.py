"""The result in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULT_FILE = "result.json"
REPORT_FILE = "report.html"


def format_value(value: float | None, unit: str) -> str:
    """A figure with the digits that it deserves, and its unit; a dash where there is none."""
    if value is None:
        return "-"
    if unit == "B":
        text = f"{value:,.0f}"
    elif value == 0 or 0.001 <= abs(value) < 100_000:
        text = f"{value:,.4g}"
    else:
        text = f"{value:.3e}"
    return text if unit in ("", "1") else f"{text} {unit}"


def print_result(result: Mapping[str, Any], folder: Path, console: Console) -> None:
    """Print the metrics, the composite, the baselines and where the files are."""
    identity = result["identity"]
    console.print(
        f"{result['target']}: {identity['board']} {identity['chip_id']}, engine "
        f"{identity['engine']}, model {identity['model_sha256'][:12]}, image "
        f"{identity['image_sha256'][:12]}, {identity['clock_hz'] / 1e6:g} MHz",
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
