from __future__ import annotations

import zlib

import pytest

from toolchain.build import boot2
from toolchain.errors import BuildError


def crc_mpeg2(data: bytes) -> int:
    """The same CRC by another way: zlib's is the reflected one, so reflect its in- and output."""
    reflected = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return int(f"{zlib.crc32(reflected) ^ 0xFFFFFFFF:032b}"[::-1], 2)


def test_crc_of_the_standard_check_string():
    assert boot2.crc32(b"123456789") == 0x0376E6E7  # catalogued as CRC-32/MPEG-2


@pytest.mark.parametrize("data", [b"", b"\0", bytes(252), bytes(range(252)), b"\xff" * 252])
def test_crc_equals_zlibs_reflected(data: bytes):
    assert boot2.crc32(data) == crc_mpeg2(data)


def test_sealing_puts_the_crc_into_the_last_four_bytes():
    code = bytes(range(252))
    sealed = boot2.seal(code + bytes(4))
    assert sealed[:252] == code
    assert sealed[252:] == crc_mpeg2(code).to_bytes(4, "little")
    assert boot2.is_sealed(sealed + b"more")
    assert not boot2.is_sealed(bytes([sealed[0] ^ 1]) + sealed[1:])
    assert not boot2.is_sealed(sealed[:255])


@pytest.mark.parametrize("boot", [bytes(255), bytes(257), bytes(252) + b"\0\0\0\1"])
def test_a_stage_that_leaves_no_room_for_the_crc_is_refused(boot: bytes):
    with pytest.raises(BuildError, match="second-stage boot"):
        boot2.seal(boot)
