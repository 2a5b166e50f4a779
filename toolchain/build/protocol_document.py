"""``docs/PROTOCOL.md``, rendered from the declaration in :mod:`toolchain.protocol`.

Run ``python -m toolchain.build.protocol_document`` to write it; a test compares the two.
"""

from __future__ import annotations

import ast
import inspect
import struct
import zlib
from collections.abc import Sequence
from enum import IntEnum

from cobs import cobs

from toolchain import protocol
from toolchain.build.protocol_header import HEADER_FIELDS, c_name
from toolchain.places import PACKAGES_DIR
from toolchain.protocol import ENUMS, ERROR_TYPE, MESSAGES, REPLY, ErrorCode, Message, Wire

DOCUMENT = PACKAGES_DIR / "docs" / "PROTOCOL.md"
"""Where the document lies in a checkout."""

EXAMPLE_SESSION = 0x1234
EXAMPLE_SEQUENCE = 1

_HEADER_MEANING = {
    "version": f"protocol version, {protocol.VERSION}",
    "type": "type of the message",
    "session": "what the line's last HELLO has named, at least 1; a reply repeats its request's",
    "sequence": "number of the request; its reply repeats it",
    "length": "bytes of payload",
}


def render() -> str:
    """The whole document."""
    requests = [message for message in MESSAGES if message.TYPE < REPLY]
    parts = [_INTRODUCTION, _framing(), _RULES, _overview(requests), "## Messages\n"]
    parts += [_message(message) for message in MESSAGES]
    parts.append("## Codes\n")
    parts += [_enum(enum) for enum in ENUMS]
    parts.append(_example())
    return "\n".join(parts)


_INTRODUCTION = """\
# The link's protocol

<!-- Rendered by toolchain/build/protocol_document.py from toolchain/protocol.py: change that. -->

How a host talks to the firmware over a byte stream: a UART at the board file's baud rate with 8
data bits, no parity and 1 stop bit, or a USB serial line (CDC ACM) at any rate. The host asks and
the board answers on the line that it was asked on; the board never speaks unasked, prints no
banner, and does not reset when the port is opened.

The messages are declared once, in `toolchain/protocol.py`. The host uses those classes, the
firmware's `jl_protocol.h` and this document are generated from them.
"""

_RULES = f"""\
## Rules

- The host may have {protocol.WINDOW} requests in flight on a line, counted from the oldest whose
  reply has not come, and behind the one that the board works on at most
  {protocol.LINE_BUFFER_BYTES} bytes. The board answers in order. A request may be sent again, with
  the same bytes, whenever its reply does not come.
- A request with the type, sequence number, length and CRC of one of the line's last
  {protocol.KEPT_REPLIES} requests is a *repetition*: the board answers it with the bytes of the
  reply that it kept and executes nothing. A PERIOD refusal is not kept: it says only that an
  earlier DECIDE is missing, and the same request is executed once that has come. `HELLO` is never a
  repetition: it is executed every time and makes the board forget the line's kept replies.
- A *session* begins with a HELLO, whose header names it with a number that the host draws at
  random. Every other request of the line must name the same one, or is refused with SESSION; after
  a reset there is none. So a board that was reset, flashed again or swapped while the port stayed
  open answers nothing before it has told who it is. That refusal is not kept.
- A reply has its request's type with bit 7 set (0x{REPLY:02x}), and its request's session and
  sequence number. A refusal has type 0x{ERROR_TYPE:02x} instead, and names the request's type, an
  error code and the offending value.
- A frame is checked in this order: COBS, size and CRC; version; session; type; length; number of
  rows; the fields' values. Frames that fail the first of these are dropped in silence and counted
  (`frames_rejected` of STATUS), because nothing in them can be trusted, not even whom to answer.
  Every other failure is answered with its code. All of these checks come before anything is
  executed; METER, CLOCK and INFERENCE can also mean that what was executed must not be used.
- A *period* is a decision cycle: a batch of decisions, a day's for instance, that share an energy
  budget (BUDGET). A DECIDE whose `decided` is 0 begins a period; one with the number of the period
  under way, whose `decided` is the number of its rows so far, goes on with it; every other is
  refused with PERIOD. The board adds up the cycles that it reports for a period's rows; a row
  before which that sum times `fj_per_cycle` has reached the budget is decided by the fallback
  network, every other by the image's own. Neither a repetition nor a refused request adds to the
  sum. After a reset there is no budget, and no period under way. Period and budget are the
  board's, not a line's.
- Empty frames (0x00 after 0x00) are no frames. A host that has just opened the port sends one 0x00
  first, which ends whatever half frame an earlier host may have left.
- Each line has its own half frame and its own kept replies, so hosts on two lines do not see each
  other. One request is worked on at a time.
- A USB line that is closed while its rate is 1200 baud (DTR falls) sends an RP2040 into its boot
  ROM's drive, to be flashed. Nothing else that is done to a port has an effect on the program.
- A board whose program hangs is reset by its watchdog after some seconds (8 on the RP2040); one
  whose program faults is reset at once. HELLO tells either (`reset_cause`, `fault_cause`) until
  the next reset. The request that was under way gets no reply.
- While the board computes a row, interrupts are held back so that none of their cycles is counted.
  Its UART bridges 32 bytes of that time; what is lost is counted (`bytes_overrun` of STATUS). On
  USB the host waits instead, and nothing is lost.
- All integers are little-endian; signed ones are two's complement; fields are packed without gaps.
"""


