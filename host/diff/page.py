"""The difference as one self-contained HTML page, in the report's style."""

from __future__ import annotations

from pathlib import Path

import jinja2

from host.diff.difference import Difference
from host.diff.tables import heading, tables
from host.report import TEMPLATES


def render(difference: Difference) -> str:
    """The page; it loads nothing."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent, TEMPLATES]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("diff.html.j2").render(
        heading=heading(difference),
        headline=difference.headline,
        tables=list(tables(difference)),
        provenances=("measured", "emulated", "modelled", "unavailable"),
    )
