"""Plots of the task: where the products' mass went, the days, perturbations and the shift."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from host.metrics.days import ReplayDays
from host.metrics.flows import DECISIONS, DISPOSAL, IN_A_LOOP, LOST, RECYCLING, STREAMS
from host.report.figures import typeset
from host.report.plots.plot import (
    Plot,
    Table,
    axis,
    filled,
    named_bars,
    plot_of_rows,
    styled,
)
from host.report.theme import LIGHT, soft
from host.report.words import spoken

DISPOSITIONS = dict(
    zip(DECISIONS.values(), ("green", "blue", "purple", "gold", "red"), strict=True)
)
"""Colours of the decisions; their labels stand beside them."""
NODES = DISPOSITIONS | {RECYCLING: "gold", DISPOSAL: "red", IN_A_LOOP: "green", LOST: "red"}
NETWORKS = {"full": "blue", "fallback": "orange", "not decided": "red"}
WEEK = 7


def flows(entry: Mapping[str, Any]) -> Plot:
    """The products' mass from family to decision, facility and end."""
    ways = entry["flows"]
    if sum(way["source"] in STREAMS for way in ways) == 1:  # a column with one node says nothing
        ways = [way for way in ways if way["source"] not in STREAMS]
    nodes = list(dict.fromkeys(name for way in ways for name in (way["source"], way["target"])))
    received = {n: sum(w["mass_kg"] for w in ways if w["target"] == n) for n in nodes}
    sent = {n: sum(w["mass_kg"] for w in ways if w["source"] == n) for n in nodes}
    mass = {n: max(received[n], sent[n]) for n in nodes}
    figure = go.Figure(
        go.Sankey(
            arrangement="snap",
            node={
                "label": [f"{name}, {mass[name]:,.0f} kg" for name in nodes],
                "color": [LIGHT[NODES.get(name, "grey")] for name in nodes],
                "line": {"width": 0},
                "pad": 18,
                "thickness": 14,
                "hovertemplate": "%{label}<extra></extra>",
            },
            link={
                "source": [nodes.index(way["source"]) for way in ways],
                "target": [nodes.index(way["target"]) for way in ways],
                "value": [way["mass_kg"] for way in ways],
                "color": [soft(_colour(way)) for way in ways],
                "customdata": [f"{way['products']:,} products" for way in ways],
                "hovertemplate": "%{source.label} → %{target.label}<br>%{value:,.1f} kg, "
                "%{customdata}<extra></extra>",
            },
            textfont={"color": LIGHT["ink"], "size": 12.5, "shadow": "none"},
        )
    )
    whole = mass[IN_A_LOOP] + mass[LOST]
    failed = next(
        (w for w in ways if w["source"] == "remanufacture" and w["target"] == RECYCLING), None
    )
    fell = (
        f" Remanufacturing failed for {failed['products']} products, {failed['mass_kg']:,.0f} kg, "
        "which fell to recycling."
        if failed
        else ""
    )
    return Plot(
        key="flows",
        title="Where the mass went",
        label=f"Flow diagram of {whole:,.0f} kg of returned products: {mass[IN_A_LOOP]:,.0f} kg "
        f"re-enter a loop, {mass[LOST]:,.0f} kg leave every loop.{fell}",
        figure=styled(figure, 460).update_layout(margin={"l": 4, "r": 4, "t": 8, "b": 8}),
        height=460,
        least_width=660,
        table=Table(
            ["from", "to", "mass", "products"],
            [
                [w["source"], w["target"], f"{w['mass_kg']:,.1f} kg", f"{w['products']:,}"]
                for w in ways
            ],
        ),
        provenance=entry["provenance"],
        note=f"From product family to decision, facility and end; what enters a node leaves it."
        f"{fell} A product without a free slot goes from its decision to the disposal site.",
    )


def _colour(way: Mapping[str, Any]) -> str:
    if way["target"] in (LOST, DISPOSAL):
        return "red"
    return NODES.get(way["source"]) or NODES.get(way["target"]) or "grey"


