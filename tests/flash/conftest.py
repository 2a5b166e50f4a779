"""A machine with boards on its USB ports: sysfs, mount table, serial ports and PICOBOOT, all fake.

A board is a thread behind a pseudo-terminal. It answers HELLO by what its flash holds, goes into
BOOTSEL mode when its line is closed at 1200 baud, and leaves it as the boot ROM does: when the last
block of a UF2 lies on its drive, or by the command REBOOT. Its flash can only clear bits until it
is erased, and only while it is not executed from.
"""

from __future__ import annotations

import errno
import hashlib
import os
import pty
import shutil
import struct
import termios
import threading
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import usb.backend
import usb.core
from serial.tools.list_ports_common import ListPortInfo

from host.flash import Program, TimeLimits
from host.link.framing import DELIMITER, Frame, decode, encode
from host.plugged import Machine
from toolchain import protocol as wire
from toolchain.board import load_board
from toolchain.build import uf2
from toolchain.errors import ProtocolError

PICO = load_board("pico")
assert PICO.usb is not None
IDS = (PICO.usb.vendor_id, PICO.usb.product_id)
FAMILY = 0xE48BFF56
FLASH = 0x1000_0000
BOOT_ROM_SERIAL = "E0C9125B0D9B"
"""The same of every RP2040."""
INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"
STACK_END = 0x2004_2000
REENUMERATION_S = 0.2
"""That a board is not on USB when it restarts; silicon takes longer."""

LIMITS = TimeLimits(appears_s=5.0, mounted_s=5.0, gone_s=5.0, transfer_s=1.0, back_s=5.0)


def hello(chip_id: bytes, image_sha256: bytes, board: str = "pico") -> wire.HelloReply:
    return wire.HelloReply(
        engine=0,
        meter=0,
        reset_cause=0,
        input_element=0,
        output_element=0,
        firmware=b"0.1.0".ljust(16, b"\0"),
        board=board.encode().ljust(16, b"\0"),
        chip_id=chip_id,
        image_sha256=image_sha256,
        model_sha256=bytes(32),
        fallback_sha256=bytes(32),
        clock_hz=125_000_000,
        max_payload=2048,
        n_inputs=1,
        n_outputs=1,
        arena_bytes=0,
        fault_cause=0,
        fault_pc=0,
        fault_lr=0,
        fault_status=0,
    )


def content_of(name: str, size: int = 3 * 4096 + 256) -> bytes:
    """A program's bytes: noise with the image's SHA-256 in it, as a build leaves it."""
    noise = hashlib.shake_256(name.encode()).digest(size)
    sha = hashlib.sha256(name.encode()).digest()
    return noise[:700] + sha + noise[700 + len(sha) :]


def image_in(flash: bytes | bytearray) -> bytes | None:
    """The SHA-256 of the program that a flash holds, if it is whole."""
    for name in ("one", "two"):
        content = content_of(name)
        if bytes(flash[: len(content)]) == content:
            return hashlib.sha256(name.encode()).digest()
    return None


