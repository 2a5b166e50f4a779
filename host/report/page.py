"""The result as one self-contained HTML page: plots inside, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from host.report.console import ENERGY_SAVING_ROWS, budget_text
from host.report.figures import format_value
from host.report.power import POWER_STATES, uncertain

TEMPLATES = Path(__file__).parent
LAYOUT = {
    "template": "plotly_white",
    "height": 340,
    "margin": {"l": 60, "r": 20, "t": 30, "b": 60},
    "showlegend": False,
}


def render(
    result: Mapping[str, Any], latency_us: Sequence[float], windows: Sequence[Mapping[str, Any]]
) -> str:
    """The page.

    Args:
        result: as in ``result.json``.
        latency_us: on-board time of each decision, in us.
        windows: energy windows as mappings (kind, mode, iterations, elapsed_s, energy_j, accepted).
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True
    )
    environment.globals["format_value"] = format_value
    environment.globals["budget_text"] = budget_text
    environment.globals["uncertain"] = uncertain
    environment.globals["power_states"] = POWER_STATES
    environment.globals["energy_saving_rows"] = ENERGY_SAVING_ROWS
    plots = {
        "Decision quality beside the baselines": _baselines(result["baselines"]),
        "On-board latency of a decision": _latency(latency_us),
        "Energy windows": _windows(windows),
        "Flash and RAM": _memory(result["metrics"]["memory_footprint"]["detail"]),
    }
    return environment.get_template("page.html.j2").render(
        result=result,
        refused=[window for window in windows if not window["accepted"]],
        plots={
            title: figure.to_html(full_html=False, include_plotlyjs=False)
            for title, figure in plots.items()
        },
        plotly_js=get_plotlyjs(),
    )


def _baselines(baselines: Mapping[str, Mapping[str, Any]]) -> go.Figure:
    names = [name for name, entry in baselines.items() if entry["decision_quality"] is not None]
    values = [baselines[name]["decision_quality"] for name in names]
    figure = go.Figure(go.Bar(x=names, y=values))
    return figure.update_layout(**LAYOUT, yaxis_title="decision quality")


def _latency(latency_us: Sequence[float]) -> go.Figure:
    figure = go.Figure(go.Histogram(x=list(latency_us)))
    return figure.update_layout(**LAYOUT, xaxis_title="us", yaxis_title="decisions")


def _windows(windows: Sequence[Mapping[str, Any]]) -> go.Figure:
    figure = go.Figure()
    for kind in dict.fromkeys(_window_name(window) for window in windows):
        of_kind = [window for window in windows if _window_name(window) == kind]
        # What a refused window says is in the table; it may have no figures at all.
        shown = {
            number: 1e3 * window["energy_j"] / window["elapsed_s"]
            for number, window in enumerate(of_kind, 1)
            if window["accepted"]
        }
        figure.add_trace(
            go.Scatter(y=list(shown.values()), x=list(shown), mode="markers", name=kind)
        )
    return figure.update_layout(
        **LAYOUT | {"showlegend": True}, xaxis_title="window", yaxis_title="mean power, mW"
    )


def _window_name(window: Mapping[str, Any]) -> str:
    return f"{window['mode']} {window['kind']}".strip()


def _memory(detail: Mapping[str, Any]) -> go.Figure:
    figure = go.Figure()
    for region in ("flash", "ram"):
        for part, n_bytes in detail[f"{region}_parts"].items():
            figure.add_trace(go.Bar(x=[region], y=[n_bytes], name=part, text=[part]))
    return figure.update_layout(
        **LAYOUT | {"showlegend": True}, barmode="stack", yaxis_title="bytes"
    )
