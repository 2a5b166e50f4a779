"""The comparison as one self-contained HTML page: plots inside, no network."""

from __future__ import annotations

from collections.abc import Mapping
from math import log10
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from host.meter import meter_text
from host.metrics.window import NORMAL_95
from host.report import assumed_text, page_environment, typeset, typeset_spread
from host.report.plots import Plot, Table, axis, joules_axis, label_positions, plot_of_rows, styled
from host.report.theme import LIGHT

ENGINES = {"aot": ("blue", "circle"), "float": ("orange", "diamond"), "tflm": ("purple", "square")}
"""Colour and symbol by engine."""
PLOT_PX = (300, 330)
"""Of accuracy against joules on a phone, without its axes."""
OF = {"total": "board total", "idle_subtracted": "above idle"}


def render(result: Mapping[str, Any]) -> str:
    """The page of a result as in ``comparison.json``."""
    plots: list[Plot] = []
    if result["pareto_front"]:
        plots = [*(_accuracy_against_joules(result, of) for of in OF), _per_correct(result)]
    template = page_environment(Path(__file__).parent).get_template("comparison.html.j2")
    meter = result["meter"]
    return template.render(
        result=result,
        plots=plots,
        meter=meter["reason"] if "reason" in meter else meter_text(meter),
        assumed_text=assumed_text,
    )


def _accuracy_against_joules(result: Mapping[str, Any], of: str) -> Plot:
    figure, told, table = go.Figure(), [], []
    joules = {
        name: entry["energy"]["detail"][f"{of}_j"]
        for name, entry in result["networks"].items()
        if entry["energy"]["detail"].get(f"{of}_j") is not None
    }
    front = result["pareto_front"] if of == "total" else []
    x_range, y_range, positions = _layout(result, joules)
    if front:
        figure.add_scatter(
            x=[1e6 * joules[name] for name in front],
            y=[result["networks"][name]["decision_quality"]["mean"] for name in front],
            mode="lines",
            line={"dash": "dot", "color": LIGHT["muted"], "width": 1.5},
            name="Pareto front",
            hoverinfo="skip",
        )
    engines = dict.fromkeys(result["networks"][name]["engine"] for name in joules)
    for engine in engines:
        colour, symbol = ENGINES[engine]
        names = [name for name in joules if result["networks"][name]["engine"] == engine]
        quality = [result["networks"][name]["decision_quality"] for name in names]
        spreads = [
            NORMAL_95 * result["networks"][name]["energy"]["detail"][f"{of}_uncertainty_j"]
            for name in names
        ]
        figure.add_scatter(
            x=[1e6 * joules[name] for name in names],
            y=[q["mean"] for q in quality],
            error_x={"array": [1e6 * s for s in spreads], "thickness": 1.2, "width": 4},
            error_y={
                "array": [q["high"] - q["mean"] for q in quality],
                "arrayminus": [q["mean"] - q["low"] for q in quality],
                "thickness": 1.2,
                "width": 4,
            },
            mode="markers+text",
            text=[f" {name} " for name in names],
            textposition=[positions[name] for name in names],
            marker={
                "size": 11,
                "color": LIGHT[colour],
                "symbol": [symbol if n in front or not front else f"{symbol}-open" for n in names],
                "line": {"width": 2, "color": LIGHT[colour]},
            },
            name=f"engine {engine}",
            hovertext=[
                f"{n}: {typeset(joules[n], 'J')}, {q['mean']:.4f}"
                for n, q in zip(names, quality, strict=True)
            ],
            hoverinfo="text",
            cliponaxis=False,
        )
        for name, q, spread in zip(names, quality, spreads, strict=True):
            told.append(f"{name} {q['mean']:.4f} at {typeset(joules[name], 'J')}")
            table.append(
                [
                    name,
                    f"{q['mean']:.4f}",
                    f"{q['low']:.4f} to {q['high']:.4f}",
                    typeset(joules[name], "J"),
                    typeset_spread(joules[name], spread, "J"),
                ]
            )
    figure.update_xaxes(**joules_axis(f"energy of one decision, {OF[of]}", *x_range))
    figure.update_yaxes(**axis("decision quality", range=y_range))
    note = (
        f"Quality is the mean over {result['held_out_scenarios']} held-out scenarios; bars are "
        "95 % intervals."
    )
    if front:
        note += (
            " Filled: on the Pareto front, where no other network has at least its quality for at "
            "most its joules."
        )
    return Plot(
        key=of.replace("_", "-"),
        title=f"Accuracy against joules, {OF[of]}",
        label=f"Decision quality against joules of one decision, {OF[of]}: {'; '.join(told)}."
        + (f" On the Pareto front: {', '.join(front)}." if front else ""),
        figure=styled(figure, 440, legend=True),
        height=440,
        table=Table(["network", "decision quality", "95 %", "energy", "95 %"], table),
        provenance=result["energy_provenance"],
        note=note,
    )


