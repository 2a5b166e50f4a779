"""What changed between two runs, in figures, with what is noise marked as noise."""

from host.diff.change import Change, Verdict
from host.diff.console import print_diff
from host.diff.difference import DIFF_SCHEMA, Difference, diff_runs, difference
from host.diff.markdown import markdown
from host.diff.page import render
from host.diff.run import DiffedRun, read_run

__all__ = [
    "DIFF_SCHEMA",
    "Change",
    "DiffedRun",
    "Difference",
    "Verdict",
    "diff_runs",
    "difference",
    "markdown",
    "print_diff",
    "read_run",
    "render",
]
