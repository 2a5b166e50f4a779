"""A profile on the terminal: one line a layer."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_profile(summary: dict[str, Any], console: Console) -> None:
    """Print what :func:`host.chain.profile` gives."""
    what = summary["counts"]
    table = Table(title=f"{summary['target']}: {what} by layer ({summary['provenance']})")
    table.add_column("layer")
    for heading in (what, "MACs", f"{what}/MAC", "of the minimum", "flash, B"):
        table.add_column(heading, justify="right")
    for layer in summary["layers"]:
        operators = ", ".join(layer["operators"])
        shapes = f"{layer['input_shape']} -> {layer['output_shape']}"
        table.add_row(
            f"{layer['index']} {operators} {shapes}".replace("[", r"\["),
            f"{layer[what]:,}",
            f"{layer['macs']:,}",
            _number(layer[f"{what}_per_mac"]),
            _share(layer["share_of_minimum"]),
            f"{layer['flash_bytes']:,}",
        )
    outside = summary["outside_layers"]
    flash = f"{outside['flash_bytes']:,}"
    table.add_row("entry, input, calls, kernels", f"{outside[what]:,}", "", "", "", flash)
    table.add_section()
    table.add_row(
        "one inference",
        f"{summary[what]['median']:,}",
        f"{summary['macs']:,}",
        _number(summary[f"{what}_per_mac"]),
        _share(summary["minimum"]["share"]),
        f"{summary['flash_bytes']:,}",
    )
    console.print(table)
    readings, minimum = summary["readings"], summary["minimum"]
    lines = [
        f"Kernels {summary['kernels']}, code and weights in {summary['network_memory']}; medians "
        f"of {summary['rows']} inputs, outputs equal to the reference.",
        f"Layers were timed in an image with {readings['count']} readings of the counter, "
        f"which cost {readings[what]:,} {what} by their own measure and were subtracted; "
        f"{readings[f'unexplained_{what}']:+,} {what} are unexplained.",
    ]
    if what == "cycles":
        lines.append(f"Minimum: {minimum['cycles']:,} cycles; {minimum['basis']}.")
    else:
        lines.append("The emulator counts instructions; each may be one off.")
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.0%}"
