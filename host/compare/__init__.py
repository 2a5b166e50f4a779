"""Compare: one policy in several precisions and sizes, accuracy against joules on one target."""

from host.compare.command import compare
from host.compare.console import print_comparison
from host.compare.figures import (
    Joules,
    Line,
    Trade,
    joules_per_correct_decision,
    statement,
    trades,
)
from host.compare.network import ComparedNetwork, compared_networks
from host.compare.quality import Judged, correct_decisions
from host.metrics import pareto_front

__all__ = [
    "ComparedNetwork",
    "Joules",
    "Judged",
    "Line",
    "Trade",
    "compare",
    "compared_networks",
    "correct_decisions",
    "joules_per_correct_decision",
    "pareto_front",
    "print_comparison",
    "statement",
    "trades",
]
