"""The emulated board as a process of its own: its UART is a pseudo-terminal.

Whoever opens that terminal sees what they would see behind ``/dev/ttyACM0``. The process announces
itself with one JSON line on stdout and ends when its stdin is closed, so it never outlives the one
who started it.
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


def serve(board_name: str, image: Path, serial: str) -> None:
    """Run ``image`` until stdin closes.

    Raises:
        JouleloopError: the board file or the image cannot be used.
    """
    board = load_board(board_name)
    address, flash = uf2.read(image, family_id=board.image.uf2_family_id)
    master, slave = pty.openpty()  # the slave stays open, so a client may come and go
    tty.setraw(slave)
    os.set_blocking(master, False)

    outgoing = bytearray()
    pico = EmulatedPico(board, bytes(address - FLASH_BASE) + flash, serial, on_byte=outgoing.append)
    announcement = {"port": os.ttyname(slave), "chip_id": pico.chip_id.hex(), "pid": os.getpid()}
    print(json.dumps(announcement), flush=True)

    while True:
        pico.run()
        waiting = pico.idle and not outgoing
        readable, writable, _ = select.select(
            [master, sys.stdin], [master] if outgoing else [], [], None if waiting else 0
        )
        if sys.stdin in readable and not os.read(sys.stdin.fileno(), READ_BYTES):
            return
        if master in readable:
            pico.feed(os.read(master, READ_BYTES))
        if writable:
            del outgoing[: os.write(master, outgoing)]


def main() -> int:
    """Entry of ``python -m host.emulator``."""
    parser = argparse.ArgumentParser(prog="python -m host.emulator", description=serve.__doc__)
    parser.add_argument("board")
    parser.add_argument("image", type=Path)
    parser.add_argument("--serial", default="emulator")
    arguments = parser.parse_args()
    try:
        serve(arguments.board, arguments.image, arguments.serial)
    except JouleloopError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
