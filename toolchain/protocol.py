"""The link's messages, declared once.

These classes *are* the declaration: :mod:`host.link` encodes and decodes them, the firmware's
``jl_protocol.h`` is generated from them by :func:`toolchain.build.protocol_header.render`, and
``docs/PROTOCOL.md`` by :func:`toolchain.build.protocol_document.render` (a test compares the two).

A frame on the line is ``COBS(header | payload | CRC-32) 0x00``. All fields are little-endian and
packed. The CRC is zlib's (reflected 0xEDB88320), over header and payload.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Annotated, Any, ClassVar, Self, get_args, get_type_hints

from toolchain.errors import ProtocolError

VERSION = 4
"""Protocol version, the first byte of every frame."""

MAX_PAYLOAD_BYTES = 2048
"""Largest payload either side accepts; a batch is cut to fit."""

WINDOW = 2
"""Requests that may be in flight on a line, counted from the oldest that is not answered."""

KEPT_REPLIES = 2 * WINDOW - 1
"""Last replies that the board keeps of each line.

After a request was executed and before its reply is known to have arrived, the board may execute
``WINDOW - 1`` later ones, and as many earlier ones that were lost at first.
"""

LINE_BUFFER_BYTES = 4096
"""Bytes that may be on their way behind the request that the board works on."""

REPLY = 0x80
"""Bit that a reply's type adds to the type of its request."""

ERROR_TYPE = 0xFF
"""Type of an error reply, whatever the request was."""

EMULATED_CHIP_IDS = (b"EMUL", b"\0\0\x02EMU")
"""How the unique id of an emulated chip begins: a flash's, or a MAC address that nobody is given.

The program is the same as on silicon, so this is what tells an emulator behind any port or URL.
"""

NO_BUDGET_FJ = 2**64 - 1
"""The ``energy_fj`` of :class:`BudgetRequest` that sets no limit."""


@dataclass(frozen=True)
class Wire:
    """How a field stands on the line: its :mod:`struct` format and its C declaration."""

    format: str
    c_type: str
    c_suffix: str = ""


U8 = Annotated[int, Wire("B", "uint8_t")]
I8 = Annotated[int, Wire("b", "int8_t")]
U16 = Annotated[int, Wire("H", "uint16_t")]
U32 = Annotated[int, Wire("I", "uint32_t")]
I32 = Annotated[int, Wire("i", "int32_t")]
U64 = Annotated[int, Wire("Q", "uint64_t")]
Bytes8 = Annotated[bytes, Wire("8s", "uint8_t", "[8]")]
Bytes32 = Annotated[bytes, Wire("32s", "uint8_t", "[32]")]
Char16 = Annotated[bytes, Wire("16s", "char", "[16]")]

HEADER = struct.Struct("<BBHHH")
"""version, type, session, sequence, payload length."""

CRC_BYTES = 4
"""Bytes of the CRC-32 behind the payload."""


class ErrorCode(IntEnum):
    """Why the board refused a request. Negative, as in the firmware; 0 is success."""

    OK = 0
    VERSION = -1
    TYPE = -2
    LENGTH = -3
    COUNT = -4
    ARGUMENT = -5
    NO_METER = -6
    METER = -7
    CLOCK = -8
    INFERENCE = -9
    NO_FALLBACK = -10
    PERIOD = -11
    SESSION = -12
    COVERAGE = -13
    LINE = -14

    @property
    def gloss(self) -> str:
        """One line on what the code means."""
        return _GLOSS[self]


_GLOSS = {
    ErrorCode.OK: "success",
    ErrorCode.VERSION: "the frame is of another protocol version",
    ErrorCode.TYPE: "unknown request type",
    ErrorCode.LENGTH: "the payload's length does not match its message",
    ErrorCode.COUNT: "the number of rows is zero or does not fit",
    ErrorCode.ARGUMENT: "a field is out of its range",
    ErrorCode.NO_METER: "no power meter answers on the board's I2C bus",
    ErrorCode.METER: "the power meter did not answer or reported an overflow",
    ErrorCode.CLOCK: "a clock did not run, or two clocks disagree",
    ErrorCode.INFERENCE: "the inference engine failed",
    ErrorCode.NO_FALLBACK: "the image has no fallback network",
    ErrorCode.PERIOD: "the board is not at this point of the period",
    ErrorCode.SESSION: "the line's last HELLO was of another session, or there was none",
    ErrorCode.COVERAGE: "no conversion of the power meter lay wholly within the window",
    ErrorCode.LINE: "the far end of the line did not take what was sent",
}


