"""The serial line: frames, requests and replies, and the identity of what answered."""

from host.link.client import (
    DECIDED_ROW,
    ELEMENT_TYPES,
    BoardClient,
    Decisions,
    decide_rows,
    rows_per_frame,
)
from host.link.framing import Frame, decode, encode
from host.link.identity import Identity, check_identity
from host.link.line import Line, Question, Traffic, Transport
from host.link.ports import open_port, touch_1200

__all__ = [
    "DECIDED_ROW",
    "ELEMENT_TYPES",
    "BoardClient",
    "Decisions",
    "Frame",
    "Identity",
    "Line",
    "Question",
    "Traffic",
    "Transport",
    "check_identity",
    "decide_rows",
    "decode",
    "encode",
    "open_port",
    "rows_per_frame",
    "touch_1200",
]
