"""What a piece of a program costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Cycles of one inference, and bytes of code and constants."""

    cycles: int = 0
    n_bytes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.cycles + other.cycles, self.n_bytes + other.n_bytes)

    def __rmul__(self, times: int) -> Cost:
        return Cost(times * self.cycles, times * self.n_bytes)
