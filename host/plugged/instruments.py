"""Meters and debug probes on USB, by their ids."""

from __future__ import annotations

from dataclasses import dataclass

from host.plugged.machine import Machine, UsbDevice

UsbIds = tuple[int, int]


@dataclass(frozen=True)
class Instrument:
    """A kind of instrument.

    Attributes:
        name: what it is sold as.
        ids: its USB vendor and product id.
        extra: of this package, that drives it.
        module: which that extra installs.
    """

    name: str
    ids: UsbIds
    extra: str
    module: str


PPK2 = Instrument("Nordic PPK2", (0x1915, 0xC00A), "ppk2", "ppk2_api")

INSTRUMENTS = (
    PPK2,
    Instrument("Joulescope JS110", (0x16D0, 0x0E88), "joulescope", "pyjoulescope_driver"),
    Instrument("Joulescope JS220", (0x16D0, 0x10BA), "joulescope", "pyjoulescope_driver"),
    Instrument("Joulescope JS320", (0x16D0, 0x135A), "joulescope", "pyjoulescope_driver"),
)
"""Meters that ``--meter`` can use, by what their makers' udev rules say."""

PROBES = (
    Instrument("Raspberry Pi Debug Probe", (0x2E8A, 0x000C), "swd", "pyocd"),
    Instrument("Picoprobe", (0x2E8A, 0x0004), "swd", "pyocd"),
)
"""Debug probes for SWD. pyOCD knows more of them; these need no driver of their maker."""


def instruments_on(machine: Machine) -> list[tuple[Instrument, UsbDevice]]:
    """The meters that are plugged in."""
    return _among(INSTRUMENTS, machine)


def probes_on(machine: Machine) -> list[tuple[Instrument, UsbDevice]]:
    """The debug probes that are plugged in, of those that are known by their ids."""
    return _among(PROBES, machine)


def _among(kinds: tuple[Instrument, ...], machine: Machine) -> list[tuple[Instrument, UsbDevice]]:
    by_ids = {kind.ids: kind for kind in kinds}
    return [
        (by_ids[device.ids], device) for device in machine.usb_devices() if device.ids in by_ids
    ]