class FakeBoard:
    """One Pico at a USB port.

    Attributes:
        flash: its first 64 KiB.
        boots: how often it started a program.
        touched: how often it was sent into BOOTSEL mode.
        automount: whether the machine mounts its drive.
        takes_uf2: whether its boot ROM takes what is copied to the drive.
        enters_bootsel: whether it heeds the touch.
        comes_back: whether it is on USB again after it was written.
        back_as: chip id that it comes back with.
        runs: image that it says it runs, whatever its flash holds.
        kind: board that it says it is.
        uart: port of an adapter on its UART, which is there while it runs or not.
    """

    def __init__(self, bench: Bench, chip_id: bytes, location: str) -> None:
        self.bench = bench
        self.chip_id = chip_id
        self.location = location
        self.flash = bytearray(b"\xff" * 65536)
        self.boots = self.touched = 0
        self.automount = self.takes_uf2 = self.enters_bootsel = self.comes_back = True
        self.back_as: bytes | None = None
        self.runs: bytes | None = None
        self.kind = "pico"
        self.uart: Path | None = None
        self.bootsel = False
        self.port: ListPortInfo | None = None
        self.rom = FakeBootRom(self)
        self.drive = bench.root / "media" / location
        self._block = bench.root / "dev" / f"sd{location}"
        self._sysfs = bench.sysfs / location
        self._master = -1
        self._received = b""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._live, daemon=True)
        self._thread.start()

    @property
    def serial(self) -> str:
        return self.chip_id.hex()

    def start(self) -> None:
        """Run what the flash holds; an empty one leaves it in BOOTSEL mode, as the silicon does."""
        if self.bootsel:
            self.leave_bootsel()
            time.sleep(REENUMERATION_S)
        if not self.comes_back:
            return
        if image_in(self.flash) is None and self.runs is None:
            self.enter_bootsel()
            return
        if self.back_as is not None and self.boots:
            self.chip_id = self.back_as
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        port = ListPortInfo(os.ttyname(slave))
        os.close(slave)  # so that reading fails while nobody has the port open
        port.vid, port.pid = IDS
        port.serial_number, port.location = self.serial, f"{self.location}:1.0"
        port.product = "Jouleloop Pico"
        if self.uart is not None:
            self.link_uart(port.device)
        self._received = b""
        self.boots += 1
        self.port = port

    def link_uart(self, device: str) -> None:
        """Put the board's lines behind an adapter's port as well."""
        self.uart = self.bench.root / "ttyUSB0"
        self.uart.unlink(missing_ok=True)
        self.uart.symlink_to(device)

    def stop_program(self) -> None:
        port, self.port = self.port, None
        if port is not None:
            os.close(self._master)

    def enter_bootsel(self) -> None:
        self.stop_program()
        self._sysfs.mkdir(parents=True, exist_ok=True)
        for name, text in (
            ("idVendor", "2e8a"),
            ("idProduct", "0003"),
            ("serial", BOOT_ROM_SERIAL),
            ("product", "RP2 Boot"),
            ("busnum", self.location.split("-")[0]),
            ("devnum", "7"),
        ):
            (self._sysfs / name).write_text(text + "\n")
        node = self.bench.root / "nodes" / f"{int(self.location.split('-')[0]):03d}" / "007"
        node.parent.mkdir(parents=True, exist_ok=True)
        node.touch()
        if self.automount:
            self.drive.mkdir(parents=True)
            self._block.touch()
            disk = self._sysfs / "block" / self._block.name
            disk.mkdir(parents=True, exist_ok=True)
            (self.bench.root / "blocks" / self._block.name).symlink_to(disk)
            (self.drive / "INFO_UF2.TXT").write_text(INFO)
            self.bench.write_mounts()
        self.bootsel = True

    def leave_bootsel(self) -> None:
        self.bootsel = False
        shutil.rmtree(self.drive, ignore_errors=True)
        shutil.rmtree(self._sysfs, ignore_errors=True)
        self._block.unlink(missing_ok=True)
        (self.bench.root / "blocks" / self._block.name).unlink(missing_ok=True)
        self.bench.write_mounts()

    def power_off(self) -> None:
        self._stop.set()
        self._thread.join()
        self.stop_program()

    def _live(self) -> None:
        while not self._stop.is_set():
            with suppress(OSError):
                if self.bootsel:
                    self._look_at_drive()
                elif self.port is not None:
                    self._answer()
            time.sleep(0.002)

    def _look_at_drive(self) -> None:
        for file in self.drive.glob("*.uf2"):
            if file.is_symlink() or not self.takes_uf2:
                continue
            data = file.read_bytes()
            blocks = [data[at : at + 512] for at in range(0, len(data), 512)]
            heads = [struct.unpack_from("<8I", block) for block in blocks if len(block) == 512]
            ours = [head for head in heads if head[7] == FAMILY and head[2] & 0x2000]
            if ours and len(ours) == ours[0][6]:
                for block, head in zip(blocks, heads, strict=True):
                    at = head[3] - FLASH
                    self.flash[at : at + 256] = block[32 : 32 + 256]
                self.start()
                return

    def _answer(self) -> None:
        try:
            self._received += os.read(self._master, 4096)
        except BlockingIOError:
            return
        except OSError:
            touched = termios.tcgetattr(self._master)[4] == termios.B1200
            if touched and self.enters_bootsel:
                self.touched += 1
                self.enter_bootsel()
            return
        *frames, self._received = self._received.split(DELIMITER)
        for encoded in filter(None, frames):
            with suppress(ProtocolError):
                self._reply(decode(encoded))

    def _reply(self, request: Frame) -> None:
        image = self.runs or image_in(self.flash)
        if request.type == wire.HelloRequest.TYPE and image is not None:
            reply = hello(self.chip_id, image, self.kind)
            frame = Frame(reply.TYPE, request.session, request.sequence, reply.encode())
            os.write(self._master, encode(frame))


