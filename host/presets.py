"""Names that the command line offers before anything heavy is imported."""

from __future__ import annotations

from enum import StrEnum


class PresetName(StrEnum):
    """Names of the presets."""

    QUICK = "quick"
    FULL = "full"


class GeneratorName(StrEnum):
    """Names of the scenario generators."""

    ARTICLE = "article"
    WEEE = "weee"


BASELINE_NAMES = (
    "always_dispose",
    "random",
    "all_recycle",
    "unit_margin",
    "greedy_capacity",
    "bid_price",
)
"""Names of :data:`toolchain.environment.BASELINES`."""