class Engine(IntEnum):
    """What computes the network on the board."""

    AOT = 0
    TFLM = 1
    FLOAT = 2


class Mode(IntEnum):
    """Which of an image's networks decides: its own, or the much cheaper one."""

    FULL = 0
    FALLBACK = 1


class Element(IntEnum):
    """What one input or output value of a network is on the line."""

    INT8 = 0
    FLOAT32 = 1
    INT16 = 2

    @property
    def bytes(self) -> int:
        """Bytes of one value."""
        return {Element.INT8: 1, Element.FLOAT32: 4, Element.INT16: 2}[self]


class MeterKind(IntEnum):
    """Which power meter the firmware found, by its id registers."""

    NONE = 0
    INA219 = 1
    INA226 = 2
    INA228 = 3


class ResetCause(IntEnum):
    """Why the board last started."""

    POWER_ON = 0
    RUN_PIN = 1
    WATCHDOG = 2
    REQUESTED = 3
    FAULT = 4
    UNKNOWN = 255


class FaultCause(IntEnum):
    """What stopped the program before the board last started."""

    NONE = 0
    HARD_FAULT = 1
    EXCEPTION = 2
    STACK = 3


class WindowKind(IntEnum):
    """What the board does inside an energy window."""

    IDLE = 0
    INFERENCE = 1
    SLEEP = 2
    WAKE = 3
    LINK = 4


class WindowMeter(IntEnum):
    """Who measures an energy window."""

    BOARD = 0
    HOST = 1


@dataclass(frozen=True)
class Message:
    """Base of all messages: fixed fields, then a tail of rows where ``TAIL`` names them."""

    TYPE: ClassVar[int]
    TAIL: ClassVar[str] = ""

    @classmethod
    def layout(cls) -> list[tuple[str, Wire]]:
        """Names and wire types of the fixed fields, in order (``tail`` is not one of them)."""
        hints = get_type_hints(cls, include_extras=True)
        return [(f.name, get_args(hints[f.name])[1]) for f in fields(cls) if f.name != "tail"]

    @classmethod
    def fixed(cls) -> struct.Struct:
        """The :class:`struct.Struct` of the fixed fields."""
        return struct.Struct("<" + "".join(wire.format for _, wire in cls.layout()))

    def encode(self) -> bytes:
        """The payload's bytes."""
        values = [getattr(self, name) for name, _ in self.layout()]
        tail: bytes = getattr(self, "tail", b"")
        return self.fixed().pack(*values) + tail

    @classmethod
    def decode(cls, payload: bytes) -> Self:
        """Read a payload.

        Raises:
            ProtocolError: the length does not match the message.
        """
        fixed = cls.fixed()
        if len(payload) < fixed.size or (not cls.TAIL and len(payload) != fixed.size):
            raise ProtocolError(
                f"{cls.__name__}: payload of {len(payload)} bytes, expected "
                f"{'at least ' if cls.TAIL else ''}{fixed.size}"
            )
        values: list[Any] = list(fixed.unpack_from(payload))
        names = [name for name, _ in cls.layout()]
        arguments = dict(zip(names, values, strict=True))
        if cls.TAIL:
            arguments["tail"] = payload[fixed.size :]
        return cls(**arguments)


@dataclass(frozen=True)
class HelloRequest(Message):
    """Who is there? Begins a session, and clears the board's memory of the last replies."""

    TYPE: ClassVar[int] = 0x01


