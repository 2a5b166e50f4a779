"""One way of writing a program into one board; there are several, and more can be added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from host.flash.program import Program
from host.plugged import Machine, PluggedBoard


@dataclass(frozen=True)
class TimeLimits:
    """How long each step may take, in s."""

    appears_s: float = 15.0
    """Until a board that was sent into BOOTSEL mode is on USB again."""
    mounted_s: float = 8.0
    """Until its drive is mounted then; where nothing mounts drives, the next method is taken."""
    gone_s: float = 20.0
    """Until the drive is gone once the program was copied."""
    transfer_s: float = 10.0
    """Of one USB transfer; the erasure of all flash is the longest."""
    written_s: float = 180.0
    """Of the writing as a whole, whatever waits inside of it."""
    back_s: float = 15.0
    """Until the board answers with what was written."""


class Flasher(Protocol):
    """A way of writing.

    Attributes:
        method: what ``--method`` calls it.
        through_boot_rom: the board must be in its boot ROM's USB mode; the caller brings it there.
        through_drive: it writes to the boot ROM's drive, which takes a while to be mounted.
    """

    method: str
    through_boot_rom: bool
    through_drive: bool

    def plan(self, program: Program) -> str:
        """What :meth:`write` would do, in a line."""

    def obstacle(self, board: PluggedBoard, machine: Machine) -> str | None:
        """Why this board cannot be written in this way now, and what to do; None where it can."""

    def write(
        self, board: PluggedBoard, program: Program, machine: Machine, limits: TimeLimits
    ) -> None:
        """Write the program, and have the board start it.

        Raises:
            FlashError: it cannot be written; the message says what to do.
            MissingDependencyError: an extra is not installed.
        """
