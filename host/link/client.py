"""Requests to a board and their replies, over any byte stream that pyserial can open."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self, TypeVar, cast

import numpy as np

from host.link.identity import Identity, check_identity
from host.link.line import BITS_PER_BYTE, GRACE_S, Line, Question, Traffic, Transport
from host.link.ports import open_port, port_finder
from toolchain import protocol as wire
from toolchain.errors import (
    BoardFaultError,
    LinkError,
    LinkTimeoutError,
    ProtocolError,
)

COME_BACK_S = 30.0
"""How long a board that was unplugged is waited for."""
REOPEN_INTERVAL_S = 0.2
GREETING_GRACE_S = 0.4
"""Silence after which HELLO is sent again: with all tries, well below the 3 s of an answer."""
GREETING_TRIES = 4
UNKNOWN_CYCLES = 10_000_000
"""Taken for one row's cycles until the board has counted some: more than any network here."""
CYCLES_MARGIN = 4
"""A row may take so much longer than usual before the board is asked again."""
MAX_GRACE_S = 20.0
BRIDGED_BYTES = 32
"""That a UART takes in while a row is computed, with interrupts held back (docs/PROTOCOL.md)."""

Reply = TypeVar("Reply", bound=wire.Message)

ELEMENT_TYPES: dict[wire.Element, np.dtype] = {
    wire.Element.INT8: np.dtype("i1"),
    wire.Element.FLOAT32: np.dtype("<f4"),
    wire.Element.INT16: np.dtype("<i2"),
}
"""How an array holds values of each element type, as they are on the line."""


DECIDED_ROW = np.dtype([("action", "u1"), ("mode", "u1"), ("cycles", "<u4")])
"""One row of the reply to DECIDE."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What a board made of a batch of rows.

    Attributes:
        actions: (n,) uint8.
        modes: (n,) uint8, the :class:`~toolchain.protocol.Mode` that each was decided in.
        cycles: (n,) uint32, the board's own count of each.
    """

    actions: np.ndarray
    modes: np.ndarray
    cycles: np.ndarray


