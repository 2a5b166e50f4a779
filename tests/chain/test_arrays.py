"""What a user names as ``.npy``, and is none: an error of its own, whatever numpy stumbles over."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from host.chain.files import read_array
from toolchain.errors import InputError


def with_header(header: str) -> bytes:
    """An .npy file of this header and no data."""
    padded = f"{header:<117}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(padded)) + padded


NO_ARRAYS = {
    "nothing": b"",
    "text": b"hello",
    "more than there is memory": with_header(
        "{'descr': '|i1', 'fortran_order': False, 'shape': (1000000000000000, 5), }"
    ),
    "a negative length": with_header(
        "{'descr': '|i1', 'fortran_order': False, 'shape': (-1, 5), }"
    ),
    "a header that breaks off": with_header("{'descr': '|i1', 'shape': (2, 5"),
    "objects": with_header("{'descr': '|O', 'fortran_order': False, 'shape': (2,), }"),
}


@pytest.mark.parametrize("case", NO_ARRAYS)
def test_what_is_no_array(tmp_path: Path, case: str) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(NO_ARRAYS[case])
    with pytest.raises(InputError, match=r"x\.npy is not an \.npy array") as caught:
        read_array(path)
    assert caught.value.hint
