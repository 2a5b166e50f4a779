"""The serial line: frames, requests and replies, and the identity of what answered."""

from host.link.client import (
    ELEMENT_TYPES,
    BoardClient,
    Identity,
    Traffic,
    check_identity,
    decide_rows,
    rows_per_frame,
)
from host.link.framing import Frame, decode, encode

__all__ = [
    "ELEMENT_TYPES",
    "BoardClient",
    "Frame",
    "Identity",
    "Traffic",
    "check_identity",
    "decide_rows",
    "decode",
    "encode",
    "rows_per_frame",
]
