"""Names of the training algorithms, for those who train nothing."""

from __future__ import annotations

from enum import StrEnum


class Algorithm(StrEnum):
    """Names of the training algorithms."""

    IMITATION = "imitation"
    PPO = "ppo"
