"""The udev rules that let a user reach boards, boot ROMs, debug probes and meters."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from host.plugged.boards import BOOT_ROM_IDS
from host.plugged.instruments import INSTRUMENTS, PROBES, UsbIds
from toolchain.board import board_names, load_board

RULES_FILE = "/etc/udev/rules.d/60-jouleloop.rules"
"""Below 73, where systemd turns the tag ``uaccess`` into permissions."""

RELOAD = "sudo udevadm control --reload && sudo udevadm trigger"


def udev_rules() -> str:
    """The whole file: a rule for everything that Jouleloop opens."""
    return "\n".join(_rule(name, ids) for name, ids in _known())


def permission_hint(ids: UsbIds | None) -> str:
    """What to do where a device or its port may not be opened.

    Args:
        ids: of the USB device; None where it is none.
    """
    if not sys.platform.startswith("linux"):
        return "check that no other program has the device, and that this user may use USB devices"
    rules = "\n".join(_rule(name, known) for name, known in _known() if known == ids)
    if not rules:
        return "join the group that the port belongs to (dialout or uucp), and log in again"
    return (
        f"put this into {RULES_FILE}, then run '{RELOAD}' and plug the device in again:\n{rules}\n"
        'where nobody is logged in at the machine, add GROUP="plugdev" to the rule and join that '
        "group"
    )


def may_open(node: Path) -> bool:
    """Whether this user may read and write a device's file."""
    return os.access(node, os.R_OK | os.W_OK)


def _known() -> list[tuple[str, UsbIds]]:
    boards = [
        (board.title, (board.usb.vendor_id, board.usb.product_id))
        for board in map(load_board, board_names())
        if board.usb is not None
    ]
    boot_roms = [(f"boot ROM of {chip}", ids) for chip, ids in BOOT_ROM_IDS.items()]
    return [*boards, *boot_roms, *((kind.name, kind.ids) for kind in (*PROBES, *INSTRUMENTS))]


def _rule(name: str, ids: UsbIds) -> str:
    """For the device itself, and for the serial port or HID device that is a part of it.

    ModemManager would otherwise open every new port for some seconds, to look for a modem.
    """
    return (
        f'# {name}\nSUBSYSTEM=="usb|tty|hidraw", ATTRS{{idVendor}}=="{ids[0]:04x}", '
        f'ATTRS{{idProduct}}=="{ids[1]:04x}", MODE="0660", TAG+="uaccess", '
        'ENV{ID_MM_DEVICE_IGNORE}="1"'
    )
