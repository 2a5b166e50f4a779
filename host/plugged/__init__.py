"""What is plugged into this machine: boards, their ports and drives, meters and debug probes."""

from host.plugged.boards import BOOT_ROM_IDS, PluggedBoard, boot_drives, plugged_boards
from host.plugged.instruments import (
    INSTRUMENTS,
    PPK2,
    Instrument,
    instruments_on,
    probes_on,
)
from host.plugged.machine import Machine, Mount, UsbDevice, is_usb_location, usb_location
from host.plugged.permissions import may_open, permission_hint, udev_rules

__all__ = [
    "BOOT_ROM_IDS",
    "INSTRUMENTS",
    "PPK2",
    "Instrument",
    "Machine",
    "Mount",
    "PluggedBoard",
    "UsbDevice",
    "boot_drives",
    "instruments_on",
    "is_usb_location",
    "may_open",
    "permission_hint",
    "plugged_boards",
    "probes_on",
    "udev_rules",
    "usb_location",
]
