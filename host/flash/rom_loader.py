"""Write over the serial port through the boot ROM's loader of Espressif's chips, by esptool."""

from __future__ import annotations

import contextlib
import io
from typing import Any

from host.flash.flasher import TimeLimits
from host.flash.program import Program
from host.plugged import Machine, PluggedBoard
from toolchain.errors import FlashError

CHIPS = {"esp32c3": "ESP32-C3"}
"""What esptool calls a chip."""
CONNECT_BAUD = 115_200
TRANSFER_BAUD = 460_800
"""That every bridge on Espressif's own boards can do."""


class RomLoader:
    """The loader that a chip starts when its boot pin is low at reset.

    The adapter's DTR and RTS lines are those of Espressif's own boards: one holds the boot pin, the
    other resets the chip; so are the USB serial/JTAG controller's.
    """

    method = "esptool"
    through_boot_rom = False
    through_drive = False

    def plan(self, program: Program) -> str:
        """What would be written where."""
        address, data = program.placed()
        return (
            f"reset the board into its boot ROM by DTR and RTS, write {len(data):,} bytes of "
            f"{program.file.name} at 0x{address:x} by esptool, read them back and reset it"
        )

    def obstacle(self, board: PluggedBoard, machine: Machine) -> str | None:
        """No port that the loader could be spoken to on."""
        if board.port is None:
            return f"the board's serial port is not known; name it: {board.board.name}@/dev/ttyUSB0"
        return None

    def write(
        self, board: PluggedBoard, program: Program, machine: Machine, limits: TimeLimits
    ) -> None:
        """Write the flash, compare it, and reset the chip.

        Raises:
            FlashError: the loader does not answer, another chip does, or the flash is not what was
                written.
        """
        from esptool import FatalError, cmds

        address, data = program.placed()
        said = io.StringIO()
        # esptool reports its progress on stdout, which is the command's own result.
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                loader = cmds.detect_chip(port=board.port, baud=CONNECT_BAUD)
                try:
                    self._write(loader, cmds, board, [(address, data)])
                finally:
                    loader._port.close()
            except (FatalError, OSError) as error:
                raise FlashError(
                    f"{board}: esptool failed: {error}",
                    hint="hold BOOT while pressing RESET, and flash it again; close whatever else "
                    "has the port open",
                ) from error

    def _write(
        self, loader: Any, cmds: Any, board: PluggedBoard, content: list[tuple[int, bytes]]
    ) -> None:
        expected = CHIPS[board.board.chip]
        if expected != loader.CHIP_NAME:
            raise FlashError(
                f"{board}: an {loader.CHIP_NAME} answers, not an {expected}",
                hint="name the right port; nothing was written",
            )
        loader = cmds.run_stub(loader)
        loader.change_baud(TRANSFER_BAUD)
        cmds.attach_flash(loader)
        cmds.write_flash(loader, content)
        cmds.verify_flash(loader, content)
        cmds.reset_chip(loader, "hard-reset")
