"""Serial ports: opened for one program alone, and found again after an unplug."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import serial
from serial.tools import list_ports

from host.link.line import GRACE_S, Transport
from toolchain.errors import LinkError

WRITE_TIMEOUT_S = 10.0
"""A port that takes no byte for so long is broken."""


def open_port(port: str, baud: int) -> Transport:
    """Open a device path or a pyserial URL, for this process alone.

    Raises:
        LinkError: it is not there, may not be opened, or another program has it.
    """
    try:
        transport = serial.serial_for_url(
            port, baudrate=baud, timeout=GRACE_S, write_timeout=WRITE_TIMEOUT_S
        )
        if hasattr(transport, "exclusive"):
            transport.exclusive = True
    except (serial.SerialException, OSError, ValueError) as error:
        if "lock" in str(error):
            raise LinkError(
                f"{port} is in use by another program",
                hint="close the other program, or wait until it is done",
            ) from error
        raise LinkError(
            f"{port} cannot be opened: {error}",
            hint="check the port's name and permissions, and that the board is plugged in",
        ) from error
    return cast(Transport, transport)


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
        LinkError: it cannot be opened.
    """
    try:
        serial.Serial(port, baudrate=1200).close()  # closing lets DTR fall
    except (serial.SerialException, OSError) as error:
        raise LinkError(f"{port} cannot be opened: {error}") from error
