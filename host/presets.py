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
