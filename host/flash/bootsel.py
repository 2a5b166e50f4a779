"""Bring a running board into its boot ROM's USB mode, and find it there."""

from __future__ import annotations

import time

from host.flash.flasher import TimeLimits
from host.link import touch_1200
from host.plugged import Machine, PluggedBoard, plugged_boards
from toolchain.errors import FlashError

POLL_S = 0.05


def enter_bootsel(
    board: PluggedBoard, machine: Machine, limits: TimeLimits, *, mounted: bool
) -> PluggedBoard:
    """Touch a board's own USB line at 1200 baud, and wait until it is there as a boot ROM.

    In BOOTSEL mode a board has lost its serial number, so it is known by the USB port that it is
    plugged into; where the machine does not say that, by having come just now.

    Args:
        board: a running one.
        machine: where to look.
        limits: how long to wait.
        mounted: wait for its drive to be mounted as well, though no longer than the limit.

    Raises:
        FlashError: it did not appear, or several did.
        LinkError: its port cannot be opened.
    """
    assert board.port is not None, "a board in BOOTSEL mode is there already"
    earlier = {other.target for other in plugged_boards(board.board, machine) if other.bootsel}
    touch_1200(board.port)
    appears_by = time.monotonic() + limits.appears_s
    mounted_by: float | None = None
    while True:
        here = [
            other
            for other in plugged_boards(board.board, machine)
            if other.bootsel
            and (
                other.location == board.location
                if board.location is not None and other.location is not None
                else other.target not in earlier
            )
        ]
        now = time.monotonic()
        if len(here) > 1:
            raise FlashError(
                "several boards came into BOOTSEL mode at once, and nothing tells them apart: "
                + ", ".join(map(str, here)),
                hint="unplug all but one",
            )
        if here:
            mounted_by = mounted_by or now + limits.mounted_s
            if not mounted or here[0].drive is not None or now > mounted_by:
                return here[0]
        elif now > appears_by:
            raise FlashError(
                f"{board} did not come into BOOTSEL mode within {limits.appears_s:.0f} s of the "
                "1200-baud touch",
                hint="hold BOOTSEL while plugging it in, and run the same command again",
            )
        time.sleep(POLL_S)
