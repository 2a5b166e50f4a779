"""What a plot on a page is, and the layout that all of them have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import plotly.graph_objects as go

from host.report.theme import LIGHT

LONG_DECADES = 1.6
"""From which on a logarithmic axis has room for its decades alone."""
AROUND_ROWS_PX = 90
"""Height of what stands above and below a plot's rows."""
CLEAR = "rgba(0,0,0,0)"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


@dataclass(frozen=True)
class Table:
    """The data behind a plot, as text.

    Attributes:
        header: of the columns; the first one names the row.
        rows: of cells.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    @property
    def figures(self) -> list[bool]:
        """Whether each column holds figures, which are set right."""
        return [
            all(cell[:1] in "0123456789+-±" for cell in c) for c in zip(*self.rows, strict=True)
        ]


@dataclass(frozen=True)
class Plot:
    """One plot of a page.

    Attributes:
        key: of the element, unique on the page.
        title: what it shows.
        label: the same with its main figures, for those who do not see it.
        figure: in the colours of :data:`host.report.theme.LIGHT`.
        height: in CSS px.
        table: the data behind it.
        provenance: of the figures; empty where each says its own.
        note: how to read it, and where it comes from.
        least_width: in CSS px; on a narrower screen it is scrolled in a box of its own.
    """

    key: str
    title: str
    label: str
    figure: go.Figure
    height: int
    table: Table
    provenance: str = ""
    note: str = ""
    least_width: int = 0

    @property
    def json(self) -> str:
        """The figure as JSON that may stand in a script element."""
        text: str = self.figure.to_json()
        return text.replace("<", "\\u003c")


def axis(title: str = "", **more: Any) -> dict[str, Any]:
    """An axis with a quiet grid."""
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 13}},
        "tickfont": {"size": 12},
        "gridcolor": LIGHT["line"],
        "linecolor": LIGHT["line"],
        "zerolinecolor": LIGHT["line"],
        "automargin": True,
        "fixedrange": True,
        **more,
    }


def joules_axis(title: str, low_uj: float, high_uj: float) -> dict[str, Any]:
    """A logarithmic axis of µJ over this range, with labels at 1, 2 and 5 where it is short."""
    low, high = log10(low_uj), log10(high_uj)
    ticks = 1 if high - low > LONG_DECADES else "D2"
    return axis(title, type="log", range=[low, high], ticksuffix=" µJ", dtick=ticks)


def filled(colour: str, pattern: str = "") -> dict[str, Any]:
    """A marker of a colour of :data:`LIGHT`, with quiet stripes where a pattern is named."""
    marker: dict[str, Any] = {"color": LIGHT[colour]}
    if pattern:
        marker["pattern"] = {
            "shape": pattern,
            "fillmode": "overlay",
            "fgcolor": LIGHT["paper"],
            "fgopacity": 0.55,
            "size": 7,
            "solidity": 0.22,
        }
    return marker


def label_positions(
    points: Sequence[tuple[float, float]], texts: Sequence[str], plot_px: tuple[int, int]
) -> list[str]:
    """Where each point's label stands in the others' way least, as Plotly names it.

    Args:
        points: in the plot, from 0 to 1 along both axes.
        texts: of the labels.
        plot_px: width and height that the plot has at least.
    """
    placed: list[_Box] = []
    marks = [(x * plot_px[0], y * plot_px[1]) for x, y in points]
    placed += [(x - 7, y - 7, x + 7, y + 7) for x, y in marks]
    chosen = []
    for (x, y), text in zip(marks, texts, strict=True):
        wide, high = 7.2 * len(text) + 4, 16.0
        boxes = {}
        for across, left in (("right", x + 8), ("left", x - 8 - wide), ("center", x - wide / 2)):
            for up, bottom in (("middle", y - 8), ("top", y + 7), ("bottom", y - 7 - high)):
                if (up, across) != ("middle", "center"):
                    boxes[f"{up} {across}"] = (left, bottom, left + wide, bottom + high)

        costs = {
            name: _outside(box, plot_px) + sum(_overlap(box, other) for other in placed)
            for name, box in boxes.items()
        }
        best = min(costs, key=lambda name: costs[name])
        placed.append(boxes[best])
        chosen.append(best)
    return chosen


_Box = tuple[float, float, float, float]
"""Left, bottom, right, top in px."""


def _outside(box: _Box, plot_px: tuple[int, int]) -> float:
    """Area that lies beside the plot."""
    return (max(0.0, -box[0]) + max(0.0, box[2] - plot_px[0])) * (box[3] - box[1])


def _overlap(one: _Box, other: _Box) -> float:
    wide = min(one[2], other[2]) - max(one[0], other[0])
    high = min(one[3], other[3]) - max(one[1], other[1])
    return max(0.0, wide) * max(0.0, high)


def plot_of_rows(
    figure: go.Figure,
    rows: Mapping[str, str],
    row_px: int,
    told: str,
    *,
    bargap: float | None = None,
    **plot: Any,
) -> Plot:
    """A plot with a named row for each figure, as high as these need.

    Args:
        figure: that has them along its y axis.
        rows: each figure in words, by the name of its row.
        row_px: height of one.
        told: what the figures are, for the plot's label, which then has all of them.
        bargap: share of a row between two bars; None where there are none.
        plot: the other attributes of :class:`Plot`.
    """
    height = AROUND_ROWS_PX + row_px * len(rows)
    return Plot(
        label=f"{told}: {', '.join(f'{name} {text}' for name, text in rows.items())}.",
        figure=styled(figure, height, bargap=bargap),
        height=height,
        **plot,
    )


def named_bars(rows: Mapping[str, str], values: Sequence[float], **bars: Any) -> go.Figure:
    """Horizontal bars, each with its name before it and its figure in words.

    Args:
        rows: each figure in words, by the name of its bar.
        values: in the same order.
        bars: the other attributes of Plotly's trace.
    """
    names, texts = list(rows), list(rows.values())
    return go.Figure(go.Bar(y=names, x=list(values), text=texts, orientation="h", **bars))


def styled(figure: go.Figure, height: int, *, legend: bool = False, **layout: Any) -> go.Figure:
    """Give a figure the pages' layout; ``layout`` goes on top."""
    quiet = axis()
    quiet.pop("title")
    figure.update_xaxes(**quiet)
    figure.update_yaxes(**quiet)
    return figure.update_layout(
        template=go.layout.Template(),
        height=height,
        paper_bgcolor=CLEAR,
        plot_bgcolor=CLEAR,
        font={"family": FONT, "size": 13, "color": LIGHT["ink"]},
        hoverlabel={
            "bgcolor": LIGHT["panel"],
            "bordercolor": LIGHT["line"],
            "font": {"family": FONT, "size": 13, "color": LIGHT["ink"]},
        },
        margin={"l": 8, "r": 12, "t": 12, "b": 8},
        showlegend=legend,
        legend={
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.02,
            "yanchor": "bottom",
            "font": {"size": 12.5},
            "traceorder": "normal",
        },
        **layout,
    )
