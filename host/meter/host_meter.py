"""What all instruments on the host have in common: they sample, the board's gate pin beside."""

from __future__ import annotations

import math

from host.meter.accuracy import accuracy_of
from toolchain.protocol import WindowMeter


class HostMeter:
    """Base of the meters whose samples carry the gate.

    Args:
        kind: its entry in ``accuracy.toml``.
        gain_limit: relative, from a certificate; None for the table's.

    Raises:
        InputError: the limit is no relative error.
    """

    def __init__(self, kind: str, gain_limit: float | None) -> None:
        accuracy = accuracy_of(kind)
        self._accuracy = accuracy if gain_limit is None else accuracy.certified(gain_limit)

    @property
    def bounded_by(self) -> WindowMeter:
        """The samples carry the gate."""
        return WindowMeter.HOST

    @property
    def longest_s(self) -> float:
        """It samples for as long as it is let."""
        return math.inf

    @property
    def accumulates(self) -> bool:
        """Its last digit is one of current."""
        return False
