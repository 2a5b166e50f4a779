"""Find the one plugged-in board that a target names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from host.plugged import Machine, PluggedBoard, plugged_boards
from host.target import Target
from toolchain.errors import TargetError


def find_board(target: Target, machine: Machine) -> PluggedBoard:
    """The board that ``BOARD``, ``BOARD@PORT``, ``@SERIAL``, ``@USB-PORT`` or ``@DRIVE`` names.

    A port that is not a board's own USB line may be an adapter on its UART. If then just one board
    is in BOOTSEL mode, it is taken for the same: after flashing, HELLO tells.

    Raises:
        TargetError: there is none, or several fit; they are listed, each with what names it.
    """
    boards = plugged_boards(target.board, machine)
    where = target.where
    if not where:
        return _only(boards, target, boards)
    if not target.at_port:
        return _only([board for board in boards if _fits(board, where)], target, boards)
    named = [
        board
        for board in boards
        if board.port == where or (board.drive is not None and board.drive.folder == Path(where))
    ]
    if named:
        return _only(named, target, boards)
    waiting = [board for board in boards if board.bootsel]
    if len(waiting) > 1:
        raise _ambiguous(target, waiting)
    return replace(waiting[0], port=where) if waiting else PluggedBoard(target.board, port=where)


def _fits(board: PluggedBoard, where: str) -> bool:
    serial = board.serial_number
    return board.location == where or (serial is not None and serial.lower() == where.lower())


def _only(
    boards: Sequence[PluggedBoard], target: Target, all_boards: Sequence[PluggedBoard]
) -> PluggedBoard:
    if len(boards) > 1:
        raise _ambiguous(target, boards)
    if boards:
        return boards[0]
    usb = target.board.usb
    by_ids = "" if usb is None else f" (USB ids {usb.vendor_id:04x}:{usb.product_id:04x})"
    listed = f"; plugged in: {', '.join(map(str, all_boards))}" if all_boards else ""
    raise TargetError(
        f"{target}: no such board is plugged in{by_ids}, and none is in BOOTSEL mode there{listed}",
        hint="plug it in, the first time with BOOTSEL held; name the port of an adapter on its "
        f"UART as in {target.board.name}@/dev/ttyUSB0; 'jouleloop boards' lists what is there",
    )


def _ambiguous(target: Target, boards: Sequence[PluggedBoard]) -> TargetError:
    listed = "".join(f"\n    {board}" for board in boards)
    return TargetError(
        f"{target}: {len(boards)} boards fit:{listed}",
        hint=f"name one of them, for example {boards[0].target}",
    )
