"""UF2: the file format that an RP2040 in BOOTSEL mode accepts (github.com/microsoft/uf2).

A file is 512-byte blocks, each with 256 bytes of payload and the flash address where they go.
"""

from __future__ import annotations

import struct
from pathlib import Path

from toolchain.errors import InputError

BLOCK_BYTES = 512
PAYLOAD_BYTES = 256
"""The RP2040's boot ROM accepts this payload size only (datasheet 2.8.4.2)."""

MAGIC_START = (0x0A324655, 0x9E5D5157)
MAGIC_END = 0x0AB16F30
FLAG_FAMILY_ID = 0x2000
ERASED = b"\xff"

_BUILD = "name the .uf2 that 'jouleloop build' left, whole"

_HEADER = struct.Struct("<8I")
_END = struct.Struct("<I")


def write(data: bytes, address: int, family_id: int) -> bytes:
    """Pack an image.

    Args:
        data: the image; padded with 0xFF to whole payloads.
        address: flash address of its first byte, a multiple of 256.
        family_id: the chip's id in uf2families.json.

    Raises:
        InputError: an empty image or an unaligned address.
    """
    if not data or address % PAYLOAD_BYTES:
        raise InputError(
            f"UF2 needs an image and an address that is a multiple of {PAYLOAD_BYTES}, "
            f"got {len(data)} bytes at 0x{address:08x}"
        )
    total = -(-len(data) // PAYLOAD_BYTES)
    padded = data.ljust(total * PAYLOAD_BYTES, ERASED)
    blocks = []
    for number in range(total):
        offset = number * PAYLOAD_BYTES
        header = _HEADER.pack(
            *MAGIC_START, FLAG_FAMILY_ID, address + offset, PAYLOAD_BYTES, number, total, family_id
        )
        body = header + padded[offset : offset + PAYLOAD_BYTES]
        blocks.append(body.ljust(BLOCK_BYTES - _END.size, b"\0") + _END.pack(MAGIC_END))
    return b"".join(blocks)


def read(path: Path, family_id: int | None = None) -> tuple[int, bytes]:
    """Unpack a UF2 file of one contiguous image.

    Args:
        path: the file.
        family_id: the chip that it must be for; None accepts any.

    Returns:
        Address of the first byte, and the image with its padding.

    Raises:
        InputError: not readable, or a block with a wrong magic, size, number, address or family.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}", hint=_BUILD) from error
    if not data or len(data) % BLOCK_BYTES:
        raise InputError(
            f"{path}: {len(data)} bytes are not whole UF2 blocks of {BLOCK_BYTES}", hint=_BUILD
        )
    total = len(data) // BLOCK_BYTES
    blocks = [
        _block(path, number, total, data[number * BLOCK_BYTES :][:BLOCK_BYTES], family_id)
        for number in range(total)
    ]
    base = blocks[0][0]
    for number, (address, _) in enumerate(blocks):
        if address != base + number * PAYLOAD_BYTES:
            raise InputError(
                f"{path}: block {number} goes to 0x{address:08x}, expected "
                f"0x{base + number * PAYLOAD_BYTES:08x}",
                hint=_BUILD,
            )
    return base, b"".join(payload for _, payload in blocks)


def _block(
    path: Path, number: int, total: int, block: bytes, family_id: int | None
) -> tuple[int, bytes]:
    magic0, magic1, flags, address, size, index, count, family = _HEADER.unpack_from(block)
    (end,) = _END.unpack_from(block, BLOCK_BYTES - _END.size)
    if (magic0, magic1) != MAGIC_START or end != MAGIC_END:
        raise InputError(f"{path}: block {number} has no UF2 magic numbers", hint=_BUILD)
    if (index, count) != (number, total):
        raise InputError(
            f"{path}: block {number} of {total} says it is {index} of {count}",
            hint="the file is cut off or shuffled; build or copy it again",
        )
    if size != PAYLOAD_BYTES:
        raise InputError(
            f"{path}: block {number} carries {size} bytes, expected {PAYLOAD_BYTES}", hint=_BUILD
        )
    if not flags & FLAG_FAMILY_ID:
        raise InputError(f"{path}: block {number} does not say which chip it is for", hint=_BUILD)
    if family_id is not None and family != family_id:
        raise InputError(
            f"{path}: block {number} is for chip family 0x{family:08x}, not 0x{family_id:08x}",
            hint="build the image for this board",
        )
    return address, block[_HEADER.size : _HEADER.size + PAYLOAD_BYTES]
