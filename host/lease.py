"""Leases: one process a board at a time, also across the users of one machine.

A lease is a lock of the kernel on a file in a place that all users share, so it ends with the
process that holds it, however that dies: none can be stale. Who holds it stands in a file beside it
for those who wait.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import json
import os
import re
import shlex
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from serial.tools.list_ports_common import ListPortInfo

from host.flash import find_board
from host.flash.state import flash_file
from host.plugged import Machine, usb_location
from host.target import Target
from toolchain.errors import PortBusyError, TargetError

FOLDER_VARIABLE = "JOULELOOP_LOCKS"
SHARED_FOLDERS = (Path("/run/lock"), Path("/var/lock"))
"""Where lock files of all users belong (FHS 3.0); the folder for temporary files stands in."""
FOLDER_MODE = 0o1777
FILE_MODE = 0o666
POLL_S = 0.1
COMMAND_CHARACTERS = 200


@dataclass(frozen=True)
class Holder:
    """Who has a board.

    Attributes:
        pid: of the process.
        user: whose it is.
        command: its command line.
        target: as it was named.
        since: when the lease was taken, ISO 8601 in UTC.
    """

    pid: int
    user: str
    command: str
    target: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} of {self.user} since {self.since}: {self.command}"


@contextmanager
def lease(
    target: Target,
    *,
    wait_s: float = 0.0,
    on_wait: Callable[[str], None] | None = None,
    machine: Machine | None = None,
) -> Iterator[None]:
    """Hold a board for this process alone.

    Args:
        target: the board. Its lines share one lease; so do all names of a physical one.
        wait_s: how long to wait for whoever has it.
        on_wait: told who that is, again and again; what it raises ends the waiting.
        machine: where boards are plugged in; this one by default.

    Raises:
        PortBusyError: another process still has it when the time is over.
    """
    with _held(board_key(target, machine or Machine()), str(target), wait_s, on_wait):
        yield


@contextmanager
def port_lease(port: ListPortInfo) -> Iterator[None]:
    """Hold whatever board is at a serial port, for a moment, without waiting for it.

    Raises:
        PortBusyError: another process has it.
    """
    with _held(_port_key(port) or f"port {os.path.realpath(port.device)}", port.device):
        yield


@contextmanager
def _held(
    key: str, of: str, wait_s: float = 0.0, on_wait: Callable[[str], None] | None = None
) -> Iterator[None]:
    folder = lock_folder()
    name = _file_name(key)
    holder_file = folder / f"{name}.json"
    lock = FileLock(folder / f"{name}.lock", mode=FILE_MODE, thread_local=False)
    deadline: float | None = None
    while True:
        try:
            lock.acquire(timeout=0, poll_interval=POLL_S)
            break
        except Timeout:
            now = time.monotonic()
            deadline = now + wait_s if deadline is None else deadline
            who = _read(holder_file) or "a process that has not said who it is"
            if now >= deadline:
                waited = f"; waited {wait_s:g} s" if wait_s else ""
                raise PortBusyError(
                    f"{of} is in use by {who}{waited}",
                    hint="wait until it is done, or give it time with --lease-wait S",
                ) from None
            if on_wait is not None:
                on_wait(f"waiting for {of}: {who}")
            time.sleep(min(POLL_S, deadline - now))
    try:
        _write(holder_file, _this_process(of))
        yield
    finally:
        _write(holder_file, None)
        lock.release()


def board_key(target: Target, machine: Machine) -> str:
    """What a lease is of: the board itself, by whatever name.

    A physical board is its USB port where that is known, since it keeps that in its boot ROM too;
    else its USB serial number, or the device or URL. A board that is a process is its flash.
    """
    if target.emulated or target.native:
        return f"flash {flash_file(target).resolve()}"
    ports = machine.ports()
    usb = target.board.usb
    where = target.where if "://" in target.where else os.path.realpath(target.where)
    matches = [
        port
        for port in ports
        if os.path.realpath(port.device) == where
        or target.where in (port.serial_number, usb_location(port))
        or (not target.where and usb and (port.vid, port.pid) == (usb.vendor_id, usb.product_id))
    ]
    if len(matches) == 1:
        known = _port_key(matches[0])
        if known is not None:
            return known
    with contextlib.suppress(TargetError):  # who needs the board will say that it is not there
        found = None if "://" in target.where else find_board(target, machine)
        if found is not None and found.location is not None:
            return f"usb {found.location}"
    return f"port {where}" if target.at_port else f"board {target.individual}"


def _port_key(port: ListPortInfo) -> str | None:
    """The board's USB port or serial number; None where it is on no USB."""
    if usb_location(port):
        return f"usb {usb_location(port)}"
    if port.serial_number:
        return f"serial {port.vid:04x}:{port.pid:04x}:{port.serial_number}"
    return None


def lock_folder() -> Path:
    """The folder of the leases, which every user of this machine may write to."""
    given = os.environ.get(FOLDER_VARIABLE)
    root = next(
        (folder for folder in SHARED_FOLDERS if os.access(folder, os.W_OK | os.X_OK)),
        Path(tempfile.gettempdir()),
    )
    folder = Path(given) if given else root / "jouleloop"
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(PermissionError):  # another user's, who has done it
        folder.chmod(FOLDER_MODE)
    return folder


def _file_name(key: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", key)[-40:].strip("-")
    return f"{readable}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _this_process(of: str) -> Holder:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = str(os.getuid())
    now = datetime.now(UTC).isoformat(timespec="seconds")
    program, *arguments = sys.orig_argv
    words = " ".join(shlex.join([Path(program).name, *arguments]).split())
    command = textwrap.shorten(words, COMMAND_CHARACTERS, placeholder=" ...")
    return Holder(os.getpid(), user, command, of, now)


def _read(file: Path) -> Holder | None:
    try:
        return Holder(**json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not yet written, or just being written
        return None


def _write(file: Path, holder: Holder | None) -> None:
    """Written in place: in a folder with the sticky bit, another user's file is not replaced."""
    text = "" if holder is None else json.dumps(asdict(holder))
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    except FileNotFoundError:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE)
        os.fchmod(descriptor, FILE_MODE)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
