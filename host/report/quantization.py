"""The quantization report in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_quantization(summary: Mapping[str, Any], console: Console) -> None:
    """Print ranges and saturation by layer, and where agreement is lost."""
    quality = summary["quality"]
    console.print(
        f"{summary['method']}: {summary['equal_decisions']:.2%} of {summary['states']:,} decisions "
        f"equal, quality {quality['int8']:.4f} of {quality['float']:.4f} float "
        f"({quality['kept']:.2%} kept) on {quality['scenarios']} validation scenarios",
        markup=False,
    )
    table = Table(box=None, pad_edge=False)
    for name in ("layer", "seen", "representable", "step", "saturated", "equal alone"):
        table.add_column(name, justify="left" if name == "layer" else "right")
    report = summary["report"]
    rows = [("input", report["input"])]
    rows += [
        (f"dense {i} {layer['shape'][0]}x{layer['shape'][1]}", layer)
        for i, layer in enumerate(report["layers"])
    ]
    for name, entry in rows:
        table.add_row(
            name,
            f"{entry['seen_min']:.3g} .. {entry['seen_max']:.3g}",
            f"{entry['representable_min']:.3g} .. {entry['representable_max']:.3g}",
            f"{entry['scale']:.3g}",
            f"{entry['saturated']:.3%}",
            f"{entry['equal_decisions_alone']:.2%}",
        )
    console.print(table)
    changed = ", ".join(f"{pair} {count}" for pair, count in report["changed"].items())
    console.print(f"changed     {changed or 'none'}", markup=False)
    if report["near_ties"] is not None:
        console.print(
            f"near ties   {report['near_ties']:.0%} of the changed decisions are within two steps "
            "of the output"
        )
    for name, variant in summary.get("variants", {}).items():
        console.print(
            f"{name:20s} quality {variant['quality']:.4f}, equal {variant['equal_decisions']:.2%}, "
            f"{variant['tflite_bytes']:,} B, widths {variant['widths']}, by {variant['ran_by']}",
            markup=False,
        )
