"""Serial ports: opened for one program alone, and found again after an unplug."""

from __future__ import annotations

import errno
import importlib
import os
from collections.abc import Callable
from typing import cast

import serial
from serial.tools import list_ports

from host.link.line import GRACE_S, Transport
from host.link.remote import open_remote
from toolchain.errors import LinkError, PortBusyError, PortPermissionError

_UNUSABLE: tuple[type[Exception], ...] = (serial.SerialException, OSError, ValueError)
"""What opening a port raises; a terminal that is just leaving has an error of its own."""
if os.name == "posix":
    _UNUSABLE += (importlib.import_module("termios").error,)

WRITE_TIMEOUT_S = 10.0
"""A port that takes no byte for so long is broken."""


def open_port(port: str, baud: int) -> Transport:
    """Open a device path or a pyserial URL, for this process alone.

    Raises:
        PortBusyError: another program has it.
        PortPermissionError: this user may not open it.
        LinkError: it is not there, or is no port.
    """
    try:
        if "://" in port:
            return open_remote(port, baud, GRACE_S)
        transport = serial.serial_for_url(
            port, baudrate=baud, timeout=GRACE_S, write_timeout=WRITE_TIMEOUT_S, exclusive=True
        )
    except _UNUSABLE as error:
        raise _refusal(port, error) from error
    return cast(Transport, transport)


def _refusal(port: str, error: Exception) -> LinkError:
    number = getattr(error, "errno", None)
    if number == errno.EBUSY or "lock" in str(error):
        return PortBusyError(
            f"{port} is in use by another program",
            hint="close the other program, or wait until it is done",
        )
    if number in (errno.EACCES, errno.EPERM):
        return PortPermissionError(
            f"{port} may not be opened by this user",
            hint="'jouleloop doctor' prints the udev rule that permits it; or join the port's "
            "group (dialout or uucp) and log in again",
        )
    return LinkError(
        f"{port} cannot be opened: {error}",
        hint="check the port's name, and that the board is plugged in",
    )


def port_finder(port: str, baud: int) -> Callable[[], Transport]:
    """What opens a board's port again: by its USB serial number, where it has one.

    A board that is plugged in again may get another device name; a port without a serial number is
    looked for under its own.
    """
    serial_number = next(
        (found.serial_number for found in list_ports.comports() if found.device == port), None
    )

    def find() -> Transport:
        name = port
        if serial_number is not None:
            names = [p.device for p in list_ports.comports() if p.serial_number == serial_number]
            if not names:
                raise LinkError(
                    f"no port of the board with USB serial number {serial_number} is there",
                    hint="plug the board in again; the same command goes on from there",
                )
            name = names[0]
        return open_port(name, baud)

    return find


def touch_1200(port: str) -> None:
    """Open and close a port at 1200 baud, which sends an RP2040 into its boot ROM's drive.

    Raises:
        LinkError: it cannot be opened, as of :func:`open_port`.
    """
    try:
        serial.Serial(port, baudrate=1200, exclusive=True).close()  # closing lets DTR fall
    except _UNUSABLE as error:
        raise _refusal(port, error) from error
