"""Flash an RP2040 through its boot ROM's mass storage drive.

The drive is told by its ``INFO_UF2.TXT``, not by its label (RP2040 datasheet 2.8.4.2).
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from toolchain.errors import TargetError

INFO = "INFO_UF2.TXT"
BOARD_ID = "RPI-RP2"
MOUNTS = Path("/proc/mounts")
GONE_TIMEOUT_S = 20.0
APPEARS_TIMEOUT_S = 15.0


def find_drives(mounts: Path = MOUNTS) -> list[Path]:
    """Mounted drives whose INFO_UF2.TXT says that they are an RP2040 in BOOTSEL mode."""
    drives = []
    for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(" ")
        if len(fields) > 2 and fields[2] in ("vfat", "msdos"):
            folder = Path(fields[1].encode().decode("unicode_escape"))
            info = folder / INFO
            if info.is_file() and f"Board-ID: {BOARD_ID}" in info.read_text(errors="replace"):
                drives.append(folder)
    return drives


def wait_for_drive(mounts: Path = MOUNTS, timeout_s: float = APPEARS_TIMEOUT_S) -> None:
    """Wait until a board that was sent into BOOTSEL mode has been mounted, or give up.

    Whether there is one is for :func:`flash` to say.
    """
    deadline = time.monotonic() + timeout_s
    while not find_drives(mounts) and time.monotonic() < deadline:
        time.sleep(0.2)


def flash(image: Path, mounts: Path = MOUNTS, timeout_s: float = GONE_TIMEOUT_S) -> Path:
    """Copy a UF2 to the one drive that waits for it, and wait until the board has taken it.

    Raises:
        TargetError: no drive, several, or one that stays.
    """
    drives = find_drives(mounts)
    if len(drives) != 1:
        raise TargetError(
            f"{len(drives)} RP2040 boards in BOOTSEL mode are mounted, expected 1"
            + (f": {', '.join(map(str, drives))}" if drives else ""),
            hint="hold BOOTSEL while plugging the board in, and mount its drive; or flash "
            f"{image.name} by hand and use --no-flash",
        )
    drive = drives[0]
    destination = drive / image.name
    with image.open("rb") as source, destination.open("wb") as sink:
        shutil.copyfileobj(source, sink)
        sink.flush()
        os.fsync(sink.fileno())
    deadline = time.monotonic() + timeout_s
    while (drive / INFO).exists():
        if time.monotonic() > deadline:
            raise TargetError(
                f"{drive} is still there {timeout_s:.0f} s after {image.name} was copied",
                hint="check that the image is for this chip; unplug the board and try again",
            )
        time.sleep(0.1)
    return drive
