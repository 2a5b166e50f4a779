"""Requests to a board and their replies, over any byte stream that pyserial can open."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self, TypeVar

import numpy as np
import serial

from host.link.framing import DELIMITER, MAX_FRAME_BYTES, Frame, decode, encode
from toolchain import protocol as wire
from toolchain.errors import (
    BoardFaultError,
    IdentityError,
    LinkError,
    LinkTimeoutError,
    ProtocolError,
)

GREETING_TIMEOUT_S = 1.0
WORK_TIMEOUT_S = 120.0
"""For requests that compute: an emulated core is some 40 times slower than silicon."""
TRIES = 3

Reply = TypeVar("Reply", bound=wire.Message)

ELEMENT_TYPES: dict[wire.Element, np.dtype] = {
    wire.Element.INT8: np.dtype("i1"),
    wire.Element.FLOAT32: np.dtype("<f4"),
}
"""How an array holds values of each element type, as they are on the line."""


class Transport(Protocol):
    """The part of :class:`serial.Serial` that the link needs; a fake makes a test portless."""

    timeout: float | None

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""

    def read_until(self, expected: bytes = ..., size: int | None = None) -> bytes:
        """Bytes up to and with ``expected``, or fewer when ``timeout`` runs out."""

    def reset_input_buffer(self) -> None:
        """Drop what has come in and was not read."""

    def close(self) -> None:
        """Release the port."""


@dataclass
class Traffic:
    """Bytes and frames that crossed the link, in both directions, retries included."""

    bytes_sent: int = 0
    bytes_received: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    retries: int = 0

    @property
    def bytes_total(self) -> int:
        """Bytes in both directions."""
        return self.bytes_sent + self.bytes_received

    @property
    def messages(self) -> int:
        """Frames in both directions."""
        return self.frames_sent + self.frames_received

    def __sub__(self, other: Traffic) -> Traffic:
        return Traffic(**{k: v - getattr(other, k) for k, v in vars(self).items()})

    def copy(self) -> Traffic:
        """The counters as they are now."""
        return Traffic(**vars(self))


@dataclass(frozen=True)
class Identity:
    """What answered: the identity that every result carries (DESIGN.md, "The link")."""

    board: str
    chip_id: str
    firmware: str
    engine: str
    image_sha256: str
    model_sha256: str
    clock_hz: int
    protocol: int
    meter: str
    reset_cause: str
    n_inputs: int
    n_outputs: int
    input_element: str
    output_element: str
    max_payload: int
    arena_bytes: int
    fault: str
    """What stopped the program before the board last started; empty when nothing did."""

    @classmethod
    def of(cls, hello: wire.HelloReply) -> Identity:
        """From the board's own words.

        Raises:
            ProtocolError: a text is not ASCII, or a code is unknown.
        """
        try:
            return cls(
                board=hello.board.rstrip(b"\0").decode("ascii"),
                chip_id=hello.chip_id.hex(),
                firmware=hello.firmware.rstrip(b"\0").decode("ascii"),
                engine=wire.Engine(hello.engine).name.lower(),
                image_sha256=hello.image_sha256.hex(),
                model_sha256=hello.model_sha256.hex(),
                clock_hz=hello.clock_hz,
                protocol=wire.VERSION,
                meter=wire.MeterKind(hello.meter).name.lower(),
                reset_cause=wire.ResetCause(hello.reset_cause).name.lower(),
                n_inputs=hello.n_inputs,
                n_outputs=hello.n_outputs,
                input_element=wire.Element(hello.input_element).name.lower(),
                output_element=wire.Element(hello.output_element).name.lower(),
                max_payload=hello.max_payload,
                arena_bytes=hello.arena_bytes,
                fault=_fault_text(hello),
            )
        except (UnicodeDecodeError, ValueError) as error:
            raise ProtocolError(f"HELLO cannot be read: {error}") from error


def _fault_text(hello: wire.HelloReply) -> str:
    cause = wire.FaultCause(hello.fault_cause)
    if cause is wire.FaultCause.NONE:
        return ""
    return (
        f"{cause.name.lower()} at pc 0x{hello.fault_pc:08x}, lr 0x{hello.fault_lr:08x}, "
        f"status 0x{hello.fault_status:08x}"
    )


@dataclass
class BoardClient:
    """One board behind one port.

    Every request is repeated under its sequence number until its reply comes; the board answers a
    repetition from its last reply, so nothing is executed twice.
    """

    transport: Transport
    port: str
    traffic: Traffic = field(default_factory=Traffic)
    _sequence: int = 0

    @classmethod
    def open(cls, port: str, baud: int) -> BoardClient:
        """Open a device path or a pyserial URL.

        Raises:
            LinkError: the port cannot be opened.
        """
        try:
            transport = serial.serial_for_url(port, baudrate=baud, timeout=GREETING_TIMEOUT_S)
            if hasattr(transport, "exclusive"):
                transport.exclusive = True
        except (serial.SerialException, ValueError) as error:
            raise LinkError(
                f"{port} cannot be opened: {error}",
                hint="check the port's name and permissions, and that no other program has it open",
            ) from error
        return cls(transport, port)

    def close(self) -> None:
        """Release the port."""
        self.transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- requests -------------------------------------------------------------------------------

    def hello(self) -> Identity:
        """Ask who is there.

        Raises:
            LinkTimeoutError: nothing that speaks the protocol answered.
        """
        self.transport.reset_input_buffer()
        # A lone delimiter ends whatever half frame an earlier host may have left behind.
        self._send(DELIMITER)
        try:
            reply = self.request(wire.HelloRequest(), wire.HelloReply, GREETING_TIMEOUT_S)
        except LinkTimeoutError as error:
            raise LinkTimeoutError(
                f"{self.port}: nothing answered HELLO in {TRIES} tries of "
                f"{GREETING_TIMEOUT_S:.0f} s",
                hint="check the wiring and the baud rate, or flash the board",
            ) from error
        return Identity.of(reply)

    def infer(
        self,
        inputs: np.ndarray,
        n_outputs: int,
        output_element: wire.Element = wire.Element.INT8,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the network on one batch.

        Args:
            inputs: (n, n_in) int8 or float32, as the network takes them; must fit one frame, see
                :func:`rows_per_frame`.
            n_outputs: values per output row.
            output_element: what those values are.

        Returns:
            (n, n_out) outputs and (n,) uint32 cycles of each inference.

        Raises:
            ProtocolError: the inputs are of a type that the line does not have.
        """
        request = wire.InferRequest(len(inputs), _input_bytes(inputs).tobytes())
        reply = self.request(request, wire.InferReply, WORK_TIMEOUT_S)
        output_type = ELEMENT_TYPES[output_element]
        layout = np.dtype([("cycles", "<u4"), ("output", output_type, (n_outputs,))])
        table = _rows(reply.tail, reply.count, layout, len(inputs), "INFER")
        return table["output"].reshape(len(inputs), n_outputs), table["cycles"]

    def decide(self, inputs: np.ndarray, masks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Decide one batch on the board.

        Args:
            inputs: (n, n_in) states, int8 or float32 as the network takes them.
            masks: (n, n_actions) bool, true where an action is allowed.

        Returns:
            (n,) uint8 actions and (n,) uint32 cycles of each decision.
        """
        request = wire.DecideRequest(len(inputs), decide_rows(inputs, masks))
        reply = self.request(request, wire.DecideReply, WORK_TIMEOUT_S)
        layout = np.dtype([("action", "u1"), ("cycles", "<u4")])
        table = _rows(reply.tail, reply.count, layout, len(inputs), "DECIDE")
        return table["action"], table["cycles"]

    def window(self, request: wire.WindowRequest) -> wire.WindowReply:
        """Bound one energy window on the board."""
        return self.request(request, wire.WindowReply, WORK_TIMEOUT_S)

    def meter(self) -> wire.MeterReply:
        """The board's power meter and its scales."""
        return self.request(wire.MeterRequest(), wire.MeterReply, GREETING_TIMEOUT_S)

    def status(self) -> wire.StatusReply:
        """Stack depth and link counters of the board."""
        return self.request(wire.StatusRequest(), wire.StatusReply, GREETING_TIMEOUT_S)

    def request(self, message: wire.Message, reply: type[Reply], timeout_s: float) -> Reply:
        """Send a request until its reply comes.

        Raises:
            LinkTimeoutError: no reply in :data:`TRIES` tries.
            BoardFaultError: the board refused it.
            ProtocolError: the reply breaks the protocol.
        """
        self._sequence = self._sequence % 0xFFFF + 1
        data = encode(Frame(message.TYPE, self._sequence, message.encode()))
        for attempt in range(TRIES):
            self.traffic.retries += attempt > 0
            self.traffic.frames_sent += 1
            self._send(data)
            frame = self._receive(self._sequence, timeout_s)
            if frame is None:
                continue
            if frame.type == wire.ERROR_TYPE:
                raise _fault(wire.ErrorReply.decode(frame.payload), type(message).__name__)
            if frame.type != reply.TYPE:
                raise ProtocolError(
                    f"{type(message).__name__} was answered by type 0x{frame.type:02x}, "
                    f"expected 0x{reply.TYPE:02x}"
                )
            return reply.decode(frame.payload)
        raise LinkTimeoutError(
            f"{self.port}: no reply to {type(message).__name__} in {TRIES} tries of "
            f"{timeout_s:.0f} s",
            hint="check that the board is still powered and connected",
        )

    def _send(self, data: bytes) -> None:
        try:
            self.transport.write(data)
        except (serial.SerialException, OSError) as error:
            raise LinkError(f"{self.port} broke off: {error}") from error
        self.traffic.bytes_sent += len(data)

    def _receive(self, sequence: int, timeout_s: float) -> Frame | None:
        """The next whole frame with this sequence number; None when the time is over."""
        deadline = time.monotonic() + timeout_s
        pending = b""
        while (left := deadline - time.monotonic()) > 0:
            self.transport.timeout = left
            try:
                chunk = self.transport.read_until(DELIMITER, MAX_FRAME_BYTES + 1)
            except (serial.SerialException, OSError) as error:
                raise LinkError(f"{self.port} broke off: {error}") from error
            self.traffic.bytes_received += len(chunk)
            pending += chunk
            if not pending.endswith(DELIMITER):
                pending = pending if len(pending) <= MAX_FRAME_BYTES else b""
                continue
            encoded, pending = pending[:-1], b""
            if not encoded:
                continue
            try:
                frame = decode(encoded)
            except ProtocolError as error:
                if error.hint is not None:  # another version: asking again cannot help
                    raise
                continue
            self.traffic.frames_received += 1
            if frame.sequence == sequence:
                return frame
        return None


def rows_per_frame(max_payload: int, request_row_bytes: int, reply_row_bytes: int) -> int:
    """Rows of a batch that fit one request and one reply.

    Raises:
        ProtocolError: not even one row fits.
    """
    room = max_payload - wire.WindowRequest.fixed().size
    rows = min(room // request_row_bytes, room // reply_row_bytes)
    if rows < 1:
        raise ProtocolError(
            f"one row needs {max(request_row_bytes, reply_row_bytes)} bytes, a frame has room for "
            f"{room}",
            hint="use a network with fewer inputs or outputs",
        )
    return rows


def decide_rows(inputs: np.ndarray, masks: np.ndarray) -> bytes:
    """Rows of DECIDE and WINDOW: a mask byte, then the inputs, int8 or float32.

    Raises:
        ProtocolError: the inputs are of a type that the line does not have.
    """
    _, n_actions = masks.shape
    bits = (masks.astype(np.uint32) << np.arange(n_actions, dtype=np.uint32)).sum(axis=1)
    return np.column_stack([bits.astype(np.uint8), _input_bytes(inputs)]).tobytes()


def _input_bytes(inputs: np.ndarray) -> np.ndarray:
    """(n, bytes of a row) uint8: the inputs as they are on the line."""
    for dtype in ELEMENT_TYPES.values():
        if inputs.ndim == 2 and inputs.dtype == dtype:
            return np.ascontiguousarray(inputs, dtype=dtype).view(np.uint8)
    raise ProtocolError(
        f"inputs of shape {inputs.shape} and type {inputs.dtype}; the line takes rows of "
        f"{' or '.join(element.name.lower() for element in ELEMENT_TYPES)}",
        hint="quantize the inputs for an int8 network, or convert them to float32",
    )


def check_identity(found: Identity, **expected: str) -> None:
    """Refuse a board that is not the expected one.

    Args:
        found: what answered.
        expected: fields of :class:`Identity` and the values they must have.

    Raises:
        IdentityError: a field differs.
    """
    for name, value in expected.items():
        actual = getattr(found, name)
        if actual != value:
            raise IdentityError(
                f"the board reports {name} {actual!r}, expected {value!r}",
                hint="flash the image again (leave out --no-flash), or name the right target",
            )


def _fault(error: wire.ErrorReply, request: str) -> BoardFaultError:
    try:
        code = wire.ErrorCode(error.code)
    except ValueError:
        return BoardFaultError(f"the board refused {request} with unknown code {error.code}")
    return BoardFaultError(
        f"the board refused {request}: {code.name} ({code.gloss}; value {error.detail})"
    )


def _rows(tail: bytes, count: int, layout: np.dtype, expected: int, name: str) -> np.ndarray:
    if count != expected or len(tail) != expected * layout.itemsize:
        raise ProtocolError(
            f"{name}: {expected} rows were asked for, the reply says {count} in {len(tail)} bytes"
        )
    return np.frombuffer(tail, dtype=layout)