@dataclass(frozen=True)
class HelloReply(Message):
    """The board's identity and limits; no result is attributed to anything else."""

    TYPE: ClassVar[int] = HelloRequest.TYPE | REPLY

    engine: U8
    """:class:`Engine`."""
    meter: U8
    """:class:`MeterKind`."""
    reset_cause: U8
    """:class:`ResetCause`."""
    input_element: U8
    """:class:`Element` of the inputs: ``input_t`` of the rows below."""
    output_element: U8
    """:class:`Element` of the outputs: ``output_t`` of the rows below."""
    firmware: Char16
    """Firmware version, NUL-padded ASCII."""
    board: Char16
    """Name of the board file, NUL-padded ASCII."""
    chip_id: Bytes8
    """The chip's or its flash's unique id."""
    image_sha256: Bytes32
    """SHA-256 of everything that went into the image (sources, model, flags, compiler)."""
    model_sha256: Bytes32
    """SHA-256 of the .tflite that the network was generated from."""
    fallback_sha256: Bytes32
    """The same of the fallback network; zeros where the image has none."""
    clock_hz: U32
    """Core clock in Hz."""
    max_payload: U16
    """Largest payload in bytes that the board accepts or sends."""
    n_inputs: U16
    """Input values of one inference."""
    n_outputs: U16
    """Output values of one inference."""
    arena_bytes: U32
    """Bytes of activation memory that the engine planned."""
    fault_cause: U8
    """:class:`FaultCause`; where it is NONE, the next three are 0."""
    fault_pc: U32
    """Address of the instruction that failed; 0 when that is not known."""
    fault_lr: U32
    """Link register at that instruction."""
    fault_status: U32
    """The core's status register at that instruction (xPSR on ARM)."""


@dataclass(frozen=True)
class InferRequest(Message):
    """Run the network on every row and return the raw outputs."""

    TYPE: ClassVar[int] = 0x02
    TAIL: ClassVar[str] = "count x { input_t input[n_inputs] }"

    count: U16
    """Rows in the tail, at least 1."""
    tail: bytes = b""


@dataclass(frozen=True)
class InferReply(Message):
    """Raw outputs, each with the board's own cycle count of that one inference."""

    TYPE: ClassVar[int] = InferRequest.TYPE | REPLY
    TAIL: ClassVar[str] = "count x { uint32 cycles; output_t output[n_outputs] }"

    count: U16
    """Rows in the tail."""
    tail: bytes = b""


@dataclass(frozen=True)
class DecideRequest(Message):
    """Decide every row: a network, then the best output whose bit is set in the mask."""

    TYPE: ClassVar[int] = 0x03
    TAIL: ClassVar[str] = "count x { uint8 mask; input_t input[n_inputs] }"

    count: U16
    """Rows in the tail, at least 1."""
    period: U16
    """What the host calls the period that the rows belong to."""
    decided: U32
    """Rows of the period that were decided before these; 0 begins it."""
    tail: bytes = b""


@dataclass(frozen=True)
class DecideReply(Message):
    """The chosen outputs' indices, each with the mode and the cycles of that one decision."""

    TYPE: ClassVar[int] = DecideRequest.TYPE | REPLY
    TAIL: ClassVar[str] = "count x { uint8 action; uint8 mode; uint32 cycles }"

    count: U16
    """Rows in the tail."""
    tail: bytes = b""


@dataclass(frozen=True)
class WindowRequest(Message):
    """Bound one energy window; the meter is not touched while it runs."""

    TYPE: ClassVar[int] = 0x04
    TAIL: ClassVar[str] = "count x { uint8 mask; input_t input[n_inputs] }"

    kind: U8
    """:class:`WindowKind`: decide; wait for interrupts with all clocks running (IDLE); sleep as
    deep as the board can and be woken by a timer, once (SLEEP) or again and again (WAKE); send
    zeros, which are empty frames, on the line of the request (LINK)."""
    mode: U8
    """:class:`Mode` of every decision in it; 0 where none is made."""
    meter: U8
    """:class:`WindowMeter`: with HOST, the board touches no meter, and only the gate pin tells."""
    iterations: U32
    """Decisions to make, cycling through the rows; wake-ups of WAKE; bytes of LINK, at most
    1,000,000; else 0."""
    duration_us: U32
    """us to wait of IDLE; us of SLEEP and of each sleep of WAKE, at least 1,000; else 0."""
    count: U16
    """Rows in the tail; 0 where nothing is decided."""
    tail: bytes = b""


