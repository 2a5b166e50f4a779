"""The node's power states: what it draws in each, and what passing between them costs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from host.metrics.metric import Provenance
from host.metrics.window import (
    OF_WINDOWS,
    EnergyWindow,
    Estimate,
    WindowName,
    energy_each,
    energy_each_above,
    mean_power,
)


@dataclass(frozen=True)
class PowerFigure:
    """One figure of a power state.

    Attributes:
        value: in ``unit``.
        uncertainty: standard uncertainty, in ``unit``.
        unit: ``J`` or ``W``.
        provenance: how it came about.
    """

    value: float
    uncertainty: float
    unit: str
    provenance: Provenance

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**vars(self), "provenance": str(self.provenance)}


@dataclass(frozen=True)
class PowerStates:
    """What the node draws; a figure that was not measured is None, and ``reasons`` says why.

    Attributes:
        idle_w: W while it waits for interrupts with its clocks running.
        sleep_w: W while it sleeps as deep as its firmware lets it.
        run_w: W while it decides, one decision after the other.
        inference_j: J of one decision, board total.
        inference_idle_subtracted_j: J of one decision above idle.
        wake_up_j: J of falling asleep and waking up once, above sleeping all the time.
        link_j_per_byte: J for a byte sent to the host, board total while it is sent.
        reasons: why a figure is None, by its name.
    """

    idle_w: PowerFigure | None = None
    sleep_w: PowerFigure | None = None
    run_w: PowerFigure | None = None
    inference_j: PowerFigure | None = None
    inference_idle_subtracted_j: PowerFigure | None = None
    wake_up_j: PowerFigure | None = None
    link_j_per_byte: PowerFigure | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON values: a mapping or None for each figure, and ``reasons``."""
        figures = {
            f.name: None if (figure := getattr(self, f.name)) is None else figure.as_dict()
            for f in fields(self)
            if f.name != "reasons"
        }
        return {**figures, "reasons": dict(self.reasons)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> PowerStates:
        """Read back what :meth:`as_dict` gave."""
        figures = {
            name: PowerFigure(**{**value, "provenance": Provenance(value["provenance"])})
            for name, value in values.items()
            if name != "reasons" and value is not None
        }
        return cls(**figures, reasons=dict(values["reasons"]))


def power_states(
    windows: Sequence[EnergyWindow], provenance: Provenance, mode: str = "full"
) -> PowerStates:
    """The power states that a run's windows give.

    Args:
        windows: all that were tried, refused ones included.
        provenance: of the meter and the board.
        mode: whose decisions ``run_w`` and the inference figures are of.
    """
    of: dict[WindowName, list[EnergyWindow]] = {
        kind: [w for w in windows if w.accepted and w.kind == kind and w.mode in ("", mode)]
        for kind in ("idle", "sleep", "inference", "wake", "link")
    }
    figures: dict[str, PowerFigure] = {}
    reasons: dict[str, str] = {}

    def add(
        name: str, unit: str, needs: Sequence[WindowName], figure: Callable[..., Estimate]
    ) -> None:
        missing = [kind for kind in needs if not of[kind]]
        if missing:
            reasons[name] = "; ".join(_why(kind, windows) for kind in missing)
            return
        estimate = figure(*(of[kind] for kind in needs))
        figures[name] = PowerFigure(estimate.value, estimate.uncertainty, unit, provenance)

    add("idle_w", "W", ["idle"], mean_power)
    # A window of sleep has one falling asleep and waking up in it, which is not sleep.
    add("sleep_w", "W", ["sleep", "wake"], lambda sleep, wake: _sleep_and_wake_up(sleep, wake)[0])
    add("run_w", "W", ["inference"], mean_power)
    add("inference_j", "J", ["inference"], energy_each)
    add("inference_idle_subtracted_j", "J", ["inference", "idle"], energy_each_above)
    add("wake_up_j", "J", ["sleep", "wake"], lambda sleep, wake: _sleep_and_wake_up(sleep, wake)[1])
    add("link_j_per_byte", "J", ["link"], energy_each)
    return PowerStates(**figures, reasons=reasons)


def _sleep_and_wake_up(
    sleep: Sequence[EnergyWindow], wake: Sequence[EnergyWindow]
) -> tuple[Estimate, Estimate]:
    """W asleep, and J of one wake-up, from windows that have one wake-up and many.

    With ``P`` asleep and ``W`` for a wake-up, a window of sleep takes ``P t + W`` and one of ``n``
    wake-ups ``P T + n W``. What the latter takes above the former's mean power is therefore
    ``n W (1 - (T/n)/t)``.
    """
    above, mean = energy_each_above(wake, sleep), mean_power(sleep)
    lasts_s = min(w.elapsed_s for w in sleep)
    share = max(w.elapsed_s / w.iterations for w in wake) / lasts_s
    wake_up = Estimate(
        above.value / (1 - share), {k: part / (1 - share) for k, part in above.parts.items()}
    )
    power_w = mean.value - wake_up.value / lasts_s
    own = math.hypot(*(wake_up.parts[name] for name in OF_WINDOWS))
    gain = abs(power_w) * mean.parts["gain"] / mean.value if mean.value else mean.parts["gain"]
    return Estimate(power_w, {**mean.parts, "gain": gain, "baseline": own / lasts_s}), wake_up


def _why(kind: WindowName, windows: Sequence[EnergyWindow]) -> str:
    refused = dict.fromkeys(w.reason for w in windows if w.kind == kind and not w.accepted)
    return f"no {kind} window can be used: {'; '.join(refused) or 'none was run'}"
