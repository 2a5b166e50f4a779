"""Flash a target, start or open it, and check that what answers is what was flashed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from host.emulator import EmulatedBoard
from host.flash import bootsel
from host.flash.state import read_flash, write_flash
from host.link import BoardClient, Identity, check_identity
from host.target import Target
from toolchain.build import Image
from toolchain.errors import LinkError, LinkTimeoutError

COME_BACK_S = 10.0


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
    if target.emulated:
        file = write_flash(target, image.uf2) if flash else read_flash(target)
        with (
            EmulatedBoard(
                target.board.name, file, serial=target.individual, usb=target.usb
            ) as board,
            BoardClient.open(board.usb_port or board.port, target.board.link.baud) as client,
        ):
            yield client, _checked(client.hello(), target, image)
        return
    if flash:
        bootsel.flash(image.uf2)
    with _open_port(target) as client:
        yield client, _checked(client.hello(), target, image)


def _open_port(target: Target) -> BoardClient:
    """Open the port; a board that was just flashed may need a moment to come back."""
    deadline = time.monotonic() + COME_BACK_S
    while True:
        client: BoardClient | None = None
        try:
            client = BoardClient.open(target.where, target.board.link.baud)
            client.hello()
        except (LinkTimeoutError, LinkError):
            if client is not None:
                client.close()
            if time.monotonic() > deadline:
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
        image_sha256=image.image_sha256,
    )
    return found