@dataclass
class FakeBootRom:
    """PICOBOOT on the board's boot ROM, as RP2040 datasheet 2.8.5 has it.

    Attributes:
        log: names of the commands, in order.
        fails: status that a command ends with, by its id.
        worn: address of a byte whose lowest bit stays 0.
        denied: the user may not open it.
        leaves_at: command at which it is unplugged.
    """

    board: FakeBoard
    log: list[str] = field(default_factory=list)
    fails: dict[int, int] = field(default_factory=dict)
    worn: int | None = None
    denied: bool = False
    leaves_at: int | None = None
    executing_flash: bool = True
    status: tuple[int, int, int] = (0, 0, 0)
    stalled: bool = False
    waiting: tuple[int, int] | None = None
    outgoing: bytes | None = None

    NAMES: ClassVar = {
        1: "exclusive",
        2: "reboot",
        3: "erase",
        5: "write",
        6: "exit xip",
        0x84: "read",
    }
    SIZES: ClassVar = {1: 1, 2: 12, 3: 8, 5: 8, 6: 0, 0x84: 8}

    def reset(self) -> None:
        self.stalled, self.waiting, self.outgoing = False, None, None

    def receive(self, data: bytes) -> None:
        if self.stalled:
            raise usb.core.USBError("Pipe error", -9, errno.EPIPE)
        if self.waiting is not None:
            address, size = self.waiting
            self.waiting = None
            assert len(data) == size
            self._program(address, data)
            self.outgoing = b""
            return
        if data == b"" and self.status[2] == 0x84:
            return
        self._command(data)

    def _command(self, packet: bytes) -> None:
        assert len(packet) == 32, "commands have 32 bytes"
        magic, token, command, size, _, length = struct.unpack_from("<IIBBHI", packet)
        arguments = packet[16:]
        assert magic == 0x431FD10B
        if command == self.leaves_at:
            self.board.leave_bootsel()
            raise usb.core.USBError("No such device", -4, errno.ENODEV)
        self.log.append(self.NAMES.get(command, hex(command)))
        code = self.fails.get(command) or self._fault(command, size, length, arguments)
        self.status = (token, code, command)
        if code:
            self.stalled = True
            return  # the transfer after it sees the stall
        address, count = struct.unpack_from("<II", arguments)
        if command == 0x84:
            at = address - FLASH
            self.outgoing = bytes(self.board.flash[at : at + count])
            return
        if command == 5:
            self.waiting = (address, count)
            return
        if command == 6:
            self.executing_flash = False
        if command == 3 and not self.executing_flash:
            at = address - FLASH
            self.board.flash[at : at + count] = b"\xff" * count
        if command == 2:
            assert struct.unpack_from("<II", arguments) == (0, STACK_END)
            threading.Timer(0.02, self.board.start).start()
        self.outgoing = b""

    def _fault(self, command: int, size: int, length: int, arguments: bytes) -> int:
        if command not in self.SIZES:
            return 1
        if size != self.SIZES[command]:
            return 2
        address, count = struct.unpack_from("<II", arguments)
        if length != (count if command in (5, 0x84) else 0):
            return 3
        if command in (3, 5, 0x84):
            if address < FLASH or address + count > FLASH + len(self.board.flash):
                return 4
            unit = {3: 4096, 5: 256, 0x84: 1}[command]
            if address % unit or (command == 3 and count % unit):
                return 5
        return 0

    def _program(self, address: int, data: bytes) -> None:
        if self.executing_flash:
            return
        at = address - FLASH
        for offset, value in enumerate(data):
            self.board.flash[at + offset] &= value
        if self.worn is not None:
            self.board.flash[self.worn - FLASH] &= 0xFE

    def send(self) -> bytes:
        if self.stalled:
            raise usb.core.USBError("Pipe error", -9, errno.EPIPE)
        if self.outgoing is None:
            raise usb.core.USBTimeoutError("Operation timed out", -7, errno.ETIMEDOUT)
        data, self.outgoing = self.outgoing, None
        return data


