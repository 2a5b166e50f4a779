"""Plots of how good the decisions are: the composite's parts, the baselines, quality by joules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import plotly.graph_objects as go

from host.metrics import pareto_front
from host.metrics.window import NORMAL_95
from host.report.figures import format_value, typeset, typeset_spread
from host.report.plots.plot import (
    Plot,
    Table,
    axis,
    filled,
    joules_axis,
    label_positions,
    named_bars,
    plot_of_rows,
    styled,
)
from host.report.theme import LIGHT
from host.report.words import POLICIES, spoken

COMPOSITES = {"composite": ("blue", ""), "composite_log": ("teal", "/")}
"""The scores that are shown, with a colour and a pattern."""
SUBJECT = "int8_on_board"
"""Of the baselines: what the board decided."""
MODES = {
    "full_only": "full network alone",
    "fallback_only": "fallback alone",
    "as_decided": "as decided",
}
ON_THE_FRONT, BEATEN = "circle", "circle-open"
ROW_PX = 46
PLOT_PX = (300, 300)
"""Of quality against joules on a phone, without its axes."""
LEAST_SPAN = 0.04
"""Of the axis of decision quality: what is closer together is not told apart."""


def composite_parts(result: Mapping[str, Any]) -> Plot | None:
    """What every weighted metric adds to both composites, and what it leaves; None without one."""
    figure = go.Figure()
    rows: dict[str, list[str]] = {}
    known = {name: result[name] for name in COMPOSITES if result[name]["value"] is not None}
    for name, score in known.items():
        weights, scores = score["detail"]["weights"], score["detail"]["scores"]
        labels = [spoken(metric) for metric in weights]
        colour, pattern = COMPOSITES[name]
        same = {"y": labels, "orientation": "h", "offsetgroup": name, "hoverinfo": "skip"}
        figure.add_bar(
            **same,
            x=list(weights.values()),
            marker={"color": LIGHT["faint"]},
            name="weight, not reached",
            showlegend=name == next(iter(known)),
        )
        figure.add_bar(
            **same | {"hoverinfo": "text"},
            x=[weight * scores[metric] for metric, weight in weights.items()],
            marker=filled(colour, pattern),
            hovertext=[
                f"{spoken(metric)}: score {scores[metric]:.3f} × weight {weight:.2f} = "
                f"{weight * scores[metric]:.3f}"
                for metric, weight in weights.items()
            ],
            name=f"{name} {score['value']:.3f}",
        )
        for metric, weight in weights.items():
            row = rows.setdefault(metric, [spoken(metric), f"{weight:.2f}"])
            row += [f"{scores[metric]:.3f}", f"{weight * scores[metric]:.3f}"]
    if not known:
        return None
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(**axis("weight × score", rangemode="tozero"))
    height = 110 + ROW_PX * len(rows)
    return Plot(
        key="composite",
        title="Weight and score of each metric",
        label="Bars of each metric's part of the composite scores. "
        + " ".join(f"{name} is {score['value']:.3f}." for name, score in known.items())
        + f" {most_lost(result[next(iter(known))])}",
        figure=styled(figure, height, legend=True, barmode="group", bargap=0.28),
        height=height,
        table=Table(
            ["metric", "weight", *(f"{what}, {name}" for name in known for what in _OF_A_SCORE)],
            list(rows.values()),
        ),
        note="A pale bar is as long as the metric's weight; the filled part is weight × score, so "
        "what stays pale is what the metric cost. composite_log scores energy, waste and bytes on "
        "a logarithmic scale of the board's budgets, because the article's 1/(1+x) cannot see "
        "microjoules.",
    )


_OF_A_SCORE = ("score", "part")


def most_lost(score: Mapping[str, Any], count: int = 2) -> str:
    """A sentence on the metrics that a composite lost most by."""
    if score["value"] is None:
        return ""
    weights, scores = score["detail"]["weights"], score["detail"]["scores"]
    lost = {metric: weight * (1 - scores[metric]) for metric, weight in weights.items()}
    most = sorted(lost, key=lambda metric: -lost[metric])[:count]
    told = " and ".join(
        f"{spoken(metric)} ({lost[metric]:.3f} of its {weights[metric]:.2f})" for metric in most
    )
    return f"The composite lost most by {told}."


def baselines(entries: Mapping[str, Mapping[str, Any]]) -> Plot | None:
    """Decision quality of every policy on the replayed scenario; None where none is defined."""
    known = {name: e for name, e in entries.items() if e["decision_quality"] is not None}
    if not known:
        return None
    order = sorted(known, key=lambda name: (known[name]["decision_quality"], name == SUBJECT))
    colours = [LIGHT["blue"] if name == SUBJECT else LIGHT["grey"] for name in order]
    rows = {_policy(name): f"{known[name]['decision_quality']:.3f}" for name in order}
    figure = named_bars(
        rows,
        [known[name]["decision_quality"] for name in order],
        marker={"color": colours},
        textposition="outside",
        cliponaxis=False,
        hovertext=[
            f"{_policy(name)}: {known[name]['value_eur']:,.0f} EUR, quality "
            f"{known[name]['decision_quality']:.4f}"
            for name in order
        ],
        hoverinfo="text",
    )
    figure.update_xaxes(
        **axis("decision quality", range=[0, 1.16], tickvals=[0, 0.25, 0.5, 0.75, 1])
    )
    return plot_of_rows(
        figure,
        rows,
        30,
        "Bars of decision quality on the same scenario, lowest first",
        bargap=0.3,
        key="baselines",
        title="The board's decisions beside the baselines",
        table=Table(
            ["policy", "value, EUR", "decision quality", "unclipped"],
            [
                [
                    _policy(name),
                    f"{entries[name]['value_eur']:,.0f}",
                    format_value(entries[name]["decision_quality"], ""),
                    format_value(entries[name]["unclipped"], ""),
                ]
                for name in reversed(order)
            ],
        ),
        provenance="modelled",
        note="0 is always disposing, 1 the hindsight optimum, which knows all arrivals and "
        "outcomes in advance. Blue: decided by the board, under its energy budget; all others by "
        "the host.",
    )


def _policy(name: str) -> str:
    return POLICIES.get(name, spoken(name))


@dataclass(frozen=True)
class _Point:
    """One network: where it stands, and what says so."""

    name: str
    quality: float
    energy_j: float
    uncertainty_j: float
    source: str
    provenance: str


def quality_against_joules(
    result: Mapping[str, Any], comparison: Mapping[str, Any] | None
) -> Plot | None:
    """All networks whose joules are known, and the front of them; None where none are."""
    points = _own_points(result) + _compared_points(comparison)
    if not points:
        return None
    front = pareto_front([p.quality for p in points], [p.energy_j for p in points])
    figure = go.Figure()
    x_range, y_range = _ranges(points)
    beside = _without_joules(figure, result["baselines"], y_range)
    places = [
        (
            (log10(1e6 * point.energy_j) - x_range[0]) / (x_range[1] - x_range[0]),
            (point.quality - y_range[0]) / (y_range[1] - y_range[0]),
        )
        for point in points
    ]
    positions = label_positions(places, [point.name for point in points], PLOT_PX)
    figure.add_scatter(
        x=[1e6 * points[i].energy_j for i in front],
        y=[points[i].quality for i in front],
        mode="lines",
        line={"dash": "dot", "color": LIGHT["muted"], "width": 1.5},
        name="Pareto front",
        hoverinfo="skip",
    )
    for source, colour, solid, hollow in (
        ("this run", "blue", "circle", "circle-open"),
        ("compare", "orange", "diamond", "diamond-open"),
    ):
        chosen = [index for index, point in enumerate(points) if point.source == source]
        if not chosen:
            continue
        figure.add_scatter(
            x=[1e6 * points[i].energy_j for i in chosen],
            y=[points[i].quality for i in chosen],
            error_x={
                "array": [1e6 * NORMAL_95 * points[i].uncertainty_j for i in chosen],
                "thickness": 1.2,
                "width": 4,
                "color": LIGHT[colour],
            },
            mode="markers+text",
            text=[f" {points[i].name} " for i in chosen],
            textposition=[positions[i] for i in chosen],
            marker={
                "size": 11,
                "color": LIGHT[colour],
                "symbol": [solid if i in front else hollow for i in chosen],
                "line": {"width": 2, "color": LIGHT[colour]},
            },
            name="this run, as replayed" if source == "this run" else "jouleloop compare",
            hovertext=[_told(points[i]) for i in chosen],
            hoverinfo="text",
            cliponaxis=False,
        )
    figure.update_xaxes(
        **joules_axis("energy of one decision, board total", *(10**end for end in x_range))
    )
    figure.update_yaxes(**axis("decision quality", range=y_range))
    names = ", ".join(points[i].name for i in front)
    return Plot(
        key="front",
        title="Quality against joules",
        label="Decision quality against the joules of one decision, for "
        + "; ".join(f"{_told(point)}" for point in points)
        + f". On the Pareto front: {names}.",
        figure=styled(figure, 440, legend=True),
        height=440,
        table=Table(
            ["network", "decision quality", "energy of a decision", "95 %", "front", "source"],
            [
                [
                    point.name,
                    f"{point.quality:.4f}",
                    typeset(point.energy_j, "J"),
                    typeset_spread(point.energy_j, NORMAL_95 * point.uncertainty_j, "J"),
                    "yes" if index in front else "no",
                    f"{point.source}, {point.provenance}",
                ]
                for index, point in enumerate(points)
            ],
        ),
        note="Both on this run's scenario. Filled: on the front, where no other network has at "
        "least its quality for at most its joules. Bars are 95 % intervals of the meter. "
        f"Baselines, which take no joules of the node, are dashed lines.{beside}",
    )


def _own_points(result: Mapping[str, Any]) -> list[_Point]:
    saving = result["energy_saving"]
    detail = result["metrics"]["energy_per_decision"]["detail"]
    modes = detail.get("modes", {})
    uncertainty = {
        "full_only": modes.get("full", {}).get("detail", {}).get("total_uncertainty_j"),
        "fallback_only": modes.get("fallback", {}).get("detail", {}).get("total_uncertainty_j"),
        "as_decided": detail.get("total_uncertainty_j"),
    }
    points = []
    for name, title in MODES.items():
        entry = saving[name]
        quality, energy = entry["decision_quality"], entry["energy_per_decision_j"]
        if quality is None or energy is None:
            continue
        spread = uncertainty[name] or 0.0
        points.append(
            _Point(title, quality, energy, spread, "this run", entry["energy_provenance"])
        )
    return points


def _compared_points(comparison: Mapping[str, Any] | None) -> list[_Point]:
    """Networks of a comparison on the run's scenario, but for those that the run has itself."""
    if comparison is None:
        return []
    points = []
    for name, entry in comparison["networks"].items():
        quality, energy = entry["decision_quality_on_board"]["value"], entry["energy"]
        if name in ("int8", "fallback") or quality is None or energy["value"] is None:
            continue
        spread = energy["detail"]["total_uncertainty_j"]
        points.append(
            _Point(name, quality, energy["value"], spread, "compare", energy["provenance"])
        )
    return points


