"""Write through the boot ROM's mass storage drive: copy the UF2, and the board takes it."""

from __future__ import annotations

import errno
import os
import shutil
import time
from pathlib import Path

from host.flash.flasher import TimeLimits
from host.flash.program import Program
from host.plugged import Machine, Mount, PluggedBoard, boot_drives
from toolchain.errors import FlashError

POLL_S = 0.05
GONE = (errno.EIO, errno.ENODEV, errno.ENXIO, errno.ENOENT, errno.ENOTCONN)
"""What a drive says that has left while the file system still wrote its tables."""


class MassStorage:
    """The drive of a chip in BOOTSEL mode (RP2040 datasheet 2.8.4)."""

    method = "msc"
    through_boot_rom = True
    through_drive = True

    def plan(self, program: Program) -> str:
        """What would be copied."""
        return f"copy {program.file.name} to the board's BOOTSEL drive"

    def obstacle(self, board: PluggedBoard, machine: Machine) -> str | None:
        """A board that is not in BOOTSEL mode, or whose drive is not mounted."""
        if not board.bootsel:
            return "the board is not in BOOTSEL mode; hold BOOTSEL while plugging it in"
        if board.drive is None:
            return (
                "its drive is not mounted; mount the one labelled RPI-RP2, for example with "
                "'udisksctl mount -b /dev/disk/by-label/RPI-RP2'"
            )
        return None

    def write(
        self, board: PluggedBoard, program: Program, machine: Machine, limits: TimeLimits
    ) -> None:
        """Copy the file, and wait until the drive is gone.

        Raises:
            FlashError: the drive is full, write-protected, or stays.
        """
        assert board.drive is not None, "obstacle() asks for it"
        drive = board.drive
        _copy(program.file, drive.folder / program.file.name)
        deadline = time.monotonic() + limits.gone_s
        while any(left.folder == drive.folder for left in boot_drives(program.board.chip, machine)):
            if _unplugged(drive):
                return
            if time.monotonic() > deadline:
                raise FlashError(
                    f"{drive.folder} is still there {limits.gone_s:.0f} s after "
                    f"{program.file.name} was copied, so the board has not taken it",
                    hint="unplug the board, hold BOOTSEL while plugging it in and flash it again; "
                    "or use --method picoboot",
                )
            time.sleep(POLL_S)


def _copy(file: Path, destination: Path) -> None:
    sent = False
    try:
        with file.open("rb") as source, destination.open("wb", buffering=0) as sink:
            shutil.copyfileobj(source, sink)
            sent = True
            os.fsync(sink.fileno())
    except OSError as error:
        if sent and error.errno in GONE:
            return  # the board starts when it has the last block, before the file is closed
        raise FlashError(
            f"{file.name} cannot be copied to {destination.parent}: {error.strerror}",
            hint=_REMEDIES.get(error.errno or 0, "plug the board in again and flash it again"),
        ) from error


def _unplugged(drive: Mount) -> bool:
    """Whether its device is gone while the machine still shows what it has read of it."""
    return drive.device is not None and not drive.device.exists()


_WRITABLE = (
    "mount the drive so that this user may write to it, for example with 'udisksctl mount'; or "
    "use --method picoboot"
)
_REMEDIES = {
    errno.ENOSPC: "the drive has no room for the file: check that it is the board's own, unplug "
    "the board and flash it again",
    errno.EROFS: _WRITABLE,
    errno.EACCES: _WRITABLE,
    errno.EPERM: _WRITABLE,
}