def _framing() -> str:
    return (
        "## Frames\n\n"
        "    COBS( header | payload | CRC-32 ) 0x00\n\n"
        "COBS (Consistent Overhead Byte Stuffing) removes every 0x00 from what it encodes, so that "
        "0x00\nends a frame and nothing else. The CRC is zlib's CRC-32 (polynomial 0xEDB88320 "
        "reflected, initial\nvalue and final XOR 0xFFFFFFFF) over header and payload. The payload "
        f"has at most {protocol.MAX_PAYLOAD_BYTES} bytes.\n\n"
        "The header:\n\n" + _fields_table(HEADER_FIELDS, _HEADER_MEANING)
    )


def _overview(requests: list[type[Message]]) -> str:
    rows = "".join(
        f"| {_title(message)} | 0x{message.TYPE:02x} | 0x{message.TYPE | REPLY:02x} "
        f"| {_summary(message)} |\n"
        for message in requests
    )
    return (
        "## Requests\n\n"
        "| Request | Type | Reply | What it asks |\n|---|---|---|---|\n"
        f"{rows}| | | 0x{ERROR_TYPE:02x} | Any request can be answered with ErrorReply instead. |\n"
    )


def _message(message: type[Message]) -> str:
    fields = message.layout()
    text = f"### {message.__name__} (0x{message.TYPE:02x})\n\n{_summary(message)}\n"
    if not fields:
        return f"{text}\nNo payload.\n"
    meanings = field_docstrings(message)
    text += "\n" + _fields_table(fields, meanings)
    size = message.fixed().size
    if message.TAIL:
        return f"{text}\nThen, from offset {size}: `{message.TAIL}`.\n"
    return f"{text}\n{size} bytes.\n"


def _fields_table(fields: Sequence[tuple[str, Wire]], meanings: dict[str, str]) -> str:
    lines = ["| Offset | Bytes | Type | Field | Meaning |\n|---|---|---|---|---|\n"]
    offset = 0
    for name, wire in fields:
        size = struct.calcsize("<" + wire.format)
        lines.append(
            f"| {offset} | {size} | `{wire.c_type}{wire.c_suffix}` | `{name}` "
            f"| {meanings[name]} |\n"
        )
        offset += size
    return "".join(lines)


def _enum(enum: type[IntEnum]) -> str:
    rows = "".join(
        f"| {member.value} | `{c_name(member)}` "
        + (f"| {member.gloss} |\n" if isinstance(member, ErrorCode) else "|\n")
        for member in enum
    )
    extra = (" What it means |", "---|") if enum is ErrorCode else ("", "")
    return (
        f"### {enum.__name__}\n\n{_summary(enum)}\n\n"
        f"| Code | Name |{extra[0]}\n|---|---|{extra[1]}\n{rows}"
    )


def _example() -> str:
    """HELLO's bytes, computed anew at every rendering."""
    request = next(message for message in MESSAGES if message.__name__ == "HelloRequest")
    body = protocol.HEADER.pack(
        protocol.VERSION, request.TYPE, EXAMPLE_SESSION, EXAMPLE_SEQUENCE, 0
    )
    crc = zlib.crc32(body)
    frame = body + crc.to_bytes(protocol.CRC_BYTES, "little")
    encoded = cobs.encode(frame)
    return (
        "## Example: HELLO\n\n"
        f"A HELLO of session 0x{EXAMPLE_SESSION:04x} with sequence number {EXAMPLE_SEQUENCE}, "
        "step by step:\n\n"
        "| Step | Bytes |\n|---|---|\n"
        f"| header, no payload | `{body.hex(' ')}` |\n"
        f"| CRC-32 of that, 0x{crc:08x} | `{frame[len(body) :].hex(' ')}` |\n"
        f"| COBS of both | `{encoded.hex(' ')}` |\n"
        f"| on the line | `{encoded.hex(' ')} 00` |\n"
    )


def field_docstrings(message: type[Message]) -> dict[str, str]:
    """The string under each field of a message, by field, on one line and without reST roles."""
    (class_node,) = ast.parse(inspect.getsource(message)).body
    if not isinstance(class_node, ast.ClassDef):
        return {}
    meanings: dict[str, str] = {}
    for node, following in zip(class_node.body, class_node.body[1:], strict=False):
        if (
            isinstance(node, ast.AnnAssign)
            and isinstance(node.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            text = " ".join(following.value.value.split())
            meanings[node.target.id] = text.replace(":class:", "").replace("``", "`")
    return meanings


def _title(message: type[Message]) -> str:
    return message.__name__.removesuffix("Request").upper()


def _summary(item: type) -> str:
    return (item.__doc__ or "").strip().splitlines()[0]


if __name__ == "__main__":
    DOCUMENT.write_text(render(), encoding="utf-8")
