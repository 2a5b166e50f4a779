"""Names that the command line offers before anything heavy is imported."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias, TypeVar

from toolchain.errors import InputError

_Name = TypeVar("_Name", bound=StrEnum)


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

GivenPreset: TypeAlias = PresetName | str | None
"""A preset or its name; None where it is not given."""

GivenGenerator: TypeAlias = GeneratorName | str | None
"""A generator or its name; None where it is not given."""


def preset_name(given: GivenPreset) -> PresetName | None:
    """The preset of a name; None where it is not given.

    Raises:
        InputError: there is no such preset.
    """
    return _named(PresetName, given, "preset")


def generator_name(given: GivenGenerator) -> GeneratorName | None:
    """The generator of a name; None where it is not given.

    Raises:
        InputError: there is no such generator.
    """
    return _named(GeneratorName, given, "generator")


def _named(kind: type[_Name], given: str | None, what: str) -> _Name | None:
    if given is None:
        return None
    try:
        return kind(given)
    except ValueError as error:
        raise InputError(
            f"unknown {what} {given!r}", hint=f"use one of {', '.join(kind)}"
        ) from error
