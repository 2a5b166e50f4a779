"""The generated header and the generated document say what the declaration says."""

from __future__ import annotations

import re
import struct
import zlib

import pytest
from cobs import cobs

from toolchain import protocol
from toolchain.build import protocol_document, protocol_header
from toolchain.protocol import ENUMS, MESSAGES, ErrorCode


def test_the_document_is_up_to_date():
    text = protocol_document.DOCUMENT.read_text(encoding="utf-8")
    assert text == protocol_document.render(), "run: python -m toolchain.build.protocol_document"


def test_the_header_fields_are_the_declared_ones():
    formats = "".join(wire.format for _, wire in protocol_header.HEADER_FIELDS)
    assert "<" + formats == protocol.HEADER.format


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.__name__)
def test_every_field_is_documented(message):
    meanings = protocol_document.field_docstrings(message)
    assert [name for name, _ in message.layout()] == [name for name in meanings if name != "tail"]
    section = protocol_document.render().split(f"### {message.__name__} (")[1].split("\n### ")[0]
    rows = re.findall(r"^\| (\d+) \| (\d+) \| `([^`]+)` \| `(\w+)` \|", section, re.M)
    assert [row[3] for row in rows] == [name for name, _ in message.layout()]
    # Offsets and sizes are gapless and end at the size that Python packs.
    end = 0
    for offset, size, _, _ in rows:
        assert int(offset) == end
        end += int(size)
    assert end == message.fixed().size


def test_the_header_has_every_type_code_and_constant():
    text = protocol_header.render()
    for message in MESSAGES:
        name = protocol_header.snake(message.__name__).upper()
        assert f"#define JL_TYPE_{name} 0x{message.TYPE:02x}u\n" in text
        assert f"#define JL_{name}_BYTES {message.fixed().size}u" in text
    for enum in ENUMS:
        for member in enum:
            name = protocol_header.c_name(member)
            assert re.search(rf"\b{name}(?: =|,) {member.value}\b", text), name
    for code in ErrorCode:
        assert f'"{code.gloss}"' in text
    assert f"#define JL_MAX_PAYLOAD_BYTES {protocol.MAX_PAYLOAD_BYTES}u\n" in text


def test_type_codes_are_unique_and_replies_follow_their_requests():
    types = [message.TYPE for message in MESSAGES]
    assert len(set(types)) == len(types)
    for message in MESSAGES:
        if message.__name__.endswith("Request"):
            reply = getattr(protocol, message.__name__.replace("Request", "Reply"))
            assert reply.TYPE == message.TYPE | protocol.REPLY


def test_the_example_is_a_frame():
    document = protocol_document.render()
    line = bytes.fromhex(re.findall(r"on the line \| `([0-9a-f ]+)`", document)[0])
    assert line.endswith(b"\0") and line.count(0) == 1
    body = cobs.decode(line[:-1])
    assert struct.unpack("<BBHHHI", body) == (
        protocol.VERSION,
        protocol.HelloRequest.TYPE,
        0x1234,
        1,
        0,
        zlib.crc32(body[:8]),
    )
