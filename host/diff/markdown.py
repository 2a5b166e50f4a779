"""The difference as Markdown, for a pull request or a job's page."""

from __future__ import annotations

from host.diff.change import Verdict
from host.diff.difference import Difference
from host.diff.tables import Cell, DiffTable, heading, tables

LOUD = (Verdict.BETTER, Verdict.WORSE)


def markdown(difference: Difference) -> str:
    """The whole difference, one table after the other."""
    lines = ["## Jouleloop: what changed", ""]
    lines += [f"- **{letter}** {_escaped(text)}" for letter, text in heading(difference)]
    lines += ["", f"Metrics: {difference.headline}.", ""]
    for table in tables(difference):
        lines += _table(table)
    return "\n".join(lines)


def _table(table: DiffTable) -> list[str]:
    lines = [f"### {table.title}", ""]
    if table.note:
        lines += [_escaped(table.note), ""]
    if table.rows:
        rules = ["---:" if column in table.figures else "---" for column in table.columns]
        lines += [_row([_escaped(column) for column in table.columns]), _row(rules)]
        lines += [_row([_cell(cell) for cell in row]) for row in table.rows]
        lines.append("")
    if table.reasons:
        lines += [f"- {', '.join(names)}: {_escaped(why)}" for why, names in table.reasons.items()]
        lines.append("")
    return lines


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = _escaped(cell.text)
    return f"**{text}**" if cell.kind in LOUD else text


def _escaped(text: str) -> str:
    for character in "\\|*<":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")
