"""A finding of ``jouleloop doctor``: what was looked at, how it is, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a finding is."""

    OK = "ok"
    WARN = "warn"
    """Something is not there that only some commands need."""
    MISSING = "missing"
    """What was asked for cannot be done like this."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        area: what kind of thing it is; the table's groups.
        name: what it is called.
        level: how it is.
        detail: what was found.
        remedy: what to do; empty where nothing is to be done.
    """

    area: str
    name: str
    level: Level
    detail: str
    remedy: str = ""

    def __post_init__(self) -> None:
        if (self.level is Level.OK) == bool(self.remedy):
            raise ValueError(f"{self.name}: every finding but a good one has a remedy")


def lacking(needed: bool) -> Level:
    """The level of what is not there."""
    return Level.MISSING if needed else Level.WARN


def healthy(findings: Iterable[Finding]) -> bool:
    """Whether nothing is missing."""
    return all(finding.level is not Level.MISSING for finding in findings)