@dataclass(frozen=True)
class WindowReply(Message):
    """What the meter accumulated over the window, and what ran inside it."""

    TYPE: ClassVar[int] = WindowRequest.TYPE | REPLY

    iterations: U32
    """Decisions, wake-ups or bytes that were done inside the window."""
    elapsed_us: U64
    """us from the first conversion's start to the accumulators' halt, by the 1 MHz timer; to the
    gate's fall where nothing accumulates."""
    cycles: U64
    """Core clock cycles over the same time, by the cycle counter; 0 where nothing is decided."""
    gate: U8
    """Levels that the gate pin was seen at: bit 0, high within the window; bit 1, low after it."""
    covered_us: U64
    """us of the window that the meter's figures are of; 0 with a meter on the host."""
    shunt_voltage: I32
    """Counts of the mean shunt voltage, of a meter without accumulators; else 0."""
    energy: U64
    """Counts of the meter's energy register; one count is ``energy_lsb_pj`` of MeterReply."""
    charge: U64
    """Counts of the meter's charge register (two's complement in 40 bits)."""
    bus_voltage: I32
    """Counts of the meter's bus voltage register at the window's end."""
    flags: U16
    """The meter's own diagnostic register at the window's end."""


@dataclass(frozen=True)
class MeterRequest(Message):
    """Which meter is on the bus, and how is it set up?"""

    TYPE: ClassVar[int] = 0x05


@dataclass(frozen=True)
class MeterReply(Message):
    """The meter's identity and scales."""

    TYPE: ClassVar[int] = MeterRequest.TYPE | REPLY

    kind: U8
    """:class:`MeterKind`."""
    address: U8
    """7-bit I2C address."""
    manufacturer_id: U16
    """The manufacturer id register."""
    device_id: U16
    """The device id register."""
    shunt_calibration: U16
    """The shunt calibration register, as read back."""
    shunt_uohm: U32
    """Shunt resistance in microohm."""
    conversion_us: U32
    """us for one conversion of all channels."""
    energy_lsb_pj: U64
    """pJ per count of the energy register; 0 where the meter has none."""
    charge_lsb_pc: U64
    """pC per count of the charge register; 0 where the meter has none."""
    shunt_voltage_lsb_nv: U32
    """nV per count of the mean shunt voltage; 0 where the meter accumulates energy itself."""
    bus_voltage_lsb_nv: U32
    """nV per count of the bus voltage register."""


@dataclass(frozen=True)
class StatusRequest(Message):
    """How is the board?"""

    TYPE: ClassVar[int] = 0x06


@dataclass(frozen=True)
class StatusReply(Message):
    """Memory and link counters since the last reset."""

    TYPE: ClassVar[int] = StatusRequest.TYPE | REPLY

    uptime_us: U64
    """us since reset."""
    stack_bytes: U32
    """Bytes reserved for the stack."""
    stack_used_bytes: U32
    """Deepest stack seen: the paint that is gone."""
    frames_received: U32
    """Frames with a right CRC."""
    frames_rejected: U32
    """Frames that were dropped: CRC, length or COBS."""
    bytes_overrun: U32
    """Bytes lost because nobody had read the one before."""


@dataclass(frozen=True)
class BudgetRequest(Message):
    """From the next period on, this is what a period's decisions may take."""

    TYPE: ClassVar[int] = 0x07

    energy_fj: U64
    """fJ after which a period's decisions are the fallback's; 2^64 - 1: no limit."""
    fj_per_cycle: U32
    """fJ of one core clock cycle, at least 1."""


@dataclass(frozen=True)
class BudgetReply(Message):
    """The budget is in force."""

    TYPE: ClassVar[int] = BudgetRequest.TYPE | REPLY


@dataclass(frozen=True)
class ErrorReply(Message):
    """The request was refused, or what it executed must not be used."""

    TYPE: ClassVar[int] = ERROR_TYPE

    request_type: U8
    """Type of the refused request."""
    code: I8
    """:class:`ErrorCode`."""
    detail: U32
    """The offending value where there is one, else 0."""


MESSAGES: tuple[type[Message], ...] = (
    HelloRequest,
    HelloReply,
    InferRequest,
    InferReply,
    DecideRequest,
    DecideReply,
    WindowRequest,
    WindowReply,
    MeterRequest,
    MeterReply,
    StatusRequest,
    StatusReply,
    BudgetRequest,
    BudgetReply,
    ErrorReply,
)
"""Every message, in the order of the document and of the generated header."""

ENUMS: tuple[type[IntEnum], ...] = (
    ErrorCode,
    Engine,
    Mode,
    Element,
    MeterKind,
    ResetCause,
    FaultCause,
    WindowKind,
    WindowMeter,
)
"""Every enumeration on the line."""
