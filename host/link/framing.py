"""Frames on the line: ``COBS(header | payload | CRC-32) 0x00`` (docs/PROTOCOL.md)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from cobs import cobs

from toolchain.errors import ProtocolError
from toolchain.protocol import CRC_BYTES, HEADER, MAX_PAYLOAD_BYTES, VERSION

DELIMITER = b"\x00"
MAX_BODY_BYTES = HEADER.size + MAX_PAYLOAD_BYTES + CRC_BYTES
MAX_FRAME_BYTES = MAX_BODY_BYTES + MAX_BODY_BYTES // 254 + 1
"""Largest encoded frame without its delimiter (COBS adds one byte in 254)."""

FLASH_AGAIN = "flash the board again with this version of jouleloop"


@dataclass(frozen=True)
class Frame:
    """One decoded frame."""

    type: int
    session: int
    sequence: int
    payload: bytes


def encode(frame: Frame) -> bytes:
    """The frame's bytes on the line, with its delimiter.

    Raises:
        ProtocolError: the payload is larger than the protocol allows.
    """
    if len(frame.payload) > MAX_PAYLOAD_BYTES:
        raise ProtocolError(
            f"payload of {len(frame.payload)} bytes is over the limit of {MAX_PAYLOAD_BYTES}"
        )
    body = HEADER.pack(VERSION, frame.type, frame.session, frame.sequence, len(frame.payload))
    body += frame.payload
    return cobs.encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")) + DELIMITER


def decode(encoded: bytes) -> Frame:
    """Read one frame, given without its delimiter.

    Raises:
        ProtocolError: COBS, length, CRC or version is wrong.
    """
    try:
        data = cobs.decode(encoded)
    except cobs.DecodeError as error:
        raise ProtocolError(f"frame of {len(encoded)} bytes is not COBS: {error}") from error
    if len(data) < HEADER.size + CRC_BYTES:
        raise ProtocolError(f"frame of {len(data)} bytes is shorter than header and CRC")
    body, crc = data[:-CRC_BYTES], int.from_bytes(data[-CRC_BYTES:], "little")
    if zlib.crc32(body) != crc:
        raise ProtocolError(f"CRC is {zlib.crc32(body):08x}, the frame says {crc:08x}")
    version, kind, session, sequence, length = HEADER.unpack_from(body)
    if version != VERSION:
        raise ProtocolError(
            f"the board speaks protocol version {version}, this host speaks {VERSION}",
            hint=FLASH_AGAIN,
        )
    if length != len(body) - HEADER.size:
        raise ProtocolError(f"header says {length} payload bytes, {len(body) - HEADER.size} came")
    return Frame(kind, session, sequence, body[HEADER.size :])