@dataclass
class BoardClient:
    """One board behind one port.

    Every request is repeated under its sequence number until its reply comes; the board answers a
    repetition from its memory, so nothing is executed twice.

    Attributes:
        transport: the byte stream.
        port: what it is called in messages.
        baud: the rate of the line.
        pace: how much slower than its clock says the board runs; 1 on silicon.
        reopen: finds the board's port again after an unplug and opens it; None where it cannot
            come back.
        max_payload: bytes of the largest frame's payload, as the board says in HELLO.
    """

    transport: Transport
    port: str
    baud: int = 115_200
    pace: float = 1.0
    reopen: Callable[[], Transport] | None = None

    def __post_init__(self) -> None:
        grace_s = min(GRACE_S * self.pace, MAX_GRACE_S)
        self.line = Line(self.transport, self.port, self.baud, grace_s=grace_s)
        self.max_payload = wire.MAX_PAYLOAD_BYTES
        self._clock_hz = UNKNOWN_CYCLES
        self._row_cycles = UNKNOWN_CYCLES
        self._counted = False
        self._identity: Identity | None = None

    @classmethod
    def open(cls, port: str, baud: int, *, pace: float = 1.0) -> BoardClient:
        """Open a device path or a pyserial URL.

        Raises:
            LinkError: the port cannot be opened, or another program has it.
        """
        return cls(open_port(port, baud), port, baud, pace, port_finder(port, baud))

    @property
    def traffic(self) -> Traffic:
        """What has crossed the line."""
        return self.line.traffic

    @property
    def trouble(self) -> str:
        """Why the board that last said HELLO had started anew; empty where nothing was wrong."""
        return "" if self._identity is None else self._identity.trouble

    def close(self) -> None:
        """Release the port."""
        self.line.transport.close()

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

    def hello(self, tries: int = GREETING_TRIES) -> Identity:
        """Ask who is there.

        Args:
            tries: how often, each with :data:`GREETING_GRACE_S` of silence.

        Raises:
            LinkTimeoutError: nothing that speaks the protocol answered.
            ProtocolError: the board speaks another version of it.
        """
        patient = self.line.tries, self.line.grace_s
        self.line.tries = tries
        self.line.grace_s = min(self.line.grace_s, GREETING_GRACE_S * self.pace)
        self.line.strange_bytes = 0
        try:
            self.line.begin()
            reply = self.request(wire.HelloRequest(), wire.HelloReply)
        except LinkTimeoutError as error:
            raise LinkTimeoutError(
                f"{self.port}: nothing answered HELLO in {tries} tries; "
                + (
                    f"{self.line.strange_bytes} bytes came that are not of this protocol"
                    if self.line.strange_bytes
                    else "the line is silent"
                ),
                hint="another device is there, or the baud rate differs: check the port's name"
                if self.line.strange_bytes
                else "check the port's name and the wiring, or flash the board",
            ) from error
        finally:
            self.line.tries, self.line.grace_s = patient
        self._identity = Identity.of(reply)
        self.max_payload = reply.max_payload
        self._clock_hz = reply.clock_hz
        return self._identity

    def reconnect(self, within_s: float = COME_BACK_S) -> Identity:
        """Open the port again when the board is back, and make sure that it is the same one.

        Args:
            within_s: how long to wait for it.

        Raises:
            LinkError: it did not come back, or cannot.
            IdentityError: another board, image or model answers.
        """
        earlier = self._identity
        if self.reopen is None or earlier is None:
            raise LinkError(f"{self.port} broke off and cannot come back")
        self.close()
        deadline = time.monotonic() + within_s
        while True:
            try:
                self.line.transport = self.reopen()
                found = self.hello()
            except LinkTimeoutError as error:
                self.close()
                failure: LinkError = error
            except (ProtocolError, BoardFaultError):
                raise
            except LinkError as error:
                failure = error
            else:
                same = {k: v for k, v in vars(earlier).items() if k not in ("reset_cause", "fault")}
                check_identity(found, **same)
                return found
            if time.monotonic() > deadline:
                raise failure
            time.sleep(REOPEN_INTERVAL_S)

    def infer(
        self,
        inputs: np.ndarray,
        n_outputs: int,
        output_element: wire.Element = wire.Element.INT8,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run the network on any number of rows, several frames of them in flight.

        Args:
            inputs: (n, n_in) int8, int16 or float32, as the network takes them.
            n_outputs: values per output row.
            output_element: what those values are.

        Returns:
            (n, n_out) outputs and (n,) uint32 cycles of each inference.

        Raises:
            ProtocolError: the inputs are of a type that the line does not have.
        """
        output_type = ELEMENT_TYPES[output_element]
        layout = np.dtype([("cycles", "<u4"), ("output", output_type, (n_outputs,))])
        values = _input_bytes(inputs)
        questions = [
            self._question(wire.InferRequest(len(rows), rows.tobytes()), wire.InferReply, len(rows))
            for rows in self._cut(values, layout.itemsize)
        ]
        table = self._rows(questions, layout)
        return table["output"].reshape(len(inputs), n_outputs), table["cycles"]

    def decide(
        self, inputs: np.ndarray, masks: np.ndarray, *, period: int = 0, decided: int = 0
    ) -> Decisions:
        """Decide any number of rows on the board, several frames of them in flight.

        Args:
            inputs: (n, n_in) states, int8, int16 or float32 as the network takes them.
            masks: (n, n_actions) bool, true where an action is allowed.
            period: names the period that the rows belong to; as much as 16 bits hold is sent.
            decided: rows of the period that were decided before these; 0 begins it.

        Raises:
            BoardFaultError: also when the board is not at this point of the period.
        """
        questions = []
        for rows in self._cut(decide_bytes(inputs, masks), DECIDED_ROW.itemsize):
            request = wire.DecideRequest(len(rows), period & 0xFFFF, decided, rows.tobytes())
            questions.append(self._question(request, wire.DecideReply, len(rows)))
            decided += len(rows)
        table = self._rows(questions, DECIDED_ROW)
        return Decisions(table["action"], table["mode"], table["cycles"])

    def set_budget(self, request: wire.BudgetRequest) -> None:
        """Set what a period's decisions may take, and forget the period under way.

        Raises:
            BoardFaultError: the image has no fallback network.
        """
        self.request(request, wire.BudgetReply)

    def window(self, request: wire.WindowRequest) -> wire.WindowReply:
        """Bound one energy window on the board."""
        waits_s = request.duration_us * 1e-6
        if request.kind == wire.WindowKind.WAKE:
            waits_s *= request.iterations
        work_s = waits_s * self.pace
        if request.kind == wire.WindowKind.LINK:
            work_s += request.iterations * BITS_PER_BYTE / self.baud
        elif request.kind == wire.WindowKind.INFERENCE:
            work_s += self._work_s(request.iterations)
        return self.request(request, wire.WindowReply, work_s)

    def meter(self) -> wire.MeterReply:
        """The board's power meter and its scales."""
        return self.request(wire.MeterRequest(), wire.MeterReply)

    def status(self) -> wire.StatusReply:
        """Stack depth and link counters of the board."""
        return self.request(wire.StatusRequest(), wire.StatusReply)

    def request(self, message: wire.Message, reply: type[Reply], work_s: float = 0.0) -> Reply:
        """Send one request until its reply comes.

        Args:
            message: the request.
            reply: type of its reply.
            work_s: s that the board may need for it.

        Raises:
            LinkTimeoutError: no reply in as many tries as the line makes.
            BoardFaultError: the board refused it.
            ProtocolError: the reply breaks the protocol.
        """
        (answer,) = self.line.ask([Question(message, reply, work_s)])
        return cast(Reply, answer)

    def _question(self, message: wire.Message, reply: type[wire.Message], rows: int) -> Question:
        return Question(message, reply, self._work_s(rows))

    def _work_s(self, rows: int) -> float:
        """s that so many inferences may take, by the board's own counts of those before."""
        return rows * self._row_cycles * self.pace / self._clock_hz

    def _cut(self, rows: np.ndarray, reply_row_bytes: int) -> list[np.ndarray]:
        """Rows of bytes, as many to a frame as fit; what has no row goes in one frame as well."""
        batch = rows_per_frame(self.max_payload, rows.shape[1], reply_row_bytes)
        return [rows[start : start + batch] for start in range(0, max(len(rows), 1), batch)]

    def _rows(self, questions: list[Question], layout: np.dtype) -> np.ndarray:
        """Ask, and put the rows of all replies together; their cycles set the next timeouts."""
        tables = []
        for question, answer in zip(questions, self.line.ask(questions), strict=True):
            asked, got = cast(_Counted, question.message), cast(_Counted, answer)
            name = type(question.message).__name__.removesuffix("Request").upper()
            tables.append(_table(got.tail, got.count, layout, asked.count, name))
        table = np.concatenate(tables)
        if len(table):
            usual = CYCLES_MARGIN * int(np.median(table["cycles"]))
            self._row_cycles = max(self._row_cycles, usual) if self._counted else usual
            self._counted = True
            # A board that is deaf for longer than its UART can bridge loses what comes meanwhile.
            deaf_bytes = usual / CYCLES_MARGIN / self._clock_hz * self.baud / BITS_PER_BYTE
            self.line.window = wire.WINDOW if deaf_bytes <= BRIDGED_BYTES else 1
        return table


class _Counted(Protocol):
    """Messages with rows."""

    count: int
    tail: bytes


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
    """Rows of DECIDE and WINDOW: a mask byte, then the inputs, int8, int16 or float32.

    Raises:
        ProtocolError: the inputs are of a type that the line does not have.
    """
    return decide_bytes(inputs, masks).tobytes()


def decide_bytes(inputs: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """The same as an (n, bytes of a row) uint8 array.

    Raises:
        ProtocolError: as :func:`decide_rows`.
    """
    _, n_actions = masks.shape
    bits = (masks.astype(np.uint32) << np.arange(n_actions, dtype=np.uint32)).sum(axis=1)
    return np.column_stack([bits.astype(np.uint8), _input_bytes(inputs)])


def _input_bytes(inputs: np.ndarray) -> np.ndarray:
    """(n, bytes of a row) uint8: the inputs as they are on the line."""
    for dtype in ELEMENT_TYPES.values():
        if inputs.ndim == 2 and inputs.dtype == dtype:
            return np.ascontiguousarray(inputs, dtype=dtype).view(np.uint8)
    raise ProtocolError(
        f"inputs of shape {inputs.shape} and type {inputs.dtype}; the line takes rows of "
        f"{' or '.join(element.name.lower() for element in ELEMENT_TYPES)}",
        hint="quantize the inputs as the network takes them, or convert them to float32",
    )


def _table(tail: bytes, count: int, layout: np.dtype, expected: int, name: str) -> np.ndarray:
    if count != expected or len(tail) != expected * layout.itemsize:
        raise ProtocolError(
            f"{name}: {expected} rows were asked for, the reply says {count} in {len(tail)} bytes"
        )
    return np.frombuffer(tail, dtype=layout)
