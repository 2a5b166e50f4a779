"""Plans activation memory: which bytes of one static arena hold which values, and when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ALIGNMENT_BYTES = 4
"""Every offset is a multiple of this, so that a kernel may load words."""


@dataclass(frozen=True)
class Lifetime:
    """Values that must be kept from one step to another, both included."""

    n_bytes: int
    first_step: int
    last_step: int

    def overlaps(self, other: Lifetime) -> bool:
        """Whether both are needed during some step."""
        return self.first_step <= other.last_step and other.first_step <= self.last_step


@dataclass(frozen=True)
class ArenaPlan:
    """Offsets in bytes, one per lifetime, and the bytes that all of them need."""

    offsets: tuple[int, ...]
    n_bytes: int


def _aligned(n_bytes: int) -> int:
    return -(-n_bytes // ALIGNMENT_BYTES) * ALIGNMENT_BYTES


def plan_arena(lifetimes: Sequence[Lifetime]) -> ArenaPlan:
    """Place the largest first, each at the lowest offset where nothing alive is in the way.

    Args:
        lifetimes: in any order; sizes at least 1 byte.

    Returns:
        A plan in which values that are alive at the same time never share a byte.
    """
    order = sorted(
        range(len(lifetimes)), key=lambda i: (-lifetimes[i].n_bytes, lifetimes[i].first_step, i)
    )
    offsets: dict[int, int] = {}
    for index in order:
        blockers = sorted(
            (offsets[other], offsets[other] + _aligned(lifetimes[other].n_bytes))
            for other in offsets
            if lifetimes[other].overlaps(lifetimes[index])
        )
        offset = 0
        for begin, end in blockers:
            if offset + _aligned(lifetimes[index].n_bytes) <= begin:
                break
            offset = max(offset, end)
        offsets[index] = offset
    total = max((offsets[i] + _aligned(lifetimes[i].n_bytes) for i in offsets), default=0)
    return ArenaPlan(tuple(offsets[i] for i in range(len(lifetimes))), total)
