"""How far a meter's gain and zero may be off: ``accuracy.toml``, read and combined."""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolchain.errors import InputError

TABLE = Path(__file__).with_name("accuracy.toml")
GAINS = ("current_gain", "voltage_gain", "time_base", "shunt")


@dataclass(frozen=True)
class Limit:
    """An error's limit, of a uniform law, and where it comes from."""

    limit: float
    source: str


@dataclass(frozen=True)
class Accuracy:
    """Of one meter.

    Attributes:
        gains: relative limits by what is off.
        offset_a: limit of the zero in A.
    """

    gains: dict[str, Limit]
    offset_a: Limit

    @property
    def gain_uncertainty(self) -> float:
        """Relative standard uncertainty of energy: the limits over sqrt(3), in quadrature."""
        return math.hypot(*(gain.limit for gain in self.gains.values())) / math.sqrt(3)

    def offset_w(self, voltage_v: float) -> float:
        """Standard uncertainty of power from the zero, in W."""
        return self.offset_a.limit * voltage_v / math.sqrt(3)

    def certified(self, gain_limit: float) -> Accuracy:
        """The same with one limit that the user states for the whole gain.

        Raises:
            InputError: it is no relative error.
        """
        if not 0 <= gain_limit < 1:
            raise InputError(
                f"a gain error of {gain_limit}, must be at least 0 and below 1",
                hint="give a relative limit, such as gain=0.005 for 0.5 %",
            )
        return replace(self, gains={"stated": Limit(gain_limit, "stated with --meter")})

    def as_dict(self) -> dict[str, Any]:
        """JSON values: every limit with its source, and the standard uncertainty of the gain."""
        return {
            "gain_uncertainty": self.gain_uncertainty,
            "gains": {name: vars(limit) for name, limit in self.gains.items()},
            "offset_a": vars(self.offset_a),
        }


def accuracy_of(
    kind: str, *, shunt_ohm: float | None = None, shunt_tolerance: float | None = None
) -> Accuracy:
    """The table's figures for a meter.

    Args:
        kind: ``ina219``, ``ina226``, ``ina228``, ``ppk2``, ``joulescope`` or ``trace``.
        shunt_ohm: of a meter that has none of its own; its tolerance is one of the gains.
        shunt_tolerance: relative limit; None for the table's.
    """
    table = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    entry = {name: Limit(**limit) for name, limit in table[kind].items()}
    gains = {name: entry[name] for name in GAINS if name in entry}
    if shunt_ohm is None:
        return Accuracy(gains, entry["offset_a"])
    stated = Limit(shunt_tolerance, "board file") if shunt_tolerance is not None else None
    gains["shunt"] = stated or Limit(**table["shunt"]["gain"])
    volts = entry["offset_v"]
    return Accuracy(gains, Limit(volts.limit / shunt_ohm, volts.source))
