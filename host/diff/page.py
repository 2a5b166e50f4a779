"""The difference as one self-contained HTML page, in the report's style."""

from __future__ import annotations

from pathlib import Path

from host.diff.difference import Difference
from host.diff.tables import heading, tables
from host.report import page_environment


def render(difference: Difference) -> str:
    """The page; it loads nothing."""
    shown = list(tables(difference))
    parts = {f"part-{number}": table.title for number, table in enumerate(shown, 1)}
    template = page_environment(Path(__file__).parent).get_template("diff.html.j2")
    return template.render(
        heading=heading(difference),
        headline=difference.headline,
        tables=shown,
        sections={"summary": "Summary", **parts},
        plots=[],
    )
