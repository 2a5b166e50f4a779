"""The RP2040's second-stage boot: 256 bytes of which the last four are a CRC-32.

The boot ROM runs them only if the CRC is right (RP2040 datasheet 2.8.1.3.1): polynomial
0x04C11DB7, initial value 0xFFFFFFFF, no reflection, no final XOR.
"""

from __future__ import annotations

from toolchain.errors import BuildError

BOOT2_BYTES = 256
CRC_OFFSET = BOOT2_BYTES - 4

_POLYNOMIAL = 0x04C11DB7


def crc32(data: bytes) -> int:
    """The boot ROM's CRC-32 of some bytes."""
    crc = 0xFFFF_FFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ _POLYNOMIAL if crc & 0x8000_0000 else crc << 1) & 0xFFFF_FFFF
    return crc


def seal(boot2: bytes) -> bytes:
    """The same 256 bytes with the CRC in the last four.

    Raises:
        BuildError: not 256 bytes, or code where the CRC goes.
    """
    if len(boot2) != BOOT2_BYTES or any(boot2[CRC_OFFSET:]):
        raise BuildError(
            f"the second-stage boot has {len(boot2)} bytes, expected {BOOT2_BYTES} with the last "
            "4 free for the CRC",
            hint="look at firmware/port/rp2040/boot2.S and the .boot2 section of memory.ld.in",
        )
    return boot2[:CRC_OFFSET] + crc32(boot2[:CRC_OFFSET]).to_bytes(4, "little")


def is_sealed(image: bytes) -> bool:
    """Whether the boot ROM would run this flash image."""
    stored = int.from_bytes(image[CRC_OFFSET:BOOT2_BYTES], "little")
    return len(image) >= BOOT2_BYTES and stored == crc32(image[:CRC_OFFSET])
