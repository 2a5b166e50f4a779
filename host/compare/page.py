"""The comparison as one self-contained HTML page: plots inside, no network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from host.meter import meter_text
from host.metrics.window import NORMAL_95
from host.report import TEMPLATES, assumed_text, format_value
from host.report.page import LAYOUT


def render(result: Mapping[str, Any]) -> str:
    """The page of a result as in ``comparison.json``."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent, TEMPLATES]),
        autoescape=True,
        trim_blocks=True,
    )
    environment.globals |= {
        "format_value": format_value,
        "meter_text": meter_text,
        "assumed_text": assumed_text,
    }
    plots = {}
    if result["pareto_front"]:
        plots = {
            "Accuracy against joules": _accuracy_against_joules(result, "total"),
            "The same above idle": _accuracy_against_joules(result, "idle_subtracted"),
            "Joules per correct decision": _per_correct(result),
        }
    return environment.get_template("comparison.html.j2").render(
        result=result,
        plots={
            title: figure.to_html(full_html=False, include_plotlyjs=False)
            for title, figure in plots.items()
        },
        plotly_js=get_plotlyjs(),
    )


def _accuracy_against_joules(result: Mapping[str, Any], of: str) -> go.Figure:
    figure = go.Figure()
    for name, entry in result["networks"].items():
        quality, detail = entry["decision_quality"], entry["energy"]["detail"]
        if detail.get(f"{of}_j") is None:
            continue
        figure.add_trace(
            go.Scatter(
                x=[1e6 * detail[f"{of}_j"]],
                y=[quality["mean"]],
                error_x={"array": [NORMAL_95 * 1e6 * detail[f"{of}_uncertainty_j"]]},
                error_y={
                    "array": [quality["high"] - quality["mean"]],
                    "arrayminus": [quality["mean"] - quality["low"]],
                },
                mode="markers+text",
                text=[name],
                textposition="top center",
                marker={"size": 10},
                name=f"{name}, {entry['engine']}",
            )
        )
    if of == "total":
        front = [result["networks"][name] for name in result["pareto_front"]]
        figure.add_trace(
            go.Scatter(
                x=[1e6 * entry["energy"]["value"] for entry in front],
                y=[entry["decision_quality"]["mean"] for entry in front],
                mode="lines",
                line={"dash": "dot", "color": "#57606a"},
                name="Pareto front",
            )
        )
    return figure.update_layout(
        **LAYOUT | {"showlegend": True, "height": 460},
        xaxis={"type": "log", "title": "uJ for one decision"},
        yaxis_title="decision quality",
    )


def _per_correct(result: Mapping[str, Any]) -> go.Figure:
    figures = {
        name: entry["joules_per_correct_decision"]["total"]
        for name, entry in result["networks"].items()
    }
    known = {name: figure for name, figure in figures.items() if figure is not None}
    return go.Figure(
        go.Bar(
            x=list(known),
            y=[1e6 * figure["value"] for figure in known.values()],
            error_y={
                "array": [1e6 * (figure["high"] - figure["value"]) for figure in known.values()],
                "arrayminus": [
                    1e6 * (figure["value"] - figure["low"]) for figure in known.values()
                ],
            },
        )
    ).update_layout(**LAYOUT, yaxis={"type": "log", "title": "uJ for one correct decision"})
