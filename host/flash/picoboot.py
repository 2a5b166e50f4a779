"""Write over USB with PICOBOOT, the boot ROM's command interface (RP2040 datasheet 2.8.5).

Commands are 32 bytes on a bulk endpoint; data follows on the same or comes on the other one, and
an empty packet in the opposite direction says that the command is done. A command that fails stalls
the endpoints; a control request then says why.
"""

from __future__ import annotations

import errno
import itertools
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

from host.flash.flasher import TimeLimits
from host.flash.program import Program
from host.plugged import BOOT_ROM_IDS, Machine, PluggedBoard, may_open, permission_hint
from toolchain.errors import FlashError, MissingDependencyError

MAGIC = 0x431FD10B
SECTOR_BYTES = 4096
"""Erased at once."""
STACK_END = 0x2004_2000
"""Stack pointer for the restart: the end of the SRAM, as the boot ROM itself has it."""
RESTART_DELAY_MS = 100
"""So that the reply gets out before the board leaves."""

_COMMAND = struct.Struct("<IIBBHI16s")
"""magic, token, id, bytes of arguments, reserved, bytes of data, arguments."""
_STATUS = struct.Struct("<IIBB6x")
"""token, code, command id, whether it is still in progress."""
_RANGE = struct.Struct("<II")

# Vendor requests to the interface. Printings of the datasheet differ in the type of these; this is
# what the chip's makers' own tool sends.
_RESET_TYPE, _RESET = 0x41, 0x41
_STATUS_TYPE, _STATUS_REQUEST = 0xC1, 0x42

INSTALL = "install it with: pip install 'jouleloop[usb]'"


class Command(IntEnum):
    """What the boot ROM does; the top bit says that data comes back."""

    EXCLUSIVE_ACCESS = 0x01
    REBOOT = 0x02
    FLASH_ERASE = 0x03
    READ = 0x84
    WRITE = 0x05
    EXIT_XIP = 0x06


class Status(IntEnum):
    """How the last command ended."""

    OK = 0
    UNKNOWN_CMD = 1
    INVALID_CMD_LENGTH = 2
    INVALID_TRANSFER_LENGTH = 3
    INVALID_ADDRESS = 4
    BAD_ALIGNMENT = 5
    INTERLEAVED_WRITE = 6
    REBOOTING = 7
    UNKNOWN_ERROR = 8


class Picoboot:
    """Erase, write, read back and restart over USB; needs no drive to be mounted."""

    method = "picoboot"
    through_boot_rom = True
    through_drive = False

    def plan(self, program: Program) -> str:
        """What would be written where."""
        address, data = program.placed()
        return f"erase, write and read back {len(data):,} bytes at 0x{address:08x} by PICOBOOT"

    def obstacle(self, board: PluggedBoard, machine: Machine) -> str | None:
        """Not in BOOTSEL mode, no pyusb, no libusb, or no permission."""
        if not board.bootsel:
            return "the board is not in BOOTSEL mode; hold BOOTSEL while plugging it in"
        try:
            import usb.core  # noqa: F401
        except ImportError:
            return f"pyusb is not installed; {INSTALL}"
        if machine.libusb() is None:
            return f"libusb is not installed; {INSTALL}"
        ids = BOOT_ROM_IDS[board.board.chip]
        nodes = [
            device.node
            for device in machine.usb_devices()
            if device.ids == ids and board.location in (None, device.location)
        ]
        if nodes and all(node is not None and not may_open(node) for node in nodes):
            return f"this user may not open {nodes[0]}; {permission_hint(ids)}"
        return None

    def write(
        self, board: PluggedBoard, program: Program, machine: Machine, limits: TimeLimits
    ) -> None:
        """Write the flash, compare it, and restart the board.

        Raises:
            FlashError: the board refuses a command, leaves, or holds something else afterwards.
            MissingDependencyError: pyusb or libusb is not installed.
        """
        address, data = program.placed()
        with PicobootInterface.open(program.board.chip, board.location, machine, limits) as boot:
            boot.reset()
            boot.exclusive_access()
            boot.exit_xip()
            for start in range(0, len(data), SECTOR_BYTES):
                boot.erase(address + start, SECTOR_BYTES)
                boot.write(address + start, data[start : start + SECTOR_BYTES])
            for start in range(0, len(data), SECTOR_BYTES):
                wanted = data[start : start + SECTOR_BYTES]
                if boot.read(address + start, len(wanted)) != wanted:
                    raise FlashError(
                        f"the flash at 0x{address + start:08x} does not hold what was written",
                        hint="flash it again; a flash that fails twice is worn out or not soldered",
                    )
            boot.reboot()


