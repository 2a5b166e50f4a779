"""Requests in flight on one line: several at a time, each repeated until its reply comes.

The board answers in order, and a repetition from its memory of the last replies
(:data:`toolchain.protocol.KEPT_REPLIES`), so repeating is always safe. A reply that overtakes an
earlier one means that the earlier request or reply was lost; so does the refusal ``PERIOD``, which
a DECIDE gets when the one before it has not arrived. Either has what was lost sent again at once;
only when the line falls silent is a timeout waited for.
"""

from __future__ import annotations

import importlib
import os
import secrets
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

import serial

from host.link.framing import DELIMITER, MAX_FRAME_BYTES, Frame, decode, encode
from toolchain import protocol as wire
from toolchain.errors import BoardFaultError, LinkError, LinkTimeoutError, ProtocolError

TRIES = 5
"""How often a request is sent before the board is given up."""
GRACE_S = 1.0
"""Silence that is no reason to ask again, beside the time that work and line take."""
BITS_PER_BYTE = 10
"""On a UART: start bit, eight of data, stop bit."""

PORT_ERRORS: tuple[type[Exception], ...] = (serial.SerialException, OSError)
"""What a port that is not there, or not there any more, raises out of pyserial."""
if os.name == "posix":  # a terminal that is just leaving has an error of its own
    PORT_ERRORS += (importlib.import_module("termios").error,)

_BROKEN_OFF: tuple[type[Exception], ...] = (*PORT_ERRORS, TypeError)
"""The same of an open port; TypeError where another thread has closed it."""

Result = TypeVar("Result")


class Transport(Protocol):
    """The part of :class:`serial.Serial` that the link needs; a fake makes a test portless."""

    timeout: float | None

    @property
    def in_waiting(self) -> int:
        """Bytes that have come in."""

    def write(self, data: bytes, /) -> int | None:
        """Send bytes."""

    def read(self, size: int = 1, /) -> bytes:
        """At most ``size`` bytes, fewer when ``timeout`` runs out."""

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
class Question:
    """One request.

    Attributes:
        message: what is asked.
        reply: type of its answer.
        work_s: s that the board may need for it alone.
    """

    message: wire.Message
    reply: type[wire.Message]
    work_s: float = 0.0


@dataclass
class _Flight:
    """A request that has been sent and not been answered."""

    index: int
    question: Question
    data: bytes
    sequence: int
    tries: int = 0
    sending: int = 0
    """Which sending of the line was its last one."""


