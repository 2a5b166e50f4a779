"""An emulated Pico in this process, asked by frames; and a clock with a load for its meters."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from host.emulator.rp2040 import EmulatedPico
from host.link.framing import Frame, decode, encode
from toolchain import protocol as wire
from toolchain.board import Board, at_clock, load_board, with_shunt
from toolchain.build import Image, build_image

FIXTURES = Path(__file__).resolve().parents[1] / "firmware" / "fixtures"
SHUNT_OHM = 0.1
SESSION = 1


class Bench:
    """A board on the bench: ask it, and see what really happened to its pins and its supply.

    Attributes:
        pico: the emulated board.
        gate: (time in s, charge in C, level) at every edge of the gate pin.
        zeros: zero bytes that came before the last reply.
    """

    def __init__(
        self, board: Board, image: Image, *, usb: bool = False, metered: bool = True
    ) -> None:
        self.uart = bytearray()
        self.usb = bytearray()
        on_usb = self.usb.extend if usb else None
        flash = image.bin.read_bytes()
        self.board = board
        self.pico = EmulatedPico(board, flash, "test", self.uart.append, on_usb, metered=metered)
        self.gate: list[tuple[float, float, bool]] = []
        self.zeros = 0
        self._sequence = 0
        assert board.meter is not None
        pin = self.pico.rp2040.gpio[board.meter.gate_pin]
        pin.add_listener(lambda level, _before: self._gate_moved(level == 1))
        self.settle()
        self.ask(wire.HelloRequest())
        self.gate.clear()

    def _gate_moved(self, high: bool) -> None:
        assert self.pico.supply is not None
        self.gate.append((self.pico.now_s(), self.pico.supply.charge_c(), high))

    def settle(self) -> None:
        """Run until only a host could make anything happen."""
        self.pico.run()
        for _ in range(20_000):
            if self.pico.idle:
                return
            self.pico.run()
        raise AssertionError("the board does not come to rest")

    def request(self, message: wire.Message) -> bytes:
        """The next request's bytes."""
        self._sequence += 1
        return encode(Frame(message.TYPE, SESSION, self._sequence, message.encode()))

    def ask(self, message: wire.Message, *, usb: bool = False) -> wire.Message:
        """The reply, or the refusal."""
        line = self.usb if usb else self.uart
        line.clear()
        (self.pico.feed_usb if usb else self.pico.feed)(self.request(message))
        self.settle()
        return self.reply(line)

    def reply(self, line: bytearray) -> wire.Message:
        """The one frame on a line, and how many zeros came before it."""
        content = bytes(line)
        self.zeros = len(content) - len(content.lstrip(b"\0"))
        frame = decode(content.strip(b"\0"))
        return {m.TYPE: m for m in wire.MESSAGES}[frame.type].decode(frame.payload)

    def window(self, request: wire.WindowRequest, *, usb: bool = False) -> wire.WindowReply:
        """A window that is not refused."""
        reply = self.ask(request, usb=usb)
        assert isinstance(reply, wire.WindowReply), reply
        return reply

    def refusal(self, request: wire.Message) -> tuple[wire.ErrorCode, int]:
        """Why it was refused, and the detail."""
        reply = self.ask(request)
        assert isinstance(reply, wire.ErrorReply), reply
        return wire.ErrorCode(reply.code), reply.detail

    def gated(self) -> tuple[float, float]:
        """s and A of the last time that the gate was high, as the supply has them."""
        (rise_s, rise_c, rose), (fall_s, fall_c, fell) = self.gate[-2:]
        assert rose and not fell
        return fall_s - rise_s, (fall_c - rise_c) / (fall_s - rise_s)


@pytest.fixture(scope="session")
def bench_image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Board], Image]:
    """Builds an image whose network takes as long as its input says, once for each board."""
    built: dict[str, Image] = {}

    def build(board: Board) -> Image:
        key = board.model_dump_json()
        if key not in built:
            folder = tmp_path_factory.mktemp("bench")
            (folder / "model.json").write_text(json.dumps({"sha256": "5a" * 32}))
            engine = sorted(FIXTURES.glob("engine_loop.*"))
            built[key] = build_image(board, folder, folder / "image", engine_sources=engine)
        return built[key]

    return build


@pytest.fixture
def bench(bench_image: Callable[[Board], Image]) -> Callable[..., Bench]:
    """Puts a board on the bench: which meter, at what clock, with which shunt."""

    def make(
        meter: str = "ina226",
        *,
        mhz: int = 125,
        told_ohm: float = SHUNT_OHM,
        true_ohm: float | None = None,
        usb: bool = False,
        metered: bool = True,
    ) -> Bench:
        told = at_clock(with_shunt(load_board("pico"), told_ohm), mhz * 1_000_000)
        assert told.meter is not None
        fitted = told.meter.model_copy(update={"kind": meter, "shunt_ohm": true_ohm or told_ohm})
        board = told.model_copy(update={"meter": fitted})
        return Bench(board, bench_image(told), usb=usb, metered=metered)

    return make


class Clock:
    """Virtual time with alarms, and a core that is busy or not."""

    def __init__(self) -> None:
        self.nanos = 0.0
        self.busy_nanos = 0.0
        self.busy = False
        self.queue: list[tuple[float, int, Alarm]] = []

    def create_alarm(self, callback: Callable[[], None]) -> Alarm:
        return Alarm(self, callback)

    def advance_us(self, us: float) -> None:
        end = self.nanos + us * 1e3
        while self.queue and self.queue[0][0] <= end:
            due, _, alarm = heapq.heappop(self.queue)
            if alarm.due == due:
                self._move_to(due)
                alarm.due = None
                alarm.callback()
        self._move_to(end)

    def _move_to(self, nanos: float) -> None:
        if self.busy:
            self.busy_nanos += nanos - self.nanos
        self.nanos = nanos


class Alarm:
    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self.clock = clock
        self.callback = callback
        self.due: float | None = None

    def schedule(self, delta_nanos: float) -> None:
        self.due = self.clock.nanos + delta_nanos
        heapq.heappush(self.clock.queue, (self.due, id(self), self))

    def cancel(self) -> None:
        self.due = None


class Load:
    """Two currents, by whether the core is busy."""

    supply_v = 5.0

    def __init__(self, clock: Clock, running_a: float, waiting_a: float) -> None:
        self.clock = clock
        self.running_a = running_a
        self.waiting_a = waiting_a

    def now_s(self) -> float:
        return self.clock.nanos * 1e-9

    def charge_c(self) -> float:
        busy_s = self.clock.busy_nanos * 1e-9
        return busy_s * self.running_a + (self.now_s() - busy_s) * self.waiting_a


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def load(clock: Clock) -> Callable[[float, float], Load]:
    """What flows through a meter's shunt: A while the core is busy, and A while it waits."""
    return lambda running_a, waiting_a: Load(clock, running_a, waiting_a)
