"""The USB host that an emulated board is plugged into: enumerates it and opens its serial line.

It asks what Linux asks of a CDC ACM device, in Linux' order, and talks to the controller one
transaction at a time. A transaction takes its bytes' time on a full-speed bus, with the 13 bytes of
overhead of USB 2.0 table 5-9. One that is answered NAK is not repeated until the device has
something for it, so a bus on which nothing happens takes no virtual time and wakes nobody; start
of frame packets, which the firmware does not listen to, are left out for the same reason.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import Enum

from host.emulator.usb_controller import PACKET_BYTES, Handshake, UsbDeviceController
from host.emulator.wall_clock import Alarm

NANOS_PER_BYTE = 8e9 / 12e6
OVERHEAD_BYTES = 13
DEBOUNCE_NANOS = 100e6
RESET_NANOS = 10e6
ADDRESS_NANOS = 2e6
"""What a device is given to take its address (USB 2.0, 9.2.6.3)."""

DEVICE, CONFIGURATION, STRING, DEVICE_QUALIFIER = 1, 2, 3, 6
ADDRESS = 1
SETTINGS = 1
DATA_ENDPOINT = 2
DTR, RTS = 1, 2
DEFAULT_BAUD = 9600
"""Linux' rate for a line that nobody has opened yet."""


class Pause(Enum):
    """What an enumeration waits for besides its transfers."""

    RESET = "a bus reset"
    ADDRESS = "the device takes its address"


@dataclass
class ControlTransfer:
    """One request to endpoint 0, and what came of it.

    Attributes:
        setup: its 8 bytes.
        out: the data stage, when the host sends one.
        reply: the data stage, when the device sends one.
        packets: lengths of the reply's packets.
        stalled: the device refused.
        done: it is over.
    """

    setup: bytes
    out: bytes = b""
    reply: bytes = b""
    packets: list[int] = field(default_factory=list)
    stalled: bool = False
    done: bool = False
    _stage: str = "setup"
    _data1: bool = True

    @property
    def _length(self) -> int:
        return int.from_bytes(self.setup[6:8], "little")

    def step(self, controller: UsbDeviceController, address: int) -> tuple[Handshake, int]:
        """The next transaction; its handshake and data bytes."""
        answer: Handshake | bytes
        size = 0
        if self._stage == "setup":
            answer = controller.setup(address, self.setup)
            size = len(self.setup)
            if self._length == 0:
                following = "status in"
            else:
                following = "data in" if self.setup[0] & 0x80 else "data out"
        elif self._stage == "data out":
            packet = self.out[:PACKET_BYTES]
            answer, size = controller.host_out(address, 0, self._data1, packet), len(packet)
            if answer is Handshake.ACK:
                self.out = self.out[size:]
                self._data1 = not self._data1
            following = "data out" if self.out else "status in"
        elif self._stage == "data in":
            answer = controller.host_in(address, 0, self._data1)
            following = "data in"
            if isinstance(answer, bytes):
                size = len(answer)
                self.reply += answer
                self.packets.append(size)
                self._data1 = not self._data1
                if size < PACKET_BYTES or len(self.reply) >= self._length:
                    following = "status out"
        elif self._stage == "status out":
            answer, following = controller.host_out(address, 0, True, b""), "done"
        else:
            answer, following = controller.host_in(address, 0, True), "done"
        if isinstance(answer, bytes):
            answer = Handshake.ACK
        if answer is Handshake.ACK:
            self._stage = following
        elif answer is Handshake.STALL:
            self.stalled = True
        self.done = self.stalled or self._stage == "done"
        return answer, size


Step = ControlTransfer | Pause


def request(kind: int, code: int, value: int = 0, index: int = 0, length: int = 0) -> bytes:
    """The 8 bytes of a setup packet."""
    return struct.pack("<BBHHH", kind, code, value, index, length)


def get_descriptor(kind: int, index: int, length: int, language: int = 0) -> ControlTransfer:
    """GET_DESCRIPTOR of the device."""
    return ControlTransfer(request(0x80, 6, kind << 8 | index, language, length))


