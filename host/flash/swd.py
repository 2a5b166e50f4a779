"""Write over SWD with a debug probe, through pyOCD; needs neither USB nor BOOTSEL."""

from __future__ import annotations

import io
from typing import Any

from host.flash.flasher import TimeLimits
from host.flash.program import Program
from host.plugged import Machine, PluggedBoard, permission_hint, probes_on
from toolchain.errors import FlashError, MissingDependencyError

INSTALL = "install it with: pip install 'jouleloop[swd]'"
TARGETS = {"rp2040": "rp2040"}
"""What pyOCD calls a chip."""


class Swd:
    """A debug probe on the board's SWD pins.

    Args:
        probe: the probe's serial number, or a part of it; None for the only one that is there.
    """

    method = "swd"
    through_boot_rom = False
    through_drive = False

    def __init__(self, probe: str | None = None) -> None:
        self.probe = probe

    def plan(self, program: Program) -> str:
        """What would be written where."""
        address, data = program.placed()
        return f"write {len(data):,} bytes at 0x{address:08x} by SWD and reset the board"

    def obstacle(self, board: PluggedBoard, machine: Machine) -> str | None:
        """No pyOCD, no probe, or more than one to choose from."""
        try:
            probes = self._probes()
        except MissingDependencyError:
            return f"pyocd is not installed; {INSTALL}"
        if not probes:
            seen = [device for _, device in probes_on(machine)]
            if seen:
                return (
                    "a debug probe is plugged in that this user may not open; "
                    f"{permission_hint(seen[0].ids)}"
                )
            return "no debug probe is plugged in" + (
                f" whose serial number has {self.probe!r} in it" if self.probe else ""
            )
        if len(probes) > 1:
            serials = ", ".join(probe.unique_id for probe in probes)
            return (
                f"{len(probes)} debug probes are there; name one: --method swd:SERIAL ({serials})"
            )
        return None

    def write(
        self, board: PluggedBoard, program: Program, machine: Machine, limits: TimeLimits
    ) -> None:
        """Program the flash and reset the chip.

        Raises:
            FlashError: the probe does not reach the chip, or programming failed.
            MissingDependencyError: pyOCD is not installed.
        """
        (probe,) = self._probes()
        from pyocd.core.exceptions import Error
        from pyocd.core.helpers import ConnectHelper
        from pyocd.flash.file_programmer import FileProgrammer

        address, data = program.placed()
        try:
            session = ConnectHelper.session_with_chosen_probe(
                blocking=False,
                return_first=True,
                unique_id=probe.unique_id,
                options={"target_override": TARGETS[program.board.chip]},
            )
            if session is None:
                raise FlashError("the debug probe is gone", hint="plug it in again")
            with session:
                FileProgrammer(session, no_reset=True).program(
                    io.BytesIO(data), file_format="bin", base_address=address
                )
                session.board.target.reset()
        except Error as error:
            raise FlashError(
                f"SWD with probe {probe.unique_id} failed: {error}",
                hint="check SWCLK, SWDIO, GND and the board's supply; or use --method msc",
            ) from error

    def _probes(self) -> list[Any]:
        try:
            from pyocd.core.helpers import ConnectHelper
        except ImportError as error:
            raise MissingDependencyError("SWD needs pyocd", hint=INSTALL) from error
        return list(
            ConnectHelper.get_all_connected_probes(
                blocking=False, unique_id=self.probe, print_wait_message=False
            )
        )
