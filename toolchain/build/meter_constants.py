"""A meter's calibration and scales, as integers for the firmware."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from toolchain.board import MeterWiring
from toolchain.errors import BoardFileError

SHUNT_CAL_MAX = 0x7FFF
CONVERSION_US = 300
"""150 us of bus voltage and 150 us of shunt voltage, as firmware/meter/jl_ina228.c sets up."""


@dataclass(frozen=True)
class Ina228Constants:
    """The INA228's setting and what its counts mean with that setting.

    Attributes:
        shunt_uohm: shunt in microohm.
        shunt_cal: SHUNT_CAL register.
        energy_lsb_pj: pJ per count of ENERGY.
        charge_lsb_pc: pC per count of CHARGE.
        bus_voltage_lsb_nv: nV per count of VBUS.
        conversion_us: us for one conversion of bus and shunt.
    """

    shunt_uohm: int
    shunt_cal: int
    energy_lsb_pj: int
    charge_lsb_pc: int
    bus_voltage_lsb_nv: int
    conversion_us: int


def ina228(wiring: MeterWiring) -> Ina228Constants:
    """Calibrate for the ±40.96 mV range (INA228 datasheet SBOS886, 8.1.2).

    SHUNT_CAL = 13107.2e6 * CURRENT_LSB * R * 4 is an integer register; the scales follow from the
    integer, not from the CURRENT_LSB that was asked for. Rounding them to whole pJ, pC and nV costs
    less than 1e-5 of their value.

    Raises:
        BoardFileError: the shunt is not whole microohm, the register cannot hold the value, or the
            range ends below ``max_current_a``.
    """
    shunt_uohm = Fraction(str(wiring.shunt_ohm)) * 1_000_000
    if shunt_uohm.denominator != 1:
        raise BoardFileError(f"meter.shunt_ohm {wiring.shunt_ohm} is not whole microohm")
    current_lsb_a = Fraction(str(wiring.max_current_a)) / 2**19
    shunt_cal = round(13_107_200_000 * current_lsb_a * shunt_uohm / 1_000_000 * 4)
    if not 1 <= shunt_cal <= SHUNT_CAL_MAX:
        raise BoardFileError(
            f"meter: SHUNT_CAL would be {shunt_cal}, the register holds 1 to {SHUNT_CAL_MAX}",
            hint="change meter.max_current_a, or use another shunt",
        )
    drop_v = Fraction(str(wiring.max_current_a)) * Fraction(str(wiring.shunt_ohm))
    if drop_v > Fraction("0.04096"):
        raise BoardFileError(
            f"meter.max_current_a {wiring.max_current_a} drops {float(drop_v) * 1e3:.2f} mV over "
            f"{wiring.shunt_ohm} ohm, the range ends at 40.96 mV",
            hint="use a smaller shunt or a smaller max_current_a",
        )
    true_lsb_a = Fraction(shunt_cal) / (13_107_200_000 * shunt_uohm / 1_000_000 * 4)
    return Ina228Constants(
        shunt_uohm=int(shunt_uohm),
        shunt_cal=shunt_cal,
        energy_lsb_pj=round(true_lsb_a * Fraction("51.2") * 10**12),
        charge_lsb_pc=round(true_lsb_a * 10**12),
        bus_voltage_lsb_nv=round(Fraction("195312.5")),
        conversion_us=CONVERSION_US,
    )


@dataclass(frozen=True)
class Ina219Constants:
    """The INA219's setting.

    Attributes:
        gain: PG field: 0 to 3 for a range of 40, 80, 160 or 320 mV over the shunt.
    """

    gain: int


def ina219(wiring: MeterWiring) -> Ina219Constants:
    """Choose the INA219's narrowest range that ``max_current_a`` fits (datasheet SBOS448, table 4).

    Raises:
        BoardFileError: it fits none.
    """
    drop_v = Fraction(str(wiring.max_current_a)) * Fraction(str(wiring.shunt_ohm))
    for gain in range(4):
        if drop_v <= Fraction("0.04") * 2**gain:
            return Ina219Constants(gain)
    raise BoardFileError(
        f"meter.max_current_a {wiring.max_current_a} drops {float(drop_v) * 1e3:.2f} mV over "
        f"{wiring.shunt_ohm} ohm, an INA219 measures 320 mV",
        hint="use a smaller shunt or a smaller max_current_a",
    )
