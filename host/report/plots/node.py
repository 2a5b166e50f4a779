"""Plots of what the node spends: latency, cycles by layer, memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
from plotly.subplots import make_subplots

from host.report.figures import assumed_text, format_value, typeset
from host.report.plots.plot import Plot, Table, axis, filled, styled
from host.report.theme import LIGHT

BINS = 40
MODES = {"full": ("blue", ""), "fallback": ("orange", "/")}
"""Networks of the image, with a colour and a pattern."""
SECTIONS = {
    "startup": ("grey", ""),
    "text": ("blue", ""),
    "rodata": ("purple", "/"),
    "bss": ("teal", ""),
    "fast code": ("gold", "\\"),
    "network": ("orange", "/"),
    "data image": ("grey", "x"),
    "data": ("grey", "x"),
    "deepest stack": ("red", ""),
}
"""Colours and patterns of a memory's sections."""


def latency(result: Mapping[str, Any], rows: pa.Table) -> Plot | None:
    """Decisions by their on-board time; None where nothing was timed."""
    metric = result["metrics"]["inference_latency"]
    if metric["value"] is None:
        return None
    detail, counted = metric["detail"], result["counts"]
    model = detail.get("cycles_per_instruction")
    us_each = 1e6 / detail["clock_hz"]
    made = rows.filter(rows["cycles"].is_valid())
    modes = np.array(made["mode"].to_pylist())
    times = made["cycles"].to_numpy() * us_each
    edges = np.linspace(0.0, float(times.max()) * 1.05, BINS + 1)
    figure, table = go.Figure(), []
    for mode, (colour, pattern) in MODES.items():
        counts, _ = np.histogram(times[modes == mode], edges)
        if not counts.any():
            continue
        figure.add_bar(
            x=(edges[:-1] + edges[1:]) / 2,
            y=counts,
            width=np.diff(edges),
            marker=filled(colour, pattern),
            name=f"{mode} network",
            hovertemplate="%{y} decisions at about %{x:.3g} µs<extra></extra>",
        )
        table += [
            [mode, f"{low:.4g} to {high:.4g} µs", f"{count:,}"]
            for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
            if count
        ]
    figure.update_xaxes(**axis("time of one decision", ticksuffix=" µs", range=[0, edges[-1]]))
    figure.update_yaxes(**axis("decisions"))
    same = all(len(np.unique(times[modes == mode])) == 1 for mode in set(modes))
    spread = (
        "All decisions of a network take equally long, whatever the product."
        if same
        else f"95 % of the decisions take at most {typeset(detail['p95_s'], 's')}."
    )
    source = (
        f"The board's own cycle count of each decision, at {detail['clock_hz'] / 1e6:g} MHz."
        if model is None
        else f"The emulator counts {counted}; {assumed_text(model)}."
    )
    return Plot(
        key="latency",
        title="On-board time of a decision",
        label=f"Histogram of {len(times)} decisions by on-board time. Median "
        f"{typeset(metric['value'], 's')}, 95th percentile {typeset(detail['p95_s'], 's')}, "
        f"longest {typeset(detail['max_s'], 's')}.",
        figure=styled(figure, 320, legend=True, barmode="stack", bargap=0),
        height=320,
        table=Table(["network", "time", "decisions"], table),
        provenance=metric["provenance"],
        note=f"{source} {spread}",
    )


def layers(entry: Mapping[str, Any]) -> Plot | None:
    """The count of every layer, beside the fewest that there could be; None without figures."""
    if not entry["layers"]:
        return None
    counted = entry["counted"]
    names = [
        f"{layer['index']}: {layer['input_shape'][-1]} → {layer['output_shape'][-1]}"
        for layer in entry["layers"]
    ]
    figure = go.Figure(
        go.Bar(
            y=[*names, "outside the layers"],
            x=[*(layer["count"] for layer in entry["layers"]), entry["outside_layers"]],
            orientation="h",
            marker={"color": [*(LIGHT["blue"] for _ in names), LIGHT["grey"]]},
            text=[
                f"{count:,}"
                for count in (*(x["count"] for x in entry["layers"]), entry["outside_layers"])
            ],
            textposition="outside",
            cliponaxis=False,
            name=counted,
            hovertemplate="%{y}: %{x:,} " + counted + "<extra></extra>",
        )
    )
    minima = [layer["minimum"] for layer in entry["layers"]]
    if any(minima):
        figure.add_scatter(
            y=names,
            x=minima,
            mode="markers",
            marker={
                "symbol": "line-ns-open",
                "size": 20,
                "line": {"width": 3, "color": LIGHT["orange"]},
            },
            name="fewest that a single-issue core could take",
            hovertemplate="%{y}: at least %{x:,}<extra></extra>",
        )
    most = max(layer["count"] for layer in entry["layers"])
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(**axis(f"{counted} of one inference", range=[0, 1.14 * most]))
    height = 130 + 44 * (len(names) + 1)
    return Plot(
        key="layers",
        title=f"{counted.capitalize()} by layer",
        label=f"Bars of the {counted} of each layer: "
        + ", ".join(
            f"layer {n} {x['count']:,}" for n, x in zip(names, entry["layers"], strict=True)
        )
        + f"; outside the layers {entry['outside_layers']:,}; together {entry['whole']:,}.",
        figure=styled(figure, height, legend=True, bargap=0.35),
        height=height,
        table=Table(
            ["layer", "operators", "MACs", counted, "per MAC", "fewest", "flash", "kernel"],
            [
                [
                    name,
                    ", ".join(layer["operators"]).lower().replace("_", " "),
                    f"{layer['macs']:,}",
                    f"{layer['count']:,}",
                    f"{layer['count'] / layer['macs']:.2f}" if layer["macs"] else "-",
                    "-" if layer["minimum"] is None else f"{layer['minimum']:,}",
                    typeset(layer["flash_bytes"], "B"),
                    layer["strategy"],
                ]
                for name, layer in zip(names, entry["layers"], strict=True)
            ],
        ),
        provenance=entry["provenance"],
        note=f"One inference of the full network, {entry['whole']:,} {counted}, {entry['basis']}.",
    )