def days(replayed: ReplayDays, saving: Mapping[str, Any]) -> Plot:
    """The days of the replay: arrivals by who decided them, value, energy budget, capacity."""
    day = np.arange(len(replayed))
    limit_j = saving["budget_j_per_decision_cycle"]
    with_energy = replayed.account_j is not None
    panels = ["decisions", "value", *(["energy"] if with_energy else []), "load"]
    heights = {"decisions": 1.0, "value": 1.0, "energy": 0.9, "load": 0.85}
    figure = make_subplots(
        rows=len(panels),
        cols=1,
        shared_xaxes=True,
        vertical_spacing=0.055,
        row_heights=[heights[panel] for panel in panels],
    )

    def place(panel: str) -> dict[str, int]:
        return {"row": panels.index(panel) + 1, "col": 1}

    for mode, counts in replayed.decisions.items():
        figure.add_bar(
            x=day,
            y=counts,
            marker=filled(NETWORKS.get(mode, "grey")),
            name=mode if mode not in ("full", "fallback") else f"{mode} network",
            hovertemplate="day %{x}: %{y} by " + mode + "<extra></extra>",
            **place("decisions"),
        )
    figure.update_yaxes(**axis("decisions"), **place("decisions"))
    figure.add_bar(
        x=day,
        y=replayed.value_eur,
        marker={"color": LIGHT["green"]},
        showlegend=False,
        hovertemplate="day %{x}: %{y:,.0f} EUR<extra></extra>",
        **place("value"),
    )
    figure.update_yaxes(**axis("value, EUR"), **place("value"))
    if replayed.account_j is not None:
        figure.add_bar(
            x=day,
            y=1e6 * replayed.account_j,
            marker={"color": LIGHT["purple"]},
            showlegend=False,
            hovertemplate="day %{x}: %{y:.3g} µJ<extra></extra>",
            **place("energy"),
        )
        if limit_j:
            figure.add_hline(
                y=1e6 * limit_j,
                line={"color": LIGHT["red"], "dash": "dash", "width": 1.5},
                annotation={"text": f"budget {typeset(limit_j, 'J')}", "font": {"size": 11.5}},
                annotation_position="top left",
                **place("energy"),
            )
        figure.update_yaxes(**axis("account, µJ"), **place("energy"))
    weeks, load = _weekly_load(replayed)
    kinds = list(load)[::-1]
    figure.add_heatmap(
        x=[WEEK * week + (WEEK - 1) / 2 for week in weeks],
        y=kinds,
        z=[load[kind] for kind in kinds],
        zmin=0,
        zmax=1,
        colorscale=[[0, LIGHT["faint"]], [1, LIGHT["blue"]]],
        xgap=1,
        ygap=2,
        showscale=False,
        hovertemplate="%{y}, week of day %{x:.0f}: %{z:.0%} of the slots<extra></extra>",
        **place("load"),
    )
    figure.update_yaxes(**axis("load"), **place("load"))
    figure.update_xaxes(**axis("day"), **place("load"))
    at_budget = saving["decision_cycles_at_the_budget"]
    busiest = int(replayed.arrivals.argmax())
    height = 140 + 130 * len(panels)
    return Plot(
        key="days",
        title="The days of the replay",
        label=f"{len(replayed)} days with {int(replayed.arrivals.sum())} arrivals, at most "
        f"{int(replayed.arrivals.max())} on day {busiest}; value "
        f"{replayed.value_eur.sum():,.0f} EUR in all. The energy budget was reached on {at_budget} "
        "days. Below, how full the facilities were, week by week.",
        figure=styled(figure, height, legend=True, barmode="stack", bargap=0.1),
        height=height,
        least_width=560,
        table=_days_table(replayed),
        provenance="modelled",
        note="By day of arrival: who decided, and what it was worth in the end. The account is "
        "what the board books against its budget, its own count times a stated energy. Load is the "
        "share of a week's slots that were taken: darker is fuller.",
    )


