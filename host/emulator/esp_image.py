"""An image as the ESP32-C3's boot ROM loads it, written as the ELF file that ``labwired`` loads."""

from __future__ import annotations

import struct
from pathlib import Path

from toolchain.build.esp32c3 import CHIP
from toolchain.errors import InputError

_HEADER_BYTES, _SEGMENT_BYTES = 52, 32
_RISCV, _EXECUTABLE, _LOADED, _ALL_ACCESS = 243, 2, 1, 7


def write_elf(image: Path, elf: Path) -> int:
    """Write the segments of an image into an ELF file; returns the entry point.

    Raises:
        InputError: no such image, or one whose checksum is wrong.
    """
    from esptool import FatalError
    from esptool.bin_image import LoadFirmwareImage

    try:
        loaded = LoadFirmwareImage(CHIP, str(image))
        right = loaded.checksum == loaded.calculate_checksum()
    except (FatalError, OSError, struct.error, IndexError) as error:
        raise InputError(
            f"{image}: is no image of an ESP32-C3: {error}", hint="build the image again"
        ) from error
    if not right or not loaded.segments:
        raise InputError(f"{image}: its checksum is wrong", hint="build the image again")
    segments = [(int(segment.addr), bytes(segment.data)) for segment in loaded.segments]
    entry = int(loaded.entrypoint)
    elf.write_bytes(_elf(entry, segments))
    return entry


def _elf(entry: int, segments: list[tuple[int, bytes]]) -> bytes:
    """ELF32, little-endian, program headers alone (System V ABI, chapters 4 and 5)."""
    identity = b"\x7fELF" + bytes([1, 1, 1]) + bytes(9)
    header = identity + struct.pack(
        "<HHIIIIIHHHHHH",
        *(_EXECUTABLE, _RISCV, 1, entry, _HEADER_BYTES, 0, 0, _HEADER_BYTES),
        *(_SEGMENT_BYTES, len(segments), 0, 0, 0),
    )
    offset = _HEADER_BYTES + _SEGMENT_BYTES * len(segments)
    table, content = b"", b""
    for address, data in segments:
        at = offset + len(content)
        table += struct.pack(
            "<IIIIIIII", _LOADED, at, address, address, len(data), len(data), _ALL_ACCESS, 4
        )
        content += data
    return header + table + content
