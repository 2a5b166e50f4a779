"""Flash a target, start or open it, and check that what answers is what was flashed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from host.emulator import BoardProcess, EmulatedBoard, NativeBoard
from host.flash import bootsel
from host.flash.state import read_flash, write_flash
from host.link import BoardClient, Identity, check_identity, touch_1200
from host.target import Target
from toolchain.build import Image
from toolchain.errors import LinkError

COME_BACK_S = 10.0
"""How long a board that was just flashed may need until it answers."""
PROCESS_PACE = 100.0
"""How much slower than silicon a board may be that is a process: an emulated core is 40 times."""


@contextmanager
def open_target(
    target: Target, image: Image, *, flash: bool = True
) -> Iterator[tuple[BoardClient, Identity]]:
    """A target that runs ``image``, its identity checked.

    Args:
        target: the board and where it is.
        image: what it is to run.
        flash: write it first; otherwise what the target already runs must be it.

    Raises:
        IdentityError: something else answers.
        LinkError: nothing answers, or the port cannot be opened.
        TargetError: it cannot be flashed, or was never flashed.
    """
    if target.emulated or target.native:
        file = write_flash(target, image.program) if flash else read_flash(target)
        with (
            _power_on(target, file) as board,
            BoardClient.open(
                board.usb_port or board.port, target.board.link.baud, pace=PROCESS_PACE
            ) as client,
        ):
            yield client, _checked(client.hello(), target, image)
        return
    if flash:
        if not bootsel.find_drives() and target.usb_serial:
            touch_1200(target.where)
            bootsel.wait_for_drive()
        bootsel.flash(image.program)
    with _open_port(target, COME_BACK_S if flash else 0.0) as client:
        yield client, _checked(client.hello(), target, image)


def _power_on(target: Target, file: Path) -> BoardProcess:
    if target.native:
        return NativeBoard(file, serial=target.individual)
    return EmulatedBoard(target.board.name, file, serial=target.individual, usb=target.usb)


def _open_port(target: Target, within_s: float) -> BoardClient:
    """Open the port; a board that was just flashed may need a moment to come back."""
    deadline = time.monotonic() + within_s
    while True:
        client: BoardClient | None = None
        try:
            client = BoardClient.open(target.where, target.board.link.baud)
            client.hello()
        except LinkError:
            if client is not None:
                client.close()
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.2)
        else:
            return client


def _checked(found: Identity, target: Target, image: Image) -> Identity:
    check_identity(
        found,
        board=target.board.name,
        engine=image.engine.name.lower(),
        model_sha256=image.model_sha256,
        fallback_sha256=image.fallback_sha256,
        image_sha256=image.image_sha256,
    )
    return found
