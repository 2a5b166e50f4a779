"""Hardware in the loop: benchmark targets side by side, compare with a baseline, run campaigns."""

from host.hil.baseline import Baseline, Entry, read_baseline
from host.hil.campaign import run_campaign
from host.hil.command import as_json, hil, print_hil
from host.hil.compare import Comparison, TargetReport, Verdict, compare, require_comparable
from host.hil.figures import FIGURE_KINDS, Figure, Figures
from host.hil.job import Job, Outcome, Scenario, Status, Variant
from host.hil.noise import RULES, Side, Tolerance
from host.hil.runner import JobRunner

__all__ = [
    "FIGURE_KINDS",
    "RULES",
    "Baseline",
    "Comparison",
    "Entry",
    "Figure",
    "Figures",
    "Job",
    "JobRunner",
    "Outcome",
    "Scenario",
    "Side",
    "Status",
    "TargetReport",
    "Tolerance",
    "Variant",
    "Verdict",
    "as_json",
    "compare",
    "hil",
    "print_hil",
    "read_baseline",
    "require_comparable",
    "run_campaign",
]