def _ranges(points: Sequence[_Point]) -> tuple[list[float], list[float]]:
    """Ranges of both axes, in decades of µJ and in quality."""
    energies = [1e6 * point.energy_j for point in points]
    room = max(log10(1.6), 0.14 * log10(max(energies) / min(energies)))
    qualities = [point.quality for point in points]
    low, high = min(qualities), max(qualities)
    spare = max(LEAST_SPAN - (high - low), 0.5 * (high - low)) / 2
    return (
        [log10(min(energies)) - room, log10(max(energies)) + room],
        [low - spare, high + spare],
    )


def _without_joules(
    figure: go.Figure, entries: Mapping[str, Mapping[str, Any]], y_range: Sequence[float]
) -> str:
    """Lines for the baselines in range, which took no joules; names the nearest others."""
    above: list[tuple[float, str]] = []
    below: list[tuple[float, str]] = []
    for name, entry in entries.items():
        quality = entry["decision_quality"]
        if quality is None or name.startswith("int8"):
            continue
        told = f"{_policy(name)} {quality:.3f}"
        if quality > y_range[1]:
            above.append((quality, told))
        elif quality < y_range[0]:
            below.append((-quality, told))
        else:
            figure.add_hline(
                y=quality,
                line={"dash": "dash", "width": 1, "color": LIGHT["muted"]},
                annotation={"text": told, "font": {"color": LIGHT["muted"], "size": 12}},
                annotation_position="top left",
            )
    beyond = [f"{sorted(above)[0][1]} lies above"] if above else []
    beyond += [f"{sorted(below)[0][1]} below"] if below else []
    return f" Of the others, {' and '.join(beyond)}." if beyond else ""


def _told(point: _Point) -> str:
    return f"{point.name}: quality {point.quality:.4f}, {typeset(point.energy_j, 'J')}"
