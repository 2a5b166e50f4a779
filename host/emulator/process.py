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

from host.emulator.emulators import EmulatedCore, emulator_of
from host.emulator.meters import METERS
from toolchain.board import Board, Sourced, load_board, with_cycles_per_instruction, with_shunt
from toolchain.errors import JouleloopError

READ_BYTES = 4096
SETTLED_S = 250e-6
"""Virtual time after its last byte in which the core comes to rest, when it does."""
NO_METER = "none"


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
        self._seen, self._seen_s = 0, 0.0

    def due(self, core: EmulatedCore) -> bool:
        """Whether the client gets its bytes now.

        A client that answers before the core has come to rest would be answered at a time that
        depends on how busy this machine is, and windows would differ in their last digits.
        """
        if len(self.outgoing) != self._seen:
            self._seen, self._seen_s = len(self.outgoing), core.now_s()
        settled = core.idle or core.now_s() - self._seen_s >= SETTLED_S
        return bool(self.outgoing) and (settled or len(self.outgoing) >= READ_BYTES)

    def read(self) -> bytes:
        """What the client has written."""
        return os.read(self.master, READ_BYTES)

    def write(self) -> None:
        """Hand over what fits."""
        del self.outgoing[: os.write(self.master, self.outgoing)]
        self._seen = len(self.outgoing)


def serve(board: Board, image: Path, serial: str, usb: bool, metered: bool) -> None:
    """Run ``image`` until stdin closes.

    Args:
        board: the board file.
        image: the UF2 or BIN in its flash.
        serial: which individual it is.
        usb: whether its USB socket is plugged in.
        metered: whether the board's meter is on its bus.

    Raises:
        JouleloopError: the board file or the image cannot be used.
    """
    power_on = emulator_of(board)
    uart = _Terminal()
    terminals = {uart.master: uart}
    announcement: dict[str, str | int] = {"port": uart.path, "pid": os.getpid()}
    on_usb = None
    if usb:
        line = _Terminal()
        terminals[line.master] = line
        announcement["usb_port"] = line.path
        on_usb = line.outgoing.extend
    core = power_on(board, image, serial, uart.outgoing.append, on_usb, metered)
    feed = {
        master: core.feed if terminal is uart else core.feed_usb
        for master, terminal in terminals.items()
    }
    announcement["chip_id"] = core.chip_id.hex()
    print(json.dumps(announcement), flush=True)

    while True:
        core.run()
        full = [master for master, terminal in terminals.items() if terminal.due(core)]
        waiting = core.idle and not full
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


def _fitted(board: Board, shunt_ohm: float | None, meter: str | None) -> Board:
    """The board with what is soldered to it in the place of what its file says."""
    if shunt_ohm is not None:
        board = with_shunt(board, shunt_ohm)
    if board.meter is not None and meter in METERS:
        fitted = board.meter.model_copy(update={"kind": meter})
        board = board.model_copy(update={"meter": fitted})
    return board


def _timed(board: Board, cycles_per_instruction: float | None) -> Board:
    if cycles_per_instruction is None:
        return board
    figure = Sourced(
        value=cycles_per_instruction,
        low=cycles_per_instruction,
        high=cycles_per_instruction,
        source="whoever started the emulator",
    )
    return with_cycles_per_instruction(board, figure)


def main() -> int:
    """Entry of ``python -m host.emulator``."""
    parser = argparse.ArgumentParser(prog="python -m host.emulator", description=serve.__doc__)
    parser.add_argument("board")
    parser.add_argument("image", type=Path)
    parser.add_argument("--serial", default="emulator")
    parser.add_argument("--usb", action="store_true", help="plug in the USB socket as well")
    parser.add_argument("--shunt", type=float, metavar="OHM", help="another shunt than the board's")
    parser.add_argument(
        "--meter", choices=(*METERS, NO_METER), help="another meter than the board's"
    )
    parser.add_argument(
        "--cycles-per-instruction", type=float, help="where the emulator counts instructions"
    )
    arguments = parser.parse_args()
    try:
        board = _fitted(load_board(arguments.board), arguments.shunt, arguments.meter)
        board = _timed(board, arguments.cycles_per_instruction)
        metered = arguments.meter != NO_METER
        serve(board, arguments.image, arguments.serial, arguments.usb, metered)
    except JouleloopError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
