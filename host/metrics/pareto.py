"""What nothing beats in quality and in energy at once."""

from __future__ import annotations

from collections.abc import Sequence


def pareto_front(quality: Sequence[float], energy_j: Sequence[float]) -> list[int]:
    """Indices of what nothing beats in both, from the cheapest to the best.

    A network is beaten when another has at least its quality for at most its energy, and is better
    in one of them.
    """
    front = [
        i
        for i in range(len(quality))
        if not any(
            quality[j] >= quality[i]
            and energy_j[j] <= energy_j[i]
            and (quality[j] > quality[i] or energy_j[j] < energy_j[i])
            for j in range(len(quality))
        )
    ]
    return sorted(front, key=lambda i: (energy_j[i], quality[i]))
