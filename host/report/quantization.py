"""The quantization report in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_quantization(summary: Mapping[str, Any], console: Console) -> None:
    """Print ranges and saturation by layer, and where agreement is lost."""
    if summary["method"] == "given":
        fallback = summary["fallback"]
        console.print(
            f"given: {summary['model_bytes']:,} B, {summary['macs']:,} MACs; fallback "
            f"{fallback['tflite_bytes']:,} B, {fallback['macs']:,} MACs. Nothing was quantized here"
        )
        return
    quality = summary["quality"]
    console.print(
        f"{summary['method']}: {summary['equal_decisions']:.2%} of {summary['states']:,} decisions "
        f"equal, quality {quality['int8']:.4f} of {quality['float']:.4f} float "
        f"({quality['kept']:.2%} kept) on {quality['scenarios']} validation scenarios",
        markup=False,
    )
    limits = summary["limits"]
    console.print(
        f"limits      at least {limits['least_equal_decisions']:.0%} equal and "
        f"{limits['least_quality_kept']:.0%} of the quality kept: "
        f"{'met' if limits['met'] else 'NOT MET; try --method quantization-aware'}",
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
    fallback = summary["fallback"]
    console.print(
        f"fallback    widths {fallback['widths']}, {fallback['macs']:,} of the policy's "
        f"{fallback['full_macs']:,} MACs, quality {fallback['quality']:.4f} of "
        f"{fallback['full_quality']:.4f} ({fallback['kept']:.2%} kept), equal "
        f"{fallback['equal_decisions']:.2%}",
        markup=False,
    )
    if summary.get("variants"):
        console.print()
        console.print(_variants_table(summary))
        runtimes = sorted({variant["ran_by"] for variant in summary["variants"].values()})
        console.print(f"run by {', '.join(runtimes)}", markup=False)


def _variants_table(summary: Mapping[str, Any]) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("variant")
    for title in ("quality", "kept", "equal", "size (B)", "gzip (B)", "widths"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, variant in summary["variants"].items():
        table.add_row(
            name,
            f"{variant['quality']:.4f}",
            f"{variant['quality'] / summary['quality']['float']:.2%}",
            f"{variant['equal_decisions']:.2%}",
            f"{variant['tflite_bytes']:,}",
            f"{variant['gzip_bytes']:,}",
            "-".join(map(str, variant["widths"])),
        )
    return table
