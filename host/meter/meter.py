"""What every power meter is to the rest of the house.

A meter bounds one window at a time. Who bounds it differs: a meter on the board's bus is reset and
halted by the firmware, a meter on the host sees the firmware's gate pin on a digital input. Either
way :meth:`Meter.arm` comes before the request that runs the window, :meth:`Meter.read` after its
reply.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import TracebackType
from typing import Any, Protocol, Self

from host.meter.accuracy import Accuracy
from host.metrics import Provenance
from toolchain.protocol import WindowMeter, WindowReply


@dataclass(frozen=True)
class MeterDescription:
    """Which instrument measured, and how well it can.

    Attributes:
        kind: such as ``ina228`` or ``ppk2``.
        serial: of the individual; empty where it has none to tell.
        provenance: of what it measures.
        sample_rate_hz: conversions or samples a second.
        range_a: largest current that it measures in A.
        resolution: its last digit in words, with unit.
        gate: how it knows a window's ends.
        accuracy: of its gain and its zero.
        settings: what else was chosen, JSON types only.
    """

    kind: str
    serial: str
    provenance: Provenance
    sample_rate_hz: float
    range_a: float
    resolution: str
    gate: str
    accuracy: Accuracy
    settings: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {
            **asdict(self),
            "provenance": str(self.provenance),
            "accuracy": self.accuracy.as_dict(),
        }


def meter_text(described: Mapping[str, Any]) -> str:
    """One line on an instrument, from what :meth:`MeterDescription.as_dict` gave."""
    name = " ".join(part for part in (described["kind"], described["serial"]) if part)
    return (
        f"{name} ({described['provenance']}), last digit {described['resolution']}, gate: "
        f"{described['gate']}"
    )


@dataclass(frozen=True)
class Reading:
    """What a meter measured between the ends of one window.

    Attributes:
        energy_j: J that went into the board over ``measured_s``.
        measured_s: s between the ends by the meter's own clock; for a meter on the board, by the
            board's timer.
        digit_j: J of the meter's last digit over this window.
        ends_j: J that may have been cut off or added at the window's ends.
        voltage_v: mean V of the supply.
        edge_s: s that ``measured_s`` may be off at both ends together; None where the meter has no
            clock of its own to hold against the board's.
        refusals: why it must not be used; empty when it may.
    """

    energy_j: float
    measured_s: float
    digit_j: float
    ends_j: float
    voltage_v: float
    edge_s: float | None = None
    refusals: tuple[str, ...] = ()

    @property
    def resolution_j(self) -> float:
        """J that the meter cannot tell apart over this window."""
        return self.digit_j + self.ends_j

    @classmethod
    def refused(cls, *reasons: str) -> Reading:
        """No figures, and why."""
        return cls(0.0, 0.0, 0.0, 0.0, 0.0, refusals=reasons)


class Meter(Protocol):
    """A power meter; a context manager that opens and closes it."""

    @property
    def bounded_by(self) -> WindowMeter:
        """Who finds a window's ends: the board, or the meter in its samples of the gate."""

    @property
    def accumulates(self) -> bool:
        """Whether its last digit is one of energy, so that a longer window has more of them."""

    @property
    def edge_s(self) -> float:
        """s that both ends of a window may be off together, 0 where that is not known yet."""

    @property
    def longest_s(self) -> float:
        """s of the longest window that its figures can stand for."""

    def describe(self) -> MeterDescription:
        """Which instrument it is.

        Raises:
            MeasurementError: it does not say.
        """

    def arm(self) -> None:
        """Watch for a window from now on.

        Raises:
            MeasurementError: it cannot; nothing that was measured before is lost.
        """

    def read(self, reply: WindowReply) -> Reading | None:
        """What was measured in the window that ended with ``reply``; None: only afterwards.

        Raises:
            MeasurementError: the instrument is gone.
        """

    def __enter__(self) -> Self:
        """Open it."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it."""
