"""The emulated board as a process of its own: its lines are pseudo-terminals.

Whoever opens one sees what they would see behind an adapter on the board's UART, or with ``--usb``
behind ``/dev/ttyACM0``. The process announces itself with one JSON line on stdout and ends when its
stdin is closed, so it never outlives the one who started it.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import select
import sys
import tty
from pathlib import Path

from host.emulator.rp2040 import FLASH_BASE, EmulatedPico
from toolchain.board import load_board
from toolchain.build import uf2
from toolchain.errors import JouleloopError

READ_BYTES = 4096


class _Terminal:
    """One pseudo-terminal and what waits to be read from it.

    Attributes:
        master: this process' end.
        path: device path of the other end, which stays open, so that a client may come and go.
        outgoing: bytes for whoever has it open.
    """

    def __init__(self) -> None:
        self.master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)
        self.path = os.ttyname(self._slave)
        self.outgoing = bytearray()

    def read(self) -> bytes:
        """What the client has written."""
        return os.read(self.master, READ_BYTES)

    def write(self) -> None:
        """Hand over what fits."""
        del self.outgoing[: os.write(self.master, self.outgoing)]


def serve(board_name: str, image: Path, serial: str, usb: bool) -> None:
    """Run ``image`` until stdin closes.

    Args:
        board_name: name of the board file.
        image: the UF2 in its flash.
        serial: which individual it is.
        usb: whether its USB socket is plugged in.

    Raises:
        JouleloopError: the board file or the image cannot be used.
    """
    board = load_board(board_name)
    address, flash = uf2.read(image, family_id=board.image.uf2_family_id)
    uart = _Terminal()
    terminals = {uart.master: uart}
    announcement: dict[str, str | int] = {"port": uart.path, "pid": os.getpid()}
    on_usb = None
    if usb:
        line = _Terminal()
        terminals[line.master] = line
        announcement["usb_port"] = line.path
        on_usb = line.outgoing.extend
    content = bytes(address - FLASH_BASE) + flash
    pico = EmulatedPico(board, content, serial, uart.outgoing.append, on_usb)
    feed = {
        master: pico.feed if terminal is uart else pico.feed_usb
        for master, terminal in terminals.items()
    }
    announcement["chip_id"] = pico.chip_id.hex()
    print(json.dumps(announcement), flush=True)

    while True:
        pico.run()
        full = [master for master, terminal in terminals.items() if terminal.outgoing]
        waiting = pico.idle and not full
        readable, writable, _ = select.select(
            [*terminals, sys.stdin], full, [], None if waiting else 0
        )
        if sys.stdin in readable and not os.read(sys.stdin.fileno(), READ_BYTES):
            return
        for master, terminal in terminals.items():
            if master in readable:
                feed[master](terminal.read())
            if master in writable:
                terminal.write()


def main() -> int:
    """Entry of ``python -m host.emulator``."""
    parser = argparse.ArgumentParser(prog="python -m host.emulator", description=serve.__doc__)
    parser.add_argument("board")
    parser.add_argument("image", type=Path)
    parser.add_argument("--serial", default="emulator")
    parser.add_argument("--usb", action="store_true", help="plug in the USB socket as well")
    arguments = parser.parse_args()
    try:
        serve(arguments.board, arguments.image, arguments.serial, arguments.usb)
    except JouleloopError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
