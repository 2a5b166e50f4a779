"""Serial ports: opened for one program alone, and found again after an unplug."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import cast

import serial
from serial.tools import list_ports
from serial.tools.list_ports_common import ListPortInfo

from host.link.line import GRACE_S, PORT_ERRORS, Transport
from host.link.remote import open_remote
from toolchain.errors import LinkError, PortBusyError, PortPermissionError

_UNUSABLE: tuple[type[Exception], ...] = (*PORT_ERRORS, ValueError)
"""What opening a port raises."""

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
    looked for under its own. An adapter may have several ports under one serial number, which its
    interfaces tell apart; of cheap adapters that all have the same, the one in the same socket.
    """
    found = next((found for found in list_ports.comports() if found.device == port), None)
    if found is None or found.serial_number is None:
        return lambda: open_port(port, baud)

    def find() -> Transport:
        same = [other for other in list_ports.comports() if _numbers(other) == _numbers(found)]
        if not same:
            raise LinkError(
                f"no port of the board with USB serial number {found.serial_number} is there",
                hint="plug the board in again; the same command goes on from there",
            )
        best = min(same, key=lambda other: other.location != found.location)
        return open_port(best.device, baud)

    return find


def _numbers(port: ListPortInfo) -> tuple[str | None, str]:
    """USB serial number, and the interface such as ``1.2`` where a device has several."""
    return port.serial_number, (port.location or "").partition(":")[2]


def touch_1200(port: str) -> None:
    """Open and close a port at 1200 baud, which sends an RP2040 into its boot ROM's drive.

    Raises:
        LinkError: it cannot be opened, as of :func:`open_port`.
    """
    try:
        serial.Serial(port, baudrate=1200, exclusive=True).close()  # closing lets DTR fall
    except _UNUSABLE as error:
        raise _refusal(port, error) from error