@dataclass
class Line:
    """One transport, and the requests that are under way on it.

    Attributes:
        transport: the byte stream.
        port: what it is called in messages.
        baud: its rate, for the time that bytes take.
        tries: how often a request is sent.
        window: requests in flight, at most :data:`toolchain.protocol.WINDOW`.
        grace_s: silence after which the oldest request is sent again, beside work and line.
        traffic: what has crossed it.
        strange_bytes: that came in and were no frame of this protocol.
        session: that all frames are of, the replies as well; :meth:`begin` draws another.
    """

    transport: Transport
    port: str
    baud: int = 115_200
    tries: int = TRIES
    window: int = wire.WINDOW
    grace_s: float = GRACE_S
    traffic: Traffic = field(default_factory=Traffic)
    strange_bytes: int = 0
    session: int = 0
    _sequence: int = 0
    _sendings: int = 0
    _pending: bytearray = field(default_factory=bytearray)

    def begin(self) -> None:
        """Begin a session: drop what has come in, and end a half frame of an earlier host's."""
        self.session = self.session % 0xFFFF + 1 if self.session else 1 + secrets.randbelow(0xFFFF)
        self._guarded(self.transport.reset_input_buffer)
        self._pending.clear()
        self._send(DELIMITER)

    def ask(self, questions: Sequence[Question]) -> list[wire.Message]:
        """Put all questions, several in flight; their replies, in the same order.

        Raises:
            LinkTimeoutError: one of them got no reply in :attr:`tries` tries.
            BoardFaultError: the board refused one.
            ProtocolError: a reply breaks the protocol.
            LinkError: the port broke off.
        """
        waiting = deque(enumerate(questions))
        flights: dict[int, _Flight] = {}
        replies: dict[int, wire.Message] = {}
        since = time.monotonic()
        while waiting or flights:
            while waiting and self._has_room(flights, *waiting[0]):
                flight = self._launch(*waiting.popleft())
                since = since if flights else time.monotonic()
                flights[flight.sequence] = flight
            frame = self.receive(since + self._patience_s(flights))
            if frame is None:
                self._send_again(next(iter(flights.values())))
                since = time.monotonic()
            elif frame.session == self.session and frame.sequence in flights:
                flight = flights[frame.sequence]
                lost = [f for f in flights.values() if f.sending < flight.sending]
                earlier = [f for f in lost if f.index < flight.index]
                reply = self._reply(frame, flight)
                if reply is None:
                    earlier.append(flight)
                else:
                    replies[flight.index] = reply
                    del flights[frame.sequence]
                for flight in earlier:
                    self._send_again(flight)
                since = time.monotonic()
        return [replies[index] for index in range(len(questions))]

    def _has_room(self, flights: dict[int, _Flight], index: int, question: Question) -> bool:
        """Whether the board has room for one more, and will still know the oldest after it.

        The board keeps the replies to the last requests that it executed: one that is answered
        makes no room as long as an older one is not, which could be executed twice otherwise.
        """
        if not flights:
            return True
        oldest, *others = flights.values()
        behind = sum(len(flight.data) for flight in others)
        size = len(encode(Frame(question.message.TYPE, self.session, 0, question.message.encode())))
        in_window = index - oldest.index < self.window
        return in_window and behind + size <= wire.LINE_BUFFER_BYTES

    def _patience_s(self, flights: dict[int, _Flight]) -> float:
        """How long the line may be silent: the oldest's work, and all bytes of both directions."""
        oldest = next(iter(flights.values()))
        on_line = sum(len(flight.data) for flight in flights.values()) + MAX_FRAME_BYTES
        return self.grace_s + oldest.question.work_s + on_line * BITS_PER_BYTE / self.baud

    def _launch(self, index: int, question: Question) -> _Flight:
        self._sequence = self._sequence % 0xFFFF + 1
        message = question.message
        data = encode(Frame(message.TYPE, self.session, self._sequence, message.encode()))
        flight = _Flight(index, question, data, self._sequence)
        self._send_flight(flight, data)
        return flight

    def _send_again(self, flight: _Flight) -> None:
        if flight.tries >= self.tries:
            raise LinkTimeoutError(
                f"{self.port}: no reply to {type(flight.question.message).__name__} in "
                f"{self.tries} tries",
                hint="check that the board is still powered and connected",
            )
        self.traffic.retries += 1
        # The delimiter ends what a disturbance may have left before it.
        self._send_flight(flight, DELIMITER + flight.data)

    def _send_flight(self, flight: _Flight, data: bytes) -> None:
        flight.tries += 1
        self._sendings += 1
        flight.sending = self._sendings
        self.traffic.frames_sent += 1
        self._send(data)

    def _reply(self, frame: Frame, flight: _Flight) -> wire.Message | None:
        """The reply; None for a refusal that says only that an earlier request has not arrived."""
        question = flight.question
        name = type(question.message).__name__
        if frame.type == wire.ERROR_TYPE:
            error = wire.ErrorReply.decode(frame.payload)
            if error.code == wire.ErrorCode.PERIOD and flight.tries < self.tries:
                return None
            raise _fault(error, name)
        if frame.type != question.reply.TYPE:
            raise ProtocolError(
                f"{name} was answered by type 0x{frame.type:02x}, "
                f"expected 0x{question.reply.TYPE:02x}"
            )
        return question.reply.decode(frame.payload)

    def _send(self, data: bytes) -> None:
        self._guarded(lambda: self.transport.write(data))
        self.traffic.bytes_sent += len(data)

    def receive(self, deadline: float) -> Frame | None:
        """The next whole frame; None when the time is over."""
        while True:
            while (end := self._pending.find(DELIMITER)) >= 0:
                encoded = bytes(self._pending[:end])
                del self._pending[: end + 1]
                if not encoded:
                    continue
                try:
                    frame = decode(encoded)
                except ProtocolError as error:
                    self.strange_bytes += len(encoded)
                    if error.hint is not None:  # another version: asking again cannot help
                        raise
                    continue
                self.traffic.frames_received += 1
                return frame
            if len(self._pending) > MAX_FRAME_BYTES:
                self.strange_bytes += len(self._pending)
                self._pending.clear()
            left = deadline - time.monotonic()
            if left <= 0:
                self.strange_bytes += len(self._pending)
                return None
            chunk = self._guarded(partial(self._read, left))
            self.traffic.bytes_received += len(chunk)
            self._pending += chunk

    def _read(self, timeout_s: float) -> bytes:
        waiting = self.transport.in_waiting
        if not waiting:
            self.transport.timeout = timeout_s
        return self.transport.read(max(1, waiting))

    def _guarded(self, action: Callable[[], Result]) -> Result:
        """Do something with the transport.

        Raises:
            LinkError: it broke off.
        """
        try:
            return action()
        except _BROKEN_OFF as error:
            reason = error.args[-1] if error.args else error
            raise LinkError(
                f"{self.port} broke off: {reason}",
                hint="plug the board in again; the same command goes on from there",
            ) from error


def _fault(error: wire.ErrorReply, request: str) -> BoardFaultError:
    try:
        code = wire.ErrorCode(error.code)
    except ValueError:
        return BoardFaultError(
            f"the board refused {request} with unknown code {error.code}", code=error.code
        )
    return BoardFaultError(
        f"the board refused {request}: {code.name} ({code.gloss}; value {error.detail})",
        code=code,
        hint="it was reset, flashed again or swapped meanwhile; run the same command again"
        if code is wire.ErrorCode.SESSION
        else None,
    )
