"""The difference in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from host.diff.change import Verdict
from host.diff.difference import Difference
from host.diff.tables import DiffTable, heading, tables

LOG_COLUMNS = 150
"""Width where the output is no terminal."""
LEAST_WHOLE = 120
"""Width from which on the names of figures are not folded."""
STYLES: dict[str, str] = {
    Verdict.BETTER: "green",
    Verdict.WORSE: "bold red",
    Verdict.NOISE: "dim",
    Verdict.UNKNOWN: "dim",
    Verdict.NOT_COMPARABLE: "yellow",
    Verdict.UNAVAILABLE: "yellow",
}


def print_diff(difference: Difference, console: Console) -> None:
    """Print every table, and beneath each why its figures were judged as they were."""
    if not console.is_terminal:
        console.width = max(console.width, LOG_COLUMNS)
    for letter, text in heading(difference):
        console.print(f"{letter}  {text}", markup=False, soft_wrap=True)
    console.print(f"metrics: {difference.headline}", style="bold", markup=False)
    for table in tables(difference):
        console.print()
        _print_table(table, console)


def _print_table(table: DiffTable, console: Console) -> None:
    console.print(table.title, style="bold", markup=False)
    if table.note:
        console.print(table.note, markup=False, soft_wrap=True)
    if not table.rows:
        return
    grid = Table(box=None, pad_edge=False)
    whole = bool(table.figures) and console.width >= LEAST_WHOLE
    for column in table.columns:
        right = column in table.figures
        grid.add_column(
            column, justify="right" if right else "left", no_wrap=right or whole, overflow="fold"
        )
    for row in table.rows:
        grid.add_row(*(_styled(cell.text, STYLES.get(cell.kind, "")) for cell in row))
    console.print(grid)
    for reason, names in table.reasons.items():
        console.print(f"  {', '.join(names)}: {reason}", style="dim", markup=False)


def _styled(text: str, style: str) -> str:
    return f"[{style}]{escape(text)}[/]" if style else escape(text)
