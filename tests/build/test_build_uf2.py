from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from toolchain.build import uf2
from toolchain.errors import InputError

BASE = 0x1000_0000
RP2040 = 0xE48BFF56


def test_blocks_are_what_the_format_says():
    data = bytes(range(256)) + b"tail"
    packed = uf2.write(data, BASE, RP2040)
    assert len(packed) == 2 * 512
    for number in range(2):
        block = packed[512 * number : 512 * (number + 1)]
        assert block[:8] == b"UF2\n\x57\x51\x5d\x9e"
        assert block[-4:] == b"\x30\x6f\xb1\x0a"
        flags, address, size, index, count, family = struct.unpack_from("<6I", block, 8)
        assert (flags, address, size) == (0x2000, BASE + 256 * number, 256)
        assert (index, count, family) == (number, 2, RP2040)
        assert block[32 + 256 : 508] == bytes(220)
    assert packed[512 + 32 : 512 + 32 + 256] == b"tail" + b"\xff" * 252


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(min_size=1, max_size=3000), page=st.integers(0, 1000))
def test_what_is_written_is_read(tmp_path: Path, data: bytes, page: int):
    path = tmp_path / "x.uf2"
    path.write_bytes(uf2.write(data, BASE + 256 * page, RP2040))
    address, image = uf2.read(path, RP2040)
    assert address == BASE + 256 * page
    assert image.rstrip(b"\xff") == data.rstrip(b"\xff")
    assert len(image) % 256 == 0 and len(image) - len(data) < 256


def patch(offset: int, value: int) -> Callable[[bytes], bytes]:
    return lambda data: data[:offset] + struct.pack("<I", value) + data[offset + 4 :]


BROKEN = {
    "empty": (lambda data: b"", "not whole UF2 blocks"),
    "half a block": (lambda data: data[:-1], "not whole UF2 blocks"),
    "first magic": (patch(0, 1), "magic"),
    "second magic": (patch(512 + 4, 1), "magic"),
    "end magic": (patch(512 - 4, 1), "magic"),
    "last block missing": (lambda data: data[:-512], "says it is 0 of 3"),
    "blocks shuffled": (lambda data: data[512:1024] + data[:512] + data[1024:], "1 of 3"),
    "another size": (patch(16, 476), "476"),
    "no family": (patch(8, 0), "which chip"),
    "another family": (patch(512 + 28, 0x1C5F21B0), "0x1c5f21b0"),
    "a gap": (patch(1024 + 12, BASE + 0x1000), "0x10001000"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused_with_what_is_wrong(tmp_path: Path, case: str):
    change, message = BROKEN[case]
    path = tmp_path / "x.uf2"
    path.write_bytes(change(uf2.write(bytes(700), BASE, RP2040)))
    with pytest.raises(InputError, match=message):
        uf2.read(path, RP2040)


def test_a_missing_file_is_an_input_error(tmp_path: Path):
    with pytest.raises(InputError, match="cannot be read"):
        uf2.read(tmp_path / "nothing.uf2")


@pytest.mark.parametrize(("data", "address"), [(b"", BASE), (b"x", BASE + 1)])
def test_nothing_and_unaligned_addresses_are_not_packed(data: bytes, address: int):
    with pytest.raises(InputError):
        uf2.write(data, address, RP2040)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 1535), st.integers(0, 255)), max_size=4), st.data())
def test_a_damaged_file_is_read_or_refused_never_more(tmp_path: Path, flips, data):
    packed = bytearray(uf2.write(bytes(range(256)) * 3, BASE, RP2040))
    for offset, value in flips:
        packed[offset] = value
    path = tmp_path / "x.uf2"
    path.write_bytes(packed[: data.draw(st.integers(0, len(packed)))])
    try:
        address, image = uf2.read(path, RP2040)
    except InputError:
        return
    assert address % 256 in range(256) and len(image) == len(path.read_bytes()) // 2