class PicobootInterface:
    """The interface of one board in BOOTSEL mode.

    Args:
        device: of pyusb.
        timeout_s: of one transfer.

    Raises:
        FlashError: the device has no such interface, or may not be opened.
    """

    def __init__(self, device: Any, timeout_s: float) -> None:
        import usb.util

        self._device = device
        self._timeout_ms = round(1000 * timeout_s)
        self._tokens = itertools.count(1)
        with _translated("open the interface", device):
            interface = usb.util.find_descriptor(
                device.get_active_configuration(),
                bInterfaceClass=0xFF,
                bInterfaceSubClass=0,
                bInterfaceProtocol=0,
            )
            if interface is None:
                raise FlashError(
                    "the boot ROM shows no PICOBOOT interface",
                    hint="plug the board in again with BOOTSEL held; or use --method msc",
                )
            self._number: int = interface.bInterfaceNumber
            usb.util.claim_interface(device, self._number)
        ends = {
            usb.util.endpoint_direction(end.bEndpointAddress): end.bEndpointAddress
            for end in interface
        }
        self._out: int = ends[usb.util.ENDPOINT_OUT]
        self._in: int = ends[usb.util.ENDPOINT_IN]

    @classmethod
    @contextmanager
    def open(
        cls, chip: str, location: str | None, machine: Machine, limits: TimeLimits
    ) -> Iterator[PicobootInterface]:
        """The interface of the board at a USB port, or of the only board there is.

        Raises:
            FlashError: no such board, several, or no permission.
            MissingDependencyError: pyusb or libusb is not installed.
        """
        try:
            import usb.core
            import usb.util
        except ImportError as error:
            raise MissingDependencyError("PICOBOOT needs pyusb", hint=INSTALL) from error
        backend = machine.libusb()
        if backend is None:
            raise MissingDependencyError("PICOBOOT needs libusb", hint=INSTALL)
        vendor_id, product_id = BOOT_ROM_IDS[chip]
        devices = [
            device
            for device in usb.core.find(
                find_all=True, idVendor=vendor_id, idProduct=product_id, backend=backend
            )
            if location in (None, _location(device))
        ]
        if len(devices) != 1:
            raise FlashError(
                f"{len(devices)} boards in BOOTSEL mode are at "
                f"{location or 'any USB port'}, expected 1",
                hint="'jouleloop boards' lists them; name one by its USB port, as in pico@1-1.2",
            )
        try:
            yield cls(devices[0], limits.transfer_s)
        finally:
            usb.util.dispose_resources(devices[0])

    def reset(self) -> None:
        """Clear stalls and whatever a program before this one has left."""
        with _translated("reset the interface", self._device):
            self._device.ctrl_transfer(_RESET_TYPE, _RESET, 0, self._number, None, self._timeout_ms)

    def exclusive_access(self) -> None:
        """Keep the mass storage drive from writing meanwhile."""
        self._command(Command.EXCLUSIVE_ACCESS, b"\1")

    def exit_xip(self) -> None:
        """Make the flash take commands."""
        self._command(Command.EXIT_XIP)

    def erase(self, address: int, size: int) -> None:
        """Erase sectors: address and size are multiples of :data:`SECTOR_BYTES`."""
        self._command(Command.FLASH_ERASE, _RANGE.pack(address, size))

    def write(self, address: int, data: bytes) -> None:
        """Write flash that is erased: the address is a multiple of 256, and so is the size."""
        self._command(Command.WRITE, _RANGE.pack(address, len(data)), data)

    def read(self, address: int, size: int) -> bytes:
        """Read flash."""
        return self._command(Command.READ, _RANGE.pack(address, size), receive=size)

    def reboot(self) -> None:
        """Start what the flash holds."""
        self._command(Command.REBOOT, struct.pack("<III", 0, STACK_END, RESTART_DELAY_MS))

    def _command(
        self, command: Command, arguments: bytes = b"", data: bytes = b"", receive: int = 0
    ) -> bytes:
        packet = _COMMAND.pack(
            MAGIC,
            next(self._tokens),
            command,
            len(arguments),
            0,
            receive or len(data),
            arguments.ljust(16, b"\0"),
        )
        device, timeout_ms = self._device, self._timeout_ms
        reply = b""
        with _translated(command.name, device, self):
            device.write(self._out, packet, timeout_ms)
            if receive:
                reply = bytes(device.read(self._in, receive, timeout_ms))
                device.write(self._out, b"", timeout_ms)
            else:
                if data:
                    device.write(self._out, data, timeout_ms)
                device.read(self._in, 1, timeout_ms)
        return reply

    def complaint(self) -> str | None:
        """What the boot ROM says of the last command; None where it says nothing."""
        import usb.core

        try:
            reply = bytes(
                self._device.ctrl_transfer(
                    _STATUS_TYPE, _STATUS_REQUEST, 0, self._number, _STATUS.size, self._timeout_ms
                )
            )
            _, code, _, busy = _STATUS.unpack(reply)
        except (usb.core.USBError, struct.error):
            return None
        if busy:
            return "it is still in progress"
        return Status(code).name if code in list(Status) else f"unknown status {code}"


@contextmanager
def _translated(
    action: str, device: Any, interface: PicobootInterface | None = None
) -> Iterator[None]:
    """Errors of USB, as what they mean here."""
    import usb.core

    try:
        yield
    except usb.core.USBError as error:
        if error.errno in (errno.EACCES, errno.EPERM):
            raise FlashError(
                "this user may not open the board's USB device",
                hint=permission_hint((device.idVendor, device.idProduct)),
            ) from error
        if error.errno == errno.EBUSY:
            raise FlashError(
                "another program has the board's PICOBOOT interface",
                hint="close it, or use --method msc",
            ) from error
        complaint = interface.complaint() if interface is not None else None
        raise FlashError(
            f"PICOBOOT: {action} failed: {complaint or error.strerror or error}",
            hint="plug the board in again with BOOTSEL held and flash it again; or use --method "
            "msc",
        ) from error


def _location(device: Any) -> str | None:
    numbers = ".".join(map(str, device.port_numbers or ()))
    return f"{device.bus}-{numbers}" if numbers else None
