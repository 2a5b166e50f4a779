"""The comparison in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from host.compare.result import CSV_FILE, PAGE_FILE, RESULT_FILE
from host.meter import meter_text
from host.report import assumed_text, format_value


def print_comparison(result: Mapping[str, Any], path: Path, console: Console) -> None:
    """Print every network's figures, the Pareto front and whether the article's trade holds.

    Args:
        result: as in ``comparison.json``.
        path: folder of its files.
        console: to print on.
    """
    identity = result["identity"]
    latency = next(iter(result["networks"].values()))["latency"]
    meter = result["meter"]
    console.print(
        f"{result['target']}: {identity['board']} {identity['chip_id']} at "
        f"{identity['clock_hz'] / 1e6:g} MHz"
        + (" (outside of the chip's specification)" if identity["outside_specification"] else "")
        + f"; energy {result['energy_provenance']}, memory {result['provenance']}, latency "
        f"{latency['provenance']}, quality modelled over {result['held_out_scenarios']} held-out "
        "scenarios",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        f"meter: {meter['reason']}" if "reason" in meter else f"meter: {meter_text(meter)}",
        markup=False,
        soft_wrap=True,
    )
    assumed = latency["detail"].get("cycles_per_instruction")
    if assumed is not None:
        console.print(assumed_text(assumed), markup=False, soft_wrap=True)
    for table in (_accuracy(result), _energy(result), _costs(result)):
        console.print(table)
        console.print()
    front = " -> ".join(result["pareto_front"]) or "unknown, since no energy was measured"
    console.print(f"Pareto front, from the cheapest: {front}", markup=False, soft_wrap=True)
    console.print(result["statement"], markup=False, soft_wrap=True)
    for what, name in (("result", RESULT_FILE), ("table", CSV_FILE), ("report", PAGE_FILE)):
        console.print(f"{what:<7} {path / name}", markup=False, soft_wrap=True)


def _accuracy(result: Mapping[str, Any]) -> Table:
    table = _table("network", "engine", "quality", "95 % interval", "as float", "correct")
    for name, entry in result["networks"].items():
        quality = entry["decision_quality"]
        table.add_row(
            name,
            entry["engine"],
            f"{quality['mean']:.4f}",
            f"{quality['low']:.4f} .. {quality['high']:.4f}",
            f"{entry['agreement']:.2%}",
            f"{entry['correct_share']['value']:.1%}",
        )
    return table


def _energy(result: Mapping[str, Any]) -> Table:
    table = _table("network", "uJ a decision", "above idle", "uJ per correct decision")
    for name, entry in result["networks"].items():
        energy, per_correct = entry["energy"]["detail"], entry["joules_per_correct_decision"]
        table.add_row(
            name,
            _with_uncertainty(energy, "total"),
            _with_uncertainty(energy, "idle_subtracted"),
            _with_interval(per_correct["total"]),
        )
    return table


def _costs(result: Mapping[str, Any]) -> Table:
    table = _table("network", "median", "p95", "flash", "RAM")
    for name, entry in result["networks"].items():
        latency = entry["latency"]
        table.add_row(
            name,
            f"{1e6 * latency['value']:,.1f} us",
            f"{1e6 * latency['detail']['p95_s']:,.1f} us",
            format_value(entry["flash_bytes"], "B"),
            format_value(entry["ram_bytes"], "B"),
        )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        left = heading in ("network", "engine")
        table.add_column(heading, justify="left" if left else "right", no_wrap=True)
    return table


def _with_uncertainty(energy: Mapping[str, Any], of: str) -> str:
    """uJ and standard uncertainty."""
    if energy.get(f"{of}_j") is None:
        return "-"
    return f"{1e6 * energy[f'{of}_j']:,.4g} +- {1e6 * energy[f'{of}_uncertainty_j']:.2g}"


def _with_interval(bounds: Mapping[str, float] | None) -> str:
    """uJ and its 95 % interval."""
    if bounds is None:
        return "-"
    value, low, high = (1e6 * bounds[end] for end in ("value", "low", "high"))
    return f"{value:,.4g} ({low:,.4g} .. {high:,.4g})"