def _layout(
    result: Mapping[str, Any], joules: Mapping[str, float]
) -> tuple[tuple[float, float], tuple[float, float], dict[str, str]]:
    """Ranges of both axes, in µJ and in quality, and where each network's label stands."""
    quality = {name: result["networks"][name]["decision_quality"] for name in joules}
    cheapest, dearest = min(joules.values()) * 1e6, max(joules.values()) * 1e6
    room = max(1.6, (dearest / cheapest) ** 0.16)
    low, high = min(q["low"] for q in quality.values()), max(q["high"] for q in quality.values())
    spare = 0.06 * (high - low) or 0.01
    x_range, y_range = (cheapest / room, dearest * room), (low - spare, high + spare)
    decades = log10(x_range[1] / x_range[0])
    places = [
        (
            log10(1e6 * joules[name] / x_range[0]) / decades,
            (quality[name]["mean"] - y_range[0]) / (y_range[1] - y_range[0]),
        )
        for name in joules
    ]
    return (
        x_range,
        y_range,
        dict(zip(joules, label_positions(places, list(joules), PLOT_PX), strict=True)),
    )


def _per_correct(result: Mapping[str, Any]) -> Plot:
    figures = {
        name: entry["joules_per_correct_decision"]["total"]
        for name, entry in result["networks"].items()
    }
    known = {name: figure for name, figure in figures.items() if figure is not None}
    order = sorted(known, key=lambda name: known[name]["value"])
    rows = {name: typeset(known[name]["value"], "J") for name in order}
    figure = go.Figure(
        go.Scatter(
            y=order,
            x=[1e6 * known[name]["value"] for name in order],
            error_x={
                "array": [1e6 * (known[name]["high"] - known[name]["value"]) for name in order],
                "arrayminus": [1e6 * (known[name]["value"] - known[name]["low"]) for name in order],
                "thickness": 1.5,
                "width": 6,
            },
            mode="markers+text",
            text=[f"  {text}" for text in rows.values()],
            textposition="middle right",
            marker={"size": 12, "color": LIGHT["blue"]},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )
    low, high = (f(known[name]["value"] for name in order) * 1e6 for f in (min, max))
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(
        **joules_axis("energy of one correct decision", low / 1.6, high * (high / low) ** 0.3 * 1.6)
    )
    return plot_of_rows(
        figure,
        rows,
        38,
        "Joules of one correct decision, cheapest first",
        key="per-correct",
        title="Joules per correct decision",
        table=Table(
            ["network", "per correct decision", "95 %"],
            [
                [
                    name,
                    rows[name],
                    f"{typeset(known[name]['low'], 'J')} to {typeset(known[name]['high'], 'J')}",
                ]
                for name in order
            ],
        ),
        provenance=result["energy_provenance"],
        note=f"{result['definitions']['joules_per_correct_decision']}. Logarithmic; bars are 95 % "
        "intervals.",
    )