class FakeUsb(usb.backend.IBackend):
    """What pyusb has below it: the boot ROMs of a bench's boards."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def enumerate_devices(self) -> Iterator[FakeBootRom]:
        return iter([board.rom for board in self.bench.boards if board.bootsel])

    def get_device_descriptor(self, rom: FakeBootRom) -> Any:
        bus, _, ports = rom.board.location.partition("-")
        numbers = tuple(map(int, ports.split(".")))
        return SimpleNamespace(
            bLength=18, bDescriptorType=1, bcdUSB=0x110, bDeviceClass=0, bDeviceSubClass=0,
            bDeviceProtocol=0, bMaxPacketSize0=64, idVendor=0x2E8A, idProduct=3, bcdDevice=0x100,
            iManufacturer=1, iProduct=2, iSerialNumber=3, bNumConfigurations=1, address=7,
            bus=int(bus), port_number=numbers[-1], port_numbers=numbers, speed=2,
        )  # fmt: skip

    def get_configuration_descriptor(self, rom: FakeBootRom, config: int) -> Any:
        if config:
            raise IndexError(config)
        return SimpleNamespace(
            bLength=9, bDescriptorType=2, wTotalLength=55, bNumInterfaces=2, bConfigurationValue=1,
            iConfiguration=0, bmAttributes=0x80, bMaxPower=250, extra_descriptors=[],
        )  # fmt: skip

    def get_interface_descriptor(self, rom: FakeBootRom, intf: int, alt: int, config: int) -> Any:
        if intf > 1 or alt:
            raise IndexError(intf)
        kind, sub, protocol = ((8, 6, 0x50), (0xFF, 0, 0))[intf]
        return SimpleNamespace(
            bLength=9, bDescriptorType=4, bInterfaceNumber=intf, bAlternateSetting=0,
            bNumEndpoints=2, bInterfaceClass=kind, bInterfaceSubClass=sub,
            bInterfaceProtocol=protocol, iInterface=0, extra_descriptors=[],
        )  # fmt: skip

    def get_endpoint_descriptor(
        self, rom: FakeBootRom, ep: int, intf: int, alt: int, config: int
    ) -> Any:
        address = ((0x81, 0x02), (0x03, 0x84))[intf][ep]
        return SimpleNamespace(
            bLength=7, bDescriptorType=5, bEndpointAddress=address, bmAttributes=2,
            wMaxPacketSize=64, bInterval=0, bRefresh=0, bSynchAddress=0, extra_descriptors=[],
        )  # fmt: skip

    def open_device(self, rom: FakeBootRom) -> FakeBootRom:
        if rom.denied:
            raise usb.core.USBError("Access denied (insufficient permissions)", -3, errno.EACCES)
        return rom

    def close_device(self, rom: FakeBootRom) -> None:
        pass

    def get_configuration(self, rom: FakeBootRom) -> int:
        return 1

    def claim_interface(self, rom: FakeBootRom, intf: int) -> None:
        assert intf == 1, "the drive's interface belongs to the kernel"

    def release_interface(self, rom: FakeBootRom, intf: int) -> None:
        pass

    def bulk_write(self, rom: FakeBootRom, ep: int, intf: int, data: Any, timeout: int) -> int:
        assert (ep, intf) == (0x03, 1)
        rom.receive(data.tobytes())
        return len(data)

    def bulk_read(self, rom: FakeBootRom, ep: int, intf: int, buff: Any, timeout: int) -> int:
        assert (ep, intf) == (0x84, 1)
        data = rom.send()
        buff[: len(data)] = type(buff)("B", data)
        return len(data)

    def ctrl_transfer(
        self, rom: FakeBootRom, kind: int, request: int, value: int, index: int, data: Any, _: int
    ) -> int:
        if not rom.board.bootsel:
            raise usb.core.USBError("No such device", -4, errno.ENODEV)
        assert index == 1
        if (kind, request) == (0x41, 0x41):
            rom.reset()
            return 0
        assert (kind, request) == (0xC1, 0x42)
        token, code, command = rom.status
        reply = struct.pack("<IIBB6x", token, code, command, 0)
        data[: len(reply)] = type(data)("B", reply)
        return len(reply)


class Bench:
    """The machine, and the boards that are plugged into it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.sysfs = root / "usb"
        for name in ("usb", "blocks", "dev", "media", "nodes"):
            (root / name).mkdir()
        self.boards: list[FakeBoard] = []
        self.more_ports: list[ListPortInfo] = []
        self.machine = Machine(
            mounts=root / "mounts",
            usb=self.sysfs,
            blocks=root / "blocks",
            device_nodes=root / "nodes",
            serial_ports=self._ports,
            usb_backend=FakeUsb(self),
        )
        self.write_mounts()

    def _ports(self) -> list[ListPortInfo]:
        own = [board.port for board in self.boards if board.port is not None]
        return own + self.more_ports

    def write_mounts(self) -> None:
        lines = ["/dev/root / ext4 rw 0 0"]
        lines += [
            f"{board._block} {board.drive} vfat rw 0 0"
            for board in self.boards
            if board._block.exists()
        ]
        partial = self.root / "mounts.partial"
        partial.write_text("\n".join(lines) + "\n")
        partial.replace(self.root / "mounts")

    def plug(
        self, program: str | None = "one", location: str = "1-1.2", chip: int = 1
    ) -> FakeBoard:
        """Plug in a board that holds a program, or, without one, comes up in BOOTSEL mode."""
        board = FakeBoard(self, bytes([0xE6, 0x60, 0, 0, 0, 0, 0, chip]), location)
        self.boards.append(board)
        if program is not None:
            content = content_of(program)
            board.flash[: len(content)] = content
        board.start()
        return board

    def holds(self, board: FakeBoard, name: str) -> bool:
        """Whether a board's flash has a program and nothing else."""
        content = content_of(name)
        return bytes(board.flash) == content.ljust(len(board.flash), b"\xff")

    def program(self, name: str, family: int = FAMILY) -> Program:
        file = self.root / f"{name}.uf2"
        file.write_bytes(uf2.write(content_of(name), FLASH, family))
        return Program(file, PICO)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for board in made.boards:
        board.power_off()


@pytest.fixture
def limits() -> TimeLimits:
    return LIMITS


@pytest.fixture
def listen() -> Iterator[Callable[[Callable[[int, bytes], None]], ListPortInfo]]:
    """Serial ports of other devices: each is given what it does with what it receives."""
    stop = threading.Event()
    made: list[tuple[threading.Thread, int, int]] = []

    def port(answer: Callable[[int, bytes], None]) -> ListPortInfo:
        master, slave = pty.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)

        def serve() -> None:
            while not stop.is_set():
                data = b""
                with suppress(OSError):
                    data = os.read(master, 4096)
                with suppress(OSError):
                    answer(master, data)
                time.sleep(0.005)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        made.append((thread, master, slave))
        return ListPortInfo(os.ttyname(slave))

    yield port
    stop.set()
    for thread, master, slave in made:
        thread.join()
        os.close(master)
        os.close(slave)