def memory(metric: Mapping[str, Any]) -> Plot:
    """Flash and RAM by section, and what share of the board's they take."""
    detail = metric["detail"]
    limits = detail["limits"]
    figure = make_subplots(
        rows=1, cols=2, column_widths=[0.72, 0.28], shared_yaxes=True, horizontal_spacing=0.06
    )
    used = {"flash": detail["flash_bytes"], "RAM": detail["ram_bytes"]}
    table: list[list[str]] = []
    told: set[str] = set()
    for region, key in (("flash", "flash_parts"), ("RAM", "ram_parts")):
        left = 0
        for section, n_bytes in detail[key].items():
            colour, pattern = SECTIONS.get(section, ("grey", ""))
            share = n_bytes / limits[f"{region.lower()}_bytes"]
            table.append([region, section, typeset(n_bytes, "B"), f"{share:.2%}"])
            figure.add_bar(
                y=[region],
                x=[n_bytes],
                base=[left],
                orientation="h",
                marker=filled(colour, pattern) | {"line": {"width": 1, "color": LIGHT["paper"]}},
                name=section,
                legendgroup=section,
                showlegend=section not in told,
                text=[section if n_bytes > 0.09 * max(used.values()) else ""],
                textposition="inside",
                insidetextanchor="middle",
                textangle=0,
                insidetextfont={"color": LIGHT["paper"]},
                hovertext=[f"{region}, {section}: {n_bytes:,} B"],
                hoverinfo="text",
                row=1,
                col=1,
            )
            left += n_bytes
            told.add(section)
        limit = limits[f"{region.lower()}_bytes"]
        table.append([region, "of the board's", typeset(limit, "B"), f"{used[region] / limit:.2%}"])
        figure.add_bar(
            y=[region],
            x=[used[region] / limit],
            orientation="h",
            marker={"color": LIGHT["blue"]},
            showlegend=False,
            text=[f"{used[region] / limit:.1%}"],
            textposition="outside",
            cliponaxis=False,
            hovertext=[f"{region}: {used[region]:,} of {limit:,} B"],
            hoverinfo="text",
            row=1,
            col=2,
        )
    figure.update_xaxes(
        **axis("bytes, by section", range=[0, 1.02 * max(used.values())]), row=1, col=1
    )
    figure.update_xaxes(
        **axis("of the board's", range=[0, 1.18], tickvals=[0, 1], tickformat=".0%"),
        row=1,
        col=2,
    )
    figure.add_vline(x=1, line={"color": LIGHT["red"], "width": 2}, row=1, col=2)
    figure.update_yaxes(autorange="reversed")
    stack = detail["ram_parts"].get("deepest stack")
    return Plot(
        key="memory",
        title="Memory by section, against the board's limits",
        label=f"Stacked bars. Flash {used['flash']:,} of {limits['flash_bytes']:,} bytes, RAM "
        f"{used['RAM']:,} of {limits['ram_bytes']:,} bytes; the largest sections are "
        + ", ".join(f"{name} in {region}" for region, name in _largest(detail))
        + ".",
        figure=styled(figure, 280, legend=True, barmode="overlay", bargap=0.3),
        height=280,
        table=Table(["memory", "section", "bytes", "of the board's"], table),
        provenance=metric["provenance"],
        note=f"Sections of the linked program, which the linker holds to the limits; the deepest "
        f"stack is the paint that was gone after the replay: {format_value(stack, 'B')} of the "
        f"{limits['stack_bytes']:,} B that the image reserves, and a lower bound. The red line is "
        "what the board has.",
    )


def _largest(detail: Mapping[str, Any]) -> list[tuple[str, str]]:
    parts = {"flash": detail["flash_parts"], "RAM": detail["ram_parts"]}
    return [(region, max(of, key=lambda name: of[name])) for region, of in parts.items()]
