"""What a board that is a process has in its flash: kept between power cycles, like a real one's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_state_path

from host.target import Target
from toolchain.errors import PortBusyError, TargetError

STARTING_S = 60.0
"""Longest that a board which is a process may take from its flash to its first answer, with as many
others before it as a machine starts at once."""


def state_folder() -> Path:
    """Where what outlives a command and a run is kept (``JOULELOOP_STATE`` moves it)."""
    root = os.environ.get("JOULELOOP_STATE")
    return Path(root) if root else user_state_path("jouleloop")


def flash_file(target: Target) -> Path:
    """Where such a board's flash is kept."""
    return state_folder() / target.individual / f"flash.{target.board.image.format}"


@contextmanager
def flash_in_use(target: Target) -> Iterator[None]:
    """Keep such a board's flash from others until the process has read it and answers.

    Raises:
        PortBusyError: another process does not let go of it.
    """
    file = flash_file(target)
    file.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(file.with_name(f".{file.name}.lock"), timeout=STARTING_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise PortBusyError(
            f"{file}, the flash of {target}, has been in use for {STARTING_S:g} s by another "
            "process that is starting it",
            hint="end that process, or name another folder in JOULELOOP_STATE",
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_flash(target: Target, image: Path) -> Path:
    """Put an image into the board's flash, whole or not at all; returns the file."""
    file = flash_file(target)
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_suffix(f".{os.getpid()}.partial")
    shutil.copy(image, temporary)  # with its mode: a native image is run
    temporary.replace(file)
    return file


def read_flash(target: Target) -> Path:
    """The image that the board has.

    Raises:
        TargetError: it was never flashed.
    """
    file = flash_file(target)
    if not file.exists():
        raise TargetError(
            f"{target} has never been flashed, so it runs nothing",
            hint="leave out --no-flash",
        )
    return file