def _weekly_load(replayed: ReplayDays) -> tuple[list[int], dict[str, list[float]]]:
    weeks = list(range((len(replayed) + WEEK - 1) // WEEK))
    load = {}
    for kind, used in replayed.used.items():
        slots = replayed.slots[kind]
        shares = []
        for week in weeks:
            span = slice(WEEK * week, WEEK * (week + 1))
            there = int(slots[span].sum())
            shares.append(float(used[span].sum() / there) if there else 0.0)
        load[kind] = shares
    return weeks, load


def _days_table(replayed: ReplayDays) -> Table:
    header = ["day", *replayed.decisions, "value, EUR"]
    header += [] if replayed.account_j is None else ["account"]
    header += [f"{kind} slots" for kind in replayed.used]
    rows = []
    for day in range(len(replayed)):
        row = [str(day), *(str(counts[day]) for counts in replayed.decisions.values())]
        row.append(f"{round(replayed.value_eur[day]):,}")
        if replayed.account_j is not None:
            row.append(typeset(float(replayed.account_j[day]), "J"))
        row += [f"{replayed.used[k][day]} of {replayed.slots[k][day]}" for k in replayed.used]
        rows.append(row)
    return Table(header, rows)


def robustness(metric: Mapping[str, Any]) -> Plot | None:
    """What is left of the quality under each perturbation; None where it is unavailable."""
    if metric["value"] is None:
        return None
    ratios = {
        name: ratio for name, ratio in metric["detail"]["ratios"].items() if ratio is not None
    }
    order = sorted(ratios, key=lambda name: -ratios[name])
    rows = {spoken(name): f"{ratios[name]:.1%}" for name in order}
    figure = named_bars(
        rows,
        [ratios[name] for name in order],
        marker={"color": LIGHT["teal"]},
        textposition="inside",
        insidetextanchor="end",
        insidetextfont={"color": LIGHT["paper"]},
        hoverinfo="skip",
    )
    most = max(1.0, *ratios.values())
    figure.add_vline(x=1, line={"color": LIGHT["muted"], "dash": "dash", "width": 1})
    figure.update_yaxes(autorange="reversed")
    figure.update_xaxes(
        **axis("of the nominal quality", range=[0, 1.04 * most], tickformat=".0%", dtick=0.25)
    )
    return plot_of_rows(
        figure,
        rows,
        34,
        f"Bars of the share of the nominal decision quality that is left, score "
        f"{metric['value']:.3f}",
        bargap=0.35,
        key="robustness",
        title="Quality that is left under perturbation",
        table=Table(
            ["perturbation", "share of the nominal quality"],
            [[spoken(name), f"{ratios[name]:.2%}"] for name in order],
        ),
        provenance=metric["provenance"],
        note="Each perturbation is a replay of its own on the target; the score is the mean, "
        f"{metric['value']:.3f}. Shifted conditions have an optimum of their own.",
    )


def adaptation(metric: Mapping[str, Any]) -> Plot | None:
    """Rolling quality after the regime shift, beside the best policy's; None without it."""
    if metric["value"] is None:
        return None
    detail = metric["detail"]
    own, best = detail["rolling_quality"], detail["reference_rolling_quality"]
    after = list(range(len(own)))
    figure = go.Figure()
    reference = spoken(detail["reference"])
    figure.add_scatter(
        x=after,
        y=best,
        mode="lines",
        line={"color": LIGHT["grey"], "dash": "dash", "width": 2},
        name=f"best for the new regime ({reference})",
        hovertemplate="day %{x}: %{y:.3f}<extra></extra>",
    )
    figure.add_scatter(
        x=after,
        y=own,
        mode="lines",
        line={"color": LIGHT["blue"], "width": 2.5},
        name="the board",
        hovertemplate="day %{x}: %{y:.3f}<extra></extra>",
    )
    days_back = detail["days"]
    if days_back is not None:
        figure.add_vline(
            x=days_back,
            line={"color": LIGHT["green"], "width": 1.5},
            annotation={"text": f"back after {days_back} days"},
        )
    figure.update_xaxes(**axis("days after the shift"))
    figure.update_yaxes(**axis("quality over 14 days"))
    back = "never came back" if days_back is None else f"was back after {days_back} days"
    return Plot(
        key="adaptation",
        title="After the regime shift",
        label=f"Lines of the 14-day rolling quality after a regime shift on day "
        f"{detail['shift_day']}: the board {back} at 95 % of the best policy's, {reference}.",
        figure=styled(figure, 320, legend=True),
        height=320,
        table=Table(
            ["days after the shift", "the board", reference],
            [
                [str(n), *("-" if y is None else f"{y:.3f}" for y in (a, b))]
                for n, (a, b) in enumerate(zip(own, best, strict=True))
            ],
        ),
        provenance=metric["provenance"],
        note=f"The regime shifts on day {detail['shift_day']}. The policy is not trained again: "
        "this is how far it gets by what it observes. Days count to the first 14-day window at "
        "95 % of the best policy's.",
    )
