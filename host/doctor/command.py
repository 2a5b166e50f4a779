"""What ``jouleloop doctor`` and ``jouleloop boards`` find."""

from __future__ import annotations

from typing import Any

from host.doctor.finding import Finding
from host.doctor.hardware import (
    check_boards,
    check_flashing,
    check_instruments,
    check_ports,
    check_target,
)
from host.doctor.ports import ask_ports
from host.doctor.software import check_software
from host.plugged import Machine, PluggedBoard, plugged_boards
from host.target import Target, parse_target
from toolchain.board import Board, board_names, load_board


def examine(target_text: str | None = None, machine: Machine | None = None) -> list[Finding]:
    """Look at everything, or at what one target needs.

    Args:
        target_text: the target; without one, what only some commands need is not missed.
        machine: where the hardware is.

    Raises:
        InputError: no such target.
    """
    machine = machine or Machine()
    target: Target | None = None if target_text is None else parse_target(target_text)
    board = None if target is None else target.board
    findings = list(check_software(board, emulated=target is not None and target.emulated))
    if target is not None and (target.emulated or target.native):
        return findings
    findings += check_flashing(board)
    findings += check_boards(machine) if target is None else check_target(target, machine)
    findings += check_ports(ask_ports(machine), target)
    findings += check_instruments(machine)
    return findings


def list_boards(machine: Machine | None = None) -> list[tuple[Board, list[PluggedBoard]]]:
    """Every board file, and which of its boards are plugged in."""
    machine = machine or Machine()
    boards = map(load_board, board_names())
    return [(board, plugged_boards(board, machine)) for board in boards]


def boards_as_json(listed: list[tuple[Board, list[PluggedBoard]]]) -> list[dict[str, Any]]:
    """As JSON values."""
    return [
        {
            "name": board.name,
            "title": board.title,
            "chip": board.chip,
            "usb_ids": None
            if board.usb is None
            else f"{board.usb.vendor_id:04x}:{board.usb.product_id:04x}",
            "emulator": board.emulator is not None,
            "plugged": [
                {
                    "target": plugged.target,
                    "port": plugged.port,
                    "serial_number": plugged.serial_number,
                    "location": plugged.location,
                    "bootsel": plugged.bootsel,
                    "drive": None if plugged.drive is None else str(plugged.drive.folder),
                }
                for plugged in there
            ],
        }
        for board, there in listed
    ]
