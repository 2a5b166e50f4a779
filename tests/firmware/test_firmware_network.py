"""A compiled network on the emulated board: the very image that would be flashed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.compile import compile_model, golden
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.protocol import (
    DecideReply,
    DecideRequest,
    HelloReply,
    HelloRequest,
    InferReply,
    InferRequest,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

N_ROWS = 12


@pytest.mark.parametrize("memory", ["sram", "flash"])
def test_the_network_on_the_board_equals_the_reference(tmp_path: Path, boot, memory):
    pytest.importorskip("tflite_micro", reason="the reference interpreter has no wheel here")
    data = reference_network(REFERENCE_SHAPES["S"], np.random.default_rng(11))
    model = compile_model(data, tmp_path / "model")
    image = build_image(
        load_board("pico"), tmp_path / "model", tmp_path / "image", network_memory=memory
    )
    assert image.size.network_memory == memory
    assert image.size.network > model.weight_bytes

    pico = boot(image)
    hello = HelloReply.decode(pico.request(HelloRequest(), 1).payload)
    assert hello.model_sha256.hex() == model.sha256 == image.model_sha256
    assert (hello.n_inputs, hello.n_outputs) == (16, 4)
    assert hello.arena_bytes == model.arena_bytes

    rows = np.random.default_rng(12).integers(-128, 128, (N_ROWS, 16)).astype(np.int8)
    expected = golden(data, rows)
    infer = InferReply.decode(pico.request(InferRequest(N_ROWS, rows.tobytes()), 2).payload)
    table = np.frombuffer(infer.tail, dtype=[("cycles", "<u4"), ("output", "i1", (4,))])
    np.testing.assert_array_equal(table["output"], expected)

    masks = np.full((N_ROWS, 1), 0b1111, dtype=np.uint8)
    tail = np.concatenate([masks, rows.view(np.uint8)], axis=1).tobytes()
    decide = DecideReply.decode(pico.request(DecideRequest(N_ROWS, 0, 0, tail), 3).payload)
    choices = np.frombuffer(
        decide.tail, dtype=[("action", "u1"), ("mode", "u1"), ("cycles", "<u4")]
    )
    np.testing.assert_array_equal(choices["action"], expected.argmax(axis=1))
    # 1104 MACs take between 2 and 40 cycles each on any sane kernel.
    assert (table["cycles"] > 2 * 1104).all() and (table["cycles"] < 40 * 1104).all()
    assert (choices["cycles"] > table["cycles"]).all()
