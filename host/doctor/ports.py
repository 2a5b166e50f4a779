"""Serial ports, and what answers on them: all are asked at once, and none of the boards is reset.

A port is opened at the rate of the boards, never at 1200 baud, and both of its control lines rise
and fall together, which none of our boards takes for a reset. What resets on every opening, as some
Arduino boards do, does so here too; no program can open their port without it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from serial.tools.list_ports_common import ListPortInfo

from host.lease import port_lease
from host.link import BoardClient, Identity
from host.plugged import INSTRUMENTS, Machine, usb_location
from toolchain.board import board_names, load_board
from toolchain.errors import (
    BoardFaultError,
    LinkError,
    LinkTimeoutError,
    PortBusyError,
    PortPermissionError,
    ProtocolError,
)

TRIES = 2
"""Of HELLO, half a second each."""
PATIENCE_S = 5.0
"""For a port whose opening hangs."""


class PortState(StrEnum):
    """What a port is."""

    BOARD = "board"
    OTHER_VERSION = "other version"
    NOT_OURS = "not ours"
    SILENT = "silent"
    METER = "meter"
    BUSY = "busy"
    NO_PERMISSION = "no permission"
    UNUSABLE = "unusable"


@dataclass(frozen=True)
class PortAnswer:
    """One port.

    Attributes:
        port: device path.
        state: what it is.
        detail: in words.
        product: what the USB device calls itself; empty where it is none.
        usb_ids: vendor and product id; None where it is none.
        serial_number: on USB.
        location: USB port.
        identity: what HELLO said; None where no board of ours answered.
    """

    port: str
    state: PortState
    detail: str
    product: str = ""
    usb_ids: tuple[int, int] | None = None
    serial_number: str | None = None
    location: str | None = None
    identity: Identity | None = None

    def as_json(self) -> dict[str, Any]:
        """As JSON values, ids as they are written in hex."""
        return asdict(self) | {"usb_ids": self.ids_text or None}

    @property
    def ids_text(self) -> str:
        """The USB ids in hex, as tools print them; empty where there are none."""
        return "" if self.usb_ids is None else "{:04x}:{:04x}".format(*self.usb_ids)


def ask_ports(machine: Machine | None = None) -> list[PortAnswer]:
    """Ask every serial port who is there; no board is reset.

    Args:
        machine: whose ports; None for this one's.
    """
    return ask((machine or Machine()).ports())


def ask(ports: Sequence[ListPortInfo]) -> list[PortAnswer]:
    """Ask these ports, each in a thread of its own; in the order in which they were given."""
    answers: dict[str, PortAnswer] = {}

    def ask_one(port: ListPortInfo) -> None:
        answers[port.device] = _answer(port)

    threads = [threading.Thread(target=ask_one, args=(port,), daemon=True) for port in ports]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    return [
        answers.get(port.device) or _said(port, PortState.UNUSABLE, "opening it hangs")
        for port in ports
    ]


def _answer(port: ListPortInfo) -> PortAnswer:
    """What answers at one of the board files' rates; a USB serial line takes any."""
    meter = next((kind for kind in INSTRUMENTS if kind.ids == (port.vid, port.pid)), None)
    if meter is not None:
        return _said(port, PortState.METER, meter.name)
    for baud in sorted({load_board(name).link.baud for name in board_names()}):
        answer = _answer_at(port, baud)
        if answer.state not in (PortState.SILENT, PortState.NOT_OURS):
            break
    return answer


def _answer_at(port: ListPortInfo, baud: int) -> PortAnswer:
    try:
        with port_lease(port), BoardClient.open(port.device, baud) as client:
            identity = client.hello(TRIES)
    except PortBusyError as error:
        return _said(port, PortState.BUSY, error.message)
    except PortPermissionError as error:
        return _said(port, PortState.NO_PERMISSION, error.message)
    except LinkTimeoutError as error:
        strange = client.line.strange_bytes
        state = PortState.NOT_OURS if strange else PortState.SILENT
        return _said(port, state, error.message.removeprefix(f"{port.device}: "))
    except (ProtocolError, BoardFaultError) as error:
        return _said(port, PortState.OTHER_VERSION, error.message)
    except LinkError as error:
        return _said(port, PortState.UNUSABLE, error.message)
    detail = (
        f"{identity.board} {identity.chip_id}, {identity.engine}, image "
        f"{identity.image_sha256[:12]}"
    )
    return _said(port, PortState.BOARD, detail, identity)


def _said(
    port: ListPortInfo, state: PortState, detail: str, identity: Identity | None = None
) -> PortAnswer:
    on_usb = port.vid is not None
    return PortAnswer(
        port.device,
        state,
        detail,
        (port.product or "") if on_usb else "",
        (port.vid, port.pid) if on_usb else None,
        port.serial_number,
        usb_location(port),
        identity,
    )
