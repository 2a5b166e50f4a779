"""Rows of float32 on the line, and decisions over float32 outputs."""

from __future__ import annotations

import numpy as np
import pytest

from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.compile import compile_float
from toolchain.compile.float_synthetic import reference_float_network
from toolchain.protocol import (
    DecideReply,
    DecideRequest,
    Element,
    Engine,
    ErrorCode,
    HelloReply,
    HelloRequest,
    InferReply,
    InferRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

VALUES = np.array([-np.inf, -2.5, -1e-40, -0.0, 0.0, 1e-40, 1.0, 1.0000001, np.inf], np.float32)


@pytest.fixture
def board(pico_with):
    return pico_with("engine_copy_float")


def decide_rows(rows: np.ndarray, masks: np.ndarray) -> bytes:
    inputs = np.zeros((len(rows), 6), "<f4")
    inputs[:, :5] = rows
    return np.column_stack([masks.astype(np.uint8), inputs.view(np.uint8)]).tobytes()


def test_hello_says_what_a_value_is(board, pico_with):
    hello = HelloReply.decode(board.request(HelloRequest()).payload)
    assert (hello.input_element, hello.output_element) == (Element.FLOAT32, Element.FLOAT32)
    assert (hello.n_inputs, hello.n_outputs) == (6, 5)
    other = HelloReply.decode(pico_with("engine_sum").request(HelloRequest()).payload)
    assert (other.input_element, other.output_element) == (Element.INT8, Element.INT8)


def test_infer_carries_float32_rows_in_both_directions(board):
    rows = np.random.default_rng(1).normal(0, 1e3, (9, 6)).astype("<f4")
    reply = InferReply.decode(board.request(InferRequest(9, rows.tobytes())).payload)
    table = np.frombuffer(reply.tail, dtype=[("cycles", "<u4"), ("output", "<f4", (5,))])
    np.testing.assert_array_equal(table["output"], rows[:, :5])


@pytest.mark.parametrize("row_bytes", [6, 23, 25])
def test_rows_of_another_length_are_refused(board, row_bytes):
    error = board.request(InferRequest(1, bytes(row_bytes))).error()
    assert (ErrorCode(error.code), error.detail) == (ErrorCode.LENGTH, row_bytes)


def test_decide_orders_all_floats_as_arithmetic_does(board):
    rng = np.random.default_rng(2)
    n = 60
    rows = rng.choice(VALUES, (n, 5))  # few values, so that ties and both zeros meet
    masks = rng.integers(1, 32, n)
    reply = DecideReply.decode(
        board.request(DecideRequest(n, 0, 0, decide_rows(rows, masks))).payload
    )
    got = np.frombuffer(reply.tail, dtype=[("action", "u1"), ("mode", "u1"), ("cycles", "<u4")])
    expected = []
    for row, mask in zip(rows, masks, strict=True):
        allowed = [i for i in range(5) if mask >> i & 1]
        expected.append(max(allowed, key=lambda i: (row[i], -i)))
    assert got["action"].tolist() == expected
    assert len(set(expected)) == 5


@pytest.mark.parametrize("nan", [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFFFFFFFF])
@pytest.mark.parametrize("position", [0, 4])
def test_an_output_that_is_no_number_is_not_decided_on(board, nan, position):
    rows = np.zeros((2, 5), "<f4")
    rows.view("<u4")[1, position] = nan
    request = DecideRequest(2, 0, 0, decide_rows(rows, np.array([31, 0b00110])))
    error = board.request(request).error()
    assert (ErrorCode(error.code), error.detail) == (ErrorCode.INFERENCE, 1)


@pytest.mark.parametrize("missing", ["signature", "table of float routines"])
def test_a_boot_rom_without_float_routines_refuses_inference_and_still_answers(
    tmp_path, boot, missing
):
    data = reference_float_network((4, 3), np.random.default_rng(3))
    compile_float(data, tmp_path / "model")
    image = build_image(
        load_board("pico"), tmp_path / "model", tmp_path / "image", engine=Engine.FLOAT
    )
    row = np.ones(4, "<f4").tobytes()
    whole, changed = boot(image), boot(image)
    assert whole.request(InferRequest(1, row), 2).type == InferReply.TYPE
    rom = changed.mcu.bootrom
    if missing == "signature":
        rom[0x10 // 4] ^= 1
    else:  # the data table's entry is under another name
        table = rom[0x14 // 4] >> 16
        entries = range(table // 4, table // 4 + 16)
        (entry,) = [i for i in entries if rom[i] & 0xFFFF == int.from_bytes(b"SF", "little")]
        rom[entry] ^= 0x20
    assert changed.request(HelloRequest(), 1).type == HelloReply.TYPE
    error = changed.request(InferRequest(1, row), 2).error()
    assert ErrorCode(error.code) == ErrorCode.INFERENCE
