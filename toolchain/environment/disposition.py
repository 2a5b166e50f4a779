"""The five dispositions of a returned product."""

from enum import IntEnum


class Disposition(IntEnum):
    """What becomes of a returned product; the actions of the environment."""

    REUSE = 0
    """Sold as it is on the second-hand market."""
    REMANUFACTURE = 1
    """Restored to as good as new; on failure it is recycled."""
    HARVEST = 2
    """Working components are taken out; the hulk is recycled."""
    RECYCLE = 3
    """Materials are recovered."""
    DISPOSE = 4
    """It leaves every loop."""


N_DISPOSITIONS = len(Disposition)
"""Number of actions."""
