"""The meter on the board's own I2C bus, which the firmware reads after each window."""

from __future__ import annotations

import math
from types import TracebackType
from typing import Self

from host.link import BoardClient, Identity
from host.meter.accuracy import accuracy_of
from host.meter.meter import MeterDescription, Reading
from host.metrics import Provenance
from toolchain.board import load_board
from toolchain.errors import MeasurementError
from toolchain.protocol import MeterKind, MeterReply, WindowMeter, WindowReply

SHUNT_RANGES_V = {
    MeterKind.INA219: (0.04, 0.08, 0.16, 0.32),
    MeterKind.INA226: (0.08192,),
    MeterKind.INA228: (0.04096,),
}
"""Largest drops over the shunt; the firmware sets up the first that the board's current needs."""
FULL_SHARE = 0.999
"""Of the range: a mean so high cannot be told from one that was cut off."""
MIN_COVERED = 0.4
"""Of a window, that a meter's figures must be of to stand for it. A meter that averages converts
once, for one of a few times up to a factor of two apart; the firmware picks one that surely fits.
"""
ROOM = 1.1
"""Windows of a meter that averages are so much shorter than they might be."""
LONGEST_CONVERSION_S = {
    MeterKind.INA219: 0.0681,  # 128 samples of 532 us
    MeterKind.INA226: 8.44,  # 1,024 averages of 8.244 ms
    MeterKind.INA228: math.inf,  # adds all of them up
}
GATE_HIGH_THEN_LOW = 0b11
ACCUMULATOR_BITS = 40


class BoardMeter:
    """An INA219, INA226 or INA228.

    Args:
        client: the open link.
        identity: what answered; says which meter the firmware found.
        provenance: of the board.

    Raises:
        MeasurementError: the board has no meter.
    """

    def __init__(self, client: BoardClient, identity: Identity, provenance: Provenance) -> None:
        if identity.meter == MeterKind.NONE.name.lower():
            raise MeasurementError(
                "no power meter answers on the board's I2C bus",
                hint="check its wiring and address, or use another: --meter ppk2, joulescope, "
                "trace:FILE, or none",
            )
        self._reply: MeterReply = client.meter()
        wiring = load_board(identity.board).meter
        self._kind = MeterKind(self._reply.kind)
        self._chip_id = identity.chip_id
        self._provenance = provenance
        self._shunt_ohm = self._reply.shunt_uohm * 1e-6
        self._accuracy = accuracy_of(
            identity.meter,
            shunt_ohm=self._shunt_ohm,
            shunt_tolerance=wiring.shunt_tolerance if wiring is not None else None,
        )
        # Another shunt than the board file's is built with at most the first range.
        needed_v = 0.0
        if wiring is not None and abs(wiring.shunt_ohm - self._shunt_ohm) < 1e-6:
            needed_v = wiring.max_current_a * self._shunt_ohm
        ranges_v = SHUNT_RANGES_V[self._kind]
        range_v = next((v for v in ranges_v if v >= needed_v), ranges_v[-1])
        self._range_a = range_v / self._shunt_ohm

    @property
    def bounded_by(self) -> WindowMeter:
        """The firmware bounds it."""
        return WindowMeter.BOARD

    @property
    def longest_s(self) -> float:
        """An INA219 or INA226 converts once a window, and has a longest conversion."""
        return LONGEST_CONVERSION_S[self._kind] / (ROOM * MIN_COVERED)

    @property
    def accumulates(self) -> bool:
        """An INA228 does; the others average."""
        return self._reply.energy_lsb_pj > 0

    @property
    def edge_s(self) -> float:
        """s for one conversion of all channels; no window's end is known better."""
        return self._reply.conversion_us * 1e-6

    def __enter__(self) -> Self:
        """Nothing is opened beside the link."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is open beside the link."""

    def describe(self) -> MeterDescription:
        """Which meter it is."""
        reply = self._reply
        digit = (
            f"{reply.energy_lsb_pj * 1e-12:.4g} J"
            if reply.energy_lsb_pj
            else f"{reply.shunt_voltage_lsb_nv * 1e-9 / self._shunt_ohm:.4g} A"
        )
        return MeterDescription(
            kind=self._kind.name.lower(),
            serial=f"on board {self._chip_id}",
            provenance=self._provenance,
            sample_rate_hz=1.0 / self.edge_s,
            range_a=self._range_a,
            resolution=digit,
            gate="the firmware starts and halts it",
            accuracy=self._accuracy,
            settings={
                "shunt_ohm": self._shunt_ohm,
                "conversion_s": self.edge_s,
                "address": reply.address,
            },
        )

    def arm(self) -> None:
        """The firmware arms it."""

    def read(self, reply: WindowReply) -> Reading:
        """What it accumulated, or averaged, over the window.

        A window does the same thing again and again, so what the figures are not of is taken to
        have drawn the mean power of what they are of.
        """
        elapsed_s, covered_s = reply.elapsed_us * 1e-6, reply.covered_us * 1e-6
        if covered_s <= 0:
            return Reading.refused("the meter converted nothing within the window")
        voltage_v = reply.bus_voltage * self._reply.bus_voltage_lsb_nv * 1e-9
        if self._reply.energy_lsb_pj:
            digit_w = self._reply.energy_lsb_pj * 1e-12 / covered_s
            # Both are cut off, never added: a count that is not full, and the conversion that the
            # end of the window broke off. Half of each is what they are on average.
            power_w = (reply.energy + 0.5) * digit_w * (1 + self.edge_s / 2 / covered_s)
            charge = _signed(reply.charge, ACCUMULATOR_BITS)
            current_a = charge * self._reply.charge_lsb_pc * 1e-12 / covered_s
        else:
            digit_a = self._reply.shunt_voltage_lsb_nv * 1e-9 / self._shunt_ohm
            current_a = reply.shunt_voltage * digit_a
            power_w = current_a * voltage_v
            digit_w = math.hypot(
                digit_a * voltage_v, current_a * self._reply.bus_voltage_lsb_nv * 1e-9
            )
        refusals = []
        if reply.gate != GATE_HIGH_THEN_LOW:
            missing = ["rise"] * (not reply.gate & 1) + ["fall"] * (not reply.gate & 2)
            refusals.append(f"the gate pin was not seen to {' and to '.join(missing)}")
        if abs(current_a) >= FULL_SHARE * self._range_a:
            refusals.append(
                f"a mean of {current_a:.4g} A fills the meter's range of {self._range_a:.4g} A"
            )
        if current_a < 0:
            refusals.append(f"a mean of {current_a:.4g} A: the shunt is wired the wrong way round")
        if covered_s < MIN_COVERED * elapsed_s:
            refusals.append(
                f"the meter's figures are of {covered_s:.4f} of the window's {elapsed_s:.4f} s, "
                f"at least {MIN_COVERED:.0%} are needed"
            )
        return Reading(
            energy_j=max(0.0, power_w) * elapsed_s,
            measured_s=elapsed_s,
            digit_j=digit_w * elapsed_s,
            ends_j=abs(power_w) * self.edge_s,
            voltage_v=voltage_v,
            refusals=tuple(refusals),
        )


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