class UsbHost:
    """The host and the cable.

    Args:
        controller: the device's end of the cable.
        create_alarm: makes an alarm on the emulator's clock from a callback.
        on_data: called with the bytes of every packet of the serial line.

    Attributes:
        plugged: whether the cable is in.
        opened: whether a program has the serial line open; nobody reads from it otherwise.
        descriptors: what the device said of itself in the last enumeration, by kind and index.
        configured: the last enumeration came to its end.
        failures: control transfers of an enumeration that the device refused or did not answer.
    """

    def __init__(
        self,
        controller: UsbDeviceController,
        create_alarm: Callable[[Callable[[], None]], Alarm],
        on_data: Callable[[bytes], None],
    ) -> None:
        self._controller = controller
        self._on_data = on_data
        self._alarm = create_alarm(self._fired)
        self._next: Callable[[], None] | None = None
        self._outgoing = bytearray()
        self._transfers: deque[ControlTransfer] = deque()
        self._enumeration: Generator[Step, None, None] | None = None
        self._running: ControlTransfer | None = None
        self._refused: set[str] = set()
        self.plugged = True
        self.opened = False
        self.descriptors: dict[tuple[int, int], bytes] = {}
        self.configured = False
        self.failures: list[ControlTransfer] = []
        self._forget()
        controller.on_armed = self._armed
        controller.on_pull_up = self._pull_up
        controller.on_reset = self._gone
        controller.on_reset_received = self._after_reset

    # -- what a user does -----------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether something happens on the bus without anybody doing anything more."""
        return self._next is not None

    def plug(self) -> None:
        """Put the cable in."""
        self.plugged = True
        self._pull_up(self._controller.pulled_up)

    def unplug(self) -> None:
        """Pull the cable out; what was on its way is lost."""
        self.plugged = False
        self._gone()

    def open(self, baud: int = 115_200) -> list[ControlTransfer]:
        """Open the serial line, as a program on Linux does; returns the requests that are made."""
        self.opened = True
        made = [self.set_line_coding(baud), self.set_line_state(DTR | RTS)]
        self._kick()
        return made

    def close(self) -> ControlTransfer:
        """Close the serial line."""
        self.opened = False
        return self.set_line_state(0)

    def set_line_coding(self, baud: int) -> ControlTransfer:
        """Rate, with 8 data bits, no parity and 1 stop bit."""
        coding = struct.pack("<IBBB", baud, 0, 0, 8)
        return self.control(ControlTransfer(request(0x21, 0x20, 0, 0, len(coding)), coding))

    def set_line_state(self, lines: int) -> ControlTransfer:
        """DTR and RTS."""
        return self.control(ControlTransfer(request(0x21, 0x22, lines)))

    def halt(self, endpoint: int, halted: bool) -> ControlTransfer:
        """SET or CLEAR_FEATURE of an endpoint's halt; clearing restarts its data toggle."""
        if not halted and endpoint == DATA_ENDPOINT:
            self._out_data1 = False
        elif not halted:
            self._in_data1 = False
        return self.control(ControlTransfer(request(0x02, 3 if halted else 1, 0, endpoint)))

    def send(self, data: bytes) -> None:
        """Write to the serial line."""
        self._outgoing += data
        self._kick()

    def control(self, transfer: ControlTransfer) -> ControlTransfer:
        """Queue a request; it is made once the device is configured."""
        self._transfers.append(transfer)
        self._kick()
        return transfer

    # -- the cable ------------------------------------------------------------------------------

    def _forget(self) -> None:
        self.configured = False
        self._address = 0
        self._enumeration = None
        self._running = None
        self._out_data1 = False
        self._in_data1 = False
        self._in_first = False
        self._refused.clear()

    def _gone(self) -> None:
        self._forget()
        self._outgoing.clear()
        self._transfers.clear()
        self._after(None)

    def _pull_up(self, pulled: bool) -> None:
        if not pulled:
            self._gone()
        elif self.plugged:
            self._after(self.reset_bus, DEBOUNCE_NANOS)

    def reset_bus(self) -> None:
        """Reset the device and enumerate it anew; an open line stays open."""
        self._forget()
        self.failures = []
        self._enumeration = self._enumerate()
        self._after(self._controller.reset_bus, RESET_NANOS)

    def _after_reset(self) -> None:
        if self._enumeration is not None:
            self._address = 0
            self._after(self._transact, RESET_NANOS)

    def _enumerate(self) -> Generator[Step, None, None]:
        def take(
            kind: int, index: int, length: int, language: int = 0
        ) -> Generator[Step, None, bytes]:
            transfer = get_descriptor(kind, index, length, language)
            yield transfer
            if not transfer.stalled:
                self.descriptors[kind, index] = transfer.reply
            return transfer.reply

        self.descriptors = {}
        yield get_descriptor(DEVICE, 0, 64)
        yield Pause.RESET  # once more, now that the size of endpoint 0 is known
        yield ControlTransfer(request(0x00, 5, ADDRESS))
        yield Pause.ADDRESS
        self._address = ADDRESS
        device = yield from take(DEVICE, 0, 18)
        yield from take(DEVICE_QUALIFIER, 0, 10)
        head = yield from take(CONFIGURATION, 0, 9)
        yield from take(CONFIGURATION, 0, int.from_bytes(head[2:4], "little"))
        languages = yield from take(STRING, 0, 255)
        language = int.from_bytes(languages[2:4], "little")
        for index in device[14:17]:
            yield from take(STRING, index, 255, language)
        yield ControlTransfer(request(0x00, 9, SETTINGS))
        self.configured = True
        baud = 115_200 if self.opened else DEFAULT_BAUD
        coding = struct.pack("<IBBB", baud, 0, 0, 8)
        yield ControlTransfer(request(0x21, 0x20, 0, 0, len(coding)), coding)
        yield ControlTransfer(request(0x21, 0x22, DTR | RTS if self.opened else 0))

    # -- the bus --------------------------------------------------------------------------------

    def _after(self, action: Callable[[], None] | None, nanos: float = 0.0) -> None:
        self._next = action
        self._alarm.cancel()
        if action is not None:
            self._alarm.schedule(nanos)

    def _fired(self) -> None:
        action, self._next = self._next, None
        if action is not None:
            action()

    def _armed(self) -> None:
        self._refused.clear()
        self._kick()

    def _kick(self) -> None:
        """Begin with what there is to do, unless something is under way already."""
        if self._next is None and self.plugged and self._controller.pulled_up and self._work():
            self._after(self._transact, OVERHEAD_BYTES * NANOS_PER_BYTE)

    def _work(self) -> list[str]:
        """What has something to do that has not been refused, in order of preference."""
        data = ["in", "out"] if self._in_first else ["out", "in"]
        wanted = {
            "control": self._enumeration or self._running or (self.configured and self._transfers),
            "out": self.configured and self._outgoing,
            "in": self.configured and self.opened,
        }
        return [name for name in ("control", *data) if wanted[name] and name not in self._refused]

    def _transact(self) -> None:
        work = self._work()
        if not work:
            return
        steps = {"control": self._control, "out": self._out, "in": self._in}
        answer, size = steps[work[0]]()
        # On endpoint 0 a STALL ends one request; elsewhere it stays until somebody clears it.
        again = answer is Handshake.STALL and work[0] == "control"
        if answer is not Handshake.ACK and not again:
            self._refused.add(work[0])
        if self._next is None and self._work():
            self._after(self._transact, (OVERHEAD_BYTES + size) * NANOS_PER_BYTE)

    def _control(self) -> tuple[Handshake, int]:
        if self._running is None:
            self._running = self._next_transfer()
            if self._running is None:
                return Handshake.ACK, 0
        transfer = self._running
        answer, size = transfer.step(self._controller, self._address)
        if transfer.done:
            self._running = None
            if transfer.stalled and self._enumeration is not None:
                self.failures.append(transfer)
            if self._enumeration is not None:
                self._running = self._next_transfer()
        return answer, size

    def _next_transfer(self) -> ControlTransfer | None:
        if self._enumeration is None:
            return self._transfers.popleft() if self._transfers else None
        step = next(self._enumeration, None)
        if isinstance(step, ControlTransfer):
            return step
        if step is Pause.RESET:
            self._after(self._controller.reset_bus, RESET_NANOS)
        elif step is Pause.ADDRESS:
            self._after(self._transact, ADDRESS_NANOS)
        else:
            self._enumeration = None
        return None

    def _out(self) -> tuple[Handshake, int]:
        packet = bytes(self._outgoing[:PACKET_BYTES])
        answer = self._controller.host_out(self._address, DATA_ENDPOINT, self._out_data1, packet)
        if answer is Handshake.ACK:
            del self._outgoing[: len(packet)]
            self._out_data1 = not self._out_data1
        self._in_first = True
        return answer, len(packet)

    def _in(self) -> tuple[Handshake, int]:
        answer = self._controller.host_in(self._address, DATA_ENDPOINT, self._in_data1)
        self._in_first = False
        if not isinstance(answer, bytes):
            return answer, 0
        self._in_data1 = not self._in_data1
        self._on_data(answer)
        return Handshake.ACK, len(answer)
