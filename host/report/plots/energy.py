"""The plot of the energy windows: when each was run, what the board drew in it, and the gate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plotly.subplots import make_subplots

from host.report.figures import typeset
from host.report.plots.plot import Plot, Table, axis, styled
from host.report.theme import LIGHT
from host.report.words import WINDOWS

MARKS = {
    "idle": ("grey", "circle"),
    "inference full": ("blue", "square"),
    "inference fallback": ("teal", "diamond"),
    "sleep": ("purple", "triangle-down"),
    "wake": ("gold", "star"),
    "link": ("orange", "triangle-up"),
}
"""Colour and symbol by kind and mode."""
GAP_S = 0.01
"""Between windows whose time is not known, so that one sees where each ends."""


def energy_windows(
    judged: Sequence[Mapping[str, Any]],
    ran: Sequence[Mapping[str, Any]],
    meter: Mapping[str, Any],
    provenance: str,
) -> Plot | None:
    """Mean power of every window over the board's time; None where none was judged.

    Args:
        judged: the windows that count, in the order that they were run in.
        ran: all of them, warm-ups included, with ``begun_us`` where the host has asked for it;
            empty where only the judged ones are known.
        meter: that measured.
        provenance: of the energies.
    """
    if not judged:
        return None
    windows = _placed(judged, ran)
    figure = make_subplots(
        rows=2, cols=1, shared_xaxes=True, row_heights=[0.82, 0.18], vertical_spacing=0.06
    )
    for name, (colour, symbol) in MARKS.items():
        of_kind = [w for w in windows if w["name"] == name and w["power_w"] is not None]
        counted = [w for w in of_kind if w["use"] == "counted"]
        if counted:
            figure.add_scatter(
                x=[x for w in counted for x in (w["begin_s"], w["end_s"], None)],
                y=[y for w in counted for y in (1e3 * w["power_w"], 1e3 * w["power_w"], None)],
                mode="lines",
                line={"color": LIGHT[colour], "width": 4},
                hoverinfo="skip",
                showlegend=False,
                row=1,
                col=1,
            )
        for use, marker in (
            ("counted", {"symbol": symbol, "size": 9}),
            ("warm-up", {"symbol": f"{symbol}-open", "size": 8}),
            ("refused", {"symbol": "x", "size": 11, "color": LIGHT["red"]}),
        ):
            chosen = [w for w in of_kind if w["use"] == use]
            if not chosen:
                continue
            figure.add_scatter(
                x=[(w["begin_s"] + w["end_s"]) / 2 for w in chosen],
                y=[1e3 * w["power_w"] for w in chosen],
                mode="markers",
                marker={"color": LIGHT[colour], **marker},
                name=WINDOWS[name] if use == "counted" else f"{WINDOWS[name]}, {use}",
                showlegend=use != "warm-up",
                hovertext=[_told(w) for w in chosen],
                hoverinfo="text",
                row=1,
                col=1,
            )
    gate_x, gate_y = [windows[0]["begin_s"]], [0]
    for window in windows:
        gate_x += [window["begin_s"], window["begin_s"], window["end_s"], window["end_s"]]
        gate_y += [0, 1, 1, 0]
    figure.add_scatter(
        x=gate_x,
        y=gate_y,
        mode="lines",
        line={"color": LIGHT["muted"], "width": 1.2},
        fill="tozeroy",
        fillcolor=LIGHT["faint"],
        name="gate",
        showlegend=False,
        hoverinfo="skip",
        row=2,
        col=1,
    )
    timed = windows[0]["timed"]
    along = "board time since the first window" if timed else "time inside of windows, end to end"
    figure.update_xaxes(**axis(along, ticksuffix=" s"), row=2, col=1)
    figure.update_yaxes(**axis("mean power", rangemode="tozero", ticksuffix=" mW"), row=1, col=1)
    figure.update_yaxes(
        **axis("gate", tickvals=[0, 1], ticktext=["low", "high"], range=[-0.15, 1.2]), row=2, col=1
    )
    refused = sum(window["use"] == "refused" for window in windows)
    counted = [window for window in windows if window["use"] == "counted"]
    means = {
        name: sum(w["power_w"] for w in of_kind) / len(of_kind)
        for name in MARKS
        if (of_kind := [w for w in counted if w["name"] == name])
    }
    clock = (
        "Placed by the board's own time when each window was asked for; the pauses in between are "
        "the link's."
        if timed
        else "When each window began was not recorded, so they stand end to end."
    )
    return Plot(
        key="windows",
        title="Energy windows over time",
        label=f"{len(counted)} windows that count, {refused} refused. Mean power: "
        + ", ".join(f"{WINDOWS[n]} {typeset(p, 'W')}" for n, p in means.items())
        + ". Below, the gate, which is high inside of each window.",
        figure=styled(figure, 420, legend=True),
        height=420,
        table=Table(
            ["window", "begun", "lasted", "iterations", "energy", "mean power", "gate high", "use"],
            [_row(window) for window in windows],
        ),
        provenance=provenance,
        note="Energy of each window over its length. The gate pin is high inside of a window "
        f"({meter.get('gate', 'unknown')}). {clock} Open marks are warm-ups, which do not count; "
        "a cross is a refused window.",
    )


def _placed(
    judged: Sequence[Mapping[str, Any]], ran: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Every window with its place on the time axis and what it is used for."""
    verdicts = iter(judged)
    begun = [window.get("begun_us") for window in ran]
    timed = bool(ran) and None not in begun
    windows, clock_s = [], 0.0
    for window in ran or [{"warm_up": False} for _ in judged]:
        verdict = None if window["warm_up"] else next(verdicts)
        shown = _figures(window) if verdict is None else dict(verdict)
        if timed:
            clock_s = (window["begun_us"] - begun[0]) * 1e-6
        elapsed_s = shown["elapsed_s"]
        usable = elapsed_s > 0 and shown["energy_j"] > 0
        windows.append(
            {
                "name": f"{shown['kind']} {shown['mode']}".strip(),
                "begin_s": clock_s,
                "end_s": clock_s + elapsed_s,
                "timed": timed,
                "iterations": shown["iterations"],
                "energy_j": shown["energy_j"] if usable else None,
                "power_w": shown["energy_j"] / elapsed_s if usable else None,
                "gate_s": (window.get("reading") or {}).get("measured_s"),
                "use": "warm-up"
                if verdict is None
                else ("counted" if verdict["accepted"] else "refused"),
                "reason": "" if verdict is None else verdict["reason"],
            }
        )
        clock_s += elapsed_s + GAP_S
    return windows


def _figures(window: Mapping[str, Any]) -> dict[str, Any]:
    """A warm-up as the judged windows are written."""
    reading = window["reading"] or {}
    return {
        "mode": window["mode"],
        "kind": window["kind"],
        "iterations": window["iterations"],
        "elapsed_s": window["elapsed_us"] * 1e-6,
        "energy_j": reading.get("energy_j", 0.0),
    }


def _told(window: Mapping[str, Any]) -> str:
    return (
        f"{WINDOWS[window['name']]}, {window['use']}: {typeset(window['power_w'], 'W')} over "
        f"{typeset(window['end_s'] - window['begin_s'], 's')}"
        + (f"; {window['reason']}" if window["reason"] else "")
    )


def _row(window: Mapping[str, Any]) -> list[str]:
    return [
        WINDOWS.get(window["name"], window["name"]),
        f"{window['begin_s']:.6f} s" if window["timed"] else "-",
        typeset(window["end_s"] - window["begin_s"], "s"),
        f"{window['iterations']:,}",
        typeset(window["energy_j"], "J"),
        typeset(window["power_w"], "W"),
        typeset(window["gate_s"], "s"),
        window["use"] + (f": {window['reason']}" if window["reason"] else ""),
    ]
