"""The report's plots: each a Plotly figure, what it shows in words, and its data as a table."""

from host.report.plots.plot import (
    Plot,
    Table,
    axis,
    filled,
    joules_axis,
    label_positions,
    plot_of_rows,
    styled,
)

__all__ = [
    "Plot",
    "Table",
    "axis",
    "filled",
    "joules_axis",
    "label_positions",
    "plot_of_rows",
    "styled",
]
