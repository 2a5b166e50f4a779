import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from host.link.framing import DELIMITER, MAX_FRAME_BYTES, Frame, decode, encode
from host.link.line import Line
from toolchain.errors import ProtocolError
from toolchain.protocol import MAX_PAYLOAD_BYTES


@given(
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFF),
    st.binary(max_size=600),
)
def test_round_trip(kind: int, session: int, sequence: int, payload: bytes) -> None:
    encoded = encode(Frame(kind, session, sequence, payload))
    assert encoded.endswith(DELIMITER)
    assert DELIMITER not in encoded[:-1]
    assert decode(encoded[:-1]) == Frame(kind, session, sequence, payload)


def test_hello_request_by_hand() -> None:
    body = bytes([4, 0x01, 7, 9, 5, 0, 0, 0])  # version, type, session 0x0907, sequence 5, length 0
    crc = zlib.crc32(body).to_bytes(4, "little")
    # COBS by hand: the zeros of the header at offsets 5, 6, 7 become distances to the next zero.
    expected = bytes([6, 4, 0x01, 7, 9, 5, 1, 1, 1 + len(crc)]) + crc + b"\0"
    assert 0 not in crc
    assert encode(Frame(0x01, 0x0907, 5, b"")) == expected


@given(st.binary(min_size=0, max_size=64), st.data())
def test_one_flipped_bit_is_never_accepted(payload: bytes, data: st.DataObject) -> None:
    encoded = bytearray(encode(Frame(0x03, 1, 7, payload))[:-1])
    index = data.draw(st.integers(0, len(encoded) - 1))
    encoded[index] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ProtocolError):
        decode(bytes(encoded))


@given(st.binary(max_size=300))
def test_noise_is_refused_and_nothing_else_is_raised(noise: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(noise)


def test_limits() -> None:
    largest = encode(Frame(2, 1, 1, bytes(MAX_PAYLOAD_BYTES)))
    assert len(largest) - 1 <= MAX_FRAME_BYTES
    worst = encode(Frame(2, 1, 1, b"\xff" * MAX_PAYLOAD_BYTES))
    assert len(worst) - 1 <= MAX_FRAME_BYTES
    with pytest.raises(ProtocolError, match="2049 bytes is over the limit of 2048"):
        encode(Frame(2, 1, 1, bytes(MAX_PAYLOAD_BYTES + 1)))


def test_other_version_says_what_to_do() -> None:
    from cobs import cobs

    body = bytes([9, 1, 1, 0, 1, 0, 0, 0])
    frame = cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))
    with pytest.raises(ProtocolError, match=r"(?s)version 9.*flash the board again") as caught:
        decode(frame)
    assert caught.value.hint is not None


class Stream:
    """What came in, as a transport that has nothing more to give."""

    timeout: float | None = 0.0

    def __init__(self, data: bytes) -> None:
        self.data = bytearray(data)

    @property
    def in_waiting(self) -> int:
        return len(self.data)

    def read(self, size: int = 1, /) -> bytes:
        part = bytes(self.data[:size])
        del self.data[:size]
        return part

    def write(self, data: bytes, /) -> int:
        return len(data)

    def reset_input_buffer(self) -> None:
        self.data.clear()

    def close(self) -> None:
        pass


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.builds(lambda n: bytes([1 + n % 255]) * n, st.integers(0, 3 * MAX_FRAME_BYTES)),
        st.builds(
            lambda sequence, payload: encode(Frame(0x83, 1, sequence, payload)),
            st.integers(0, 0xFFFF),
            st.binary(max_size=60),
        ),
    ),
    max_size=8,
)


@given(PIECES, st.integers(0, 0xFFFF), st.binary(max_size=200))
def test_a_good_frame_gets_through_whatever_came_before_it(
    noise: list[bytes], sequence: int, payload: bytes
) -> None:
    """Only whole frames come out, and the one behind a delimiter always does."""
    frame = Frame(0x82, 1, sequence, payload)
    line = Line(Stream(b"".join(noise) + DELIMITER + encode(frame)), "stream")
    received = []
    while (found := line.receive(0.0 if not line.transport.in_waiting else 1e12)) is not None:
        received.append(found)
        if found == frame and not line.transport.in_waiting:
            break
    assert received[-1] == frame
    assert all(found.type in (0x82, 0x83) for found in received)
