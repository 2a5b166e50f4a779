"""A compiled network and its compiled fallback in one image, on the emulated board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from toolchain.board import load_board
from toolchain.build import FALLBACK_SYMBOL, build_image
from toolchain.compile import compile_model, golden
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.errors import InputError
from toolchain.protocol import (
    BudgetRequest,
    DecideReply,
    DecideRequest,
    Engine,
    HelloReply,
    HelloRequest,
    InferReply,
    InferRequest,
    Mode,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

N_ROWS = 40
N_FULL = 3
REPLY_ROW = np.dtype([("action", "u1"), ("mode", "u1"), ("cycles", "<u4")])


def compiled(folder: Path, kernels: str, rng: np.random.Generator) -> tuple[bytes, bytes]:
    """A network and a fallback of its inputs and outputs, in ``model`` and ``fallback``."""
    shape = REFERENCE_SHAPES["S"]
    data, cheap = reference_network(shape, rng), reference_network((shape[0], shape[-1]), rng)
    compile_model(data, folder / "model", kernels=kernels)
    compile_model(cheap, folder / "fallback", kernels=kernels, symbol=FALLBACK_SYMBOL)
    return data, cheap


def test_each_decides_as_its_own_reference(tmp_path: Path, boot):
    pytest.importorskip("tflite_micro", reason="the reference interpreter has no wheel here")
    data, cheap = compiled(tmp_path, "m0plus", np.random.default_rng(21))
    image = build_image(
        load_board("pico"),
        tmp_path / "model",
        tmp_path / "image",
        fallback_dir=tmp_path / "fallback",
    )
    pico = boot(image)
    hello = HelloReply.decode(pico.request(HelloRequest(), 1).payload)
    assert hello.model_sha256.hex() == image.model_sha256
    assert hello.fallback_sha256.hex() == image.fallback_sha256 != image.model_sha256

    rows = np.random.default_rng(22).integers(-128, 128, (N_ROWS, 16)).astype(np.int8)
    full, fallback = golden(data, rows), golden(cheap, rows)
    infer = InferReply.decode(pico.request(InferRequest(N_ROWS, rows.tobytes()), 2).payload)
    table = np.frombuffer(infer.tail, dtype=[("cycles", "<u4"), ("output", "i1", (4,))])
    np.testing.assert_array_equal(table["output"], full)

    def decide(sequence: int) -> np.ndarray:
        masks = np.full((N_ROWS, 1), 0b1111, dtype=np.uint8)
        tail = np.concatenate([masks, rows.view(np.uint8)], axis=1).tobytes()
        request = DecideRequest(N_ROWS, 5, 0, tail)
        return np.frombuffer(
            DecideReply.decode(pico.request(request, sequence).payload).tail, REPLY_ROW
        )

    each = decide(3)["cycles"]
    np.testing.assert_array_equal(decide(4)["action"], full.argmax(axis=1))
    pico.request(BudgetRequest(int(each[:N_FULL].sum()), 1), 5)
    mixed = decide(6)
    assert mixed["mode"].tolist() == [Mode.FULL] * N_FULL + [Mode.FALLBACK] * (N_ROWS - N_FULL)
    expected = np.concatenate([full[:N_FULL], fallback[N_FULL:]]).argmax(axis=1)
    np.testing.assert_array_equal(mixed["action"], expected)
    assert (expected[N_FULL:] != full[N_FULL:].argmax(axis=1)).any()
    assert mixed["cycles"][N_FULL:].max() < each.min() / 2


def test_the_fallback_is_in_the_size_and_in_the_identity(tmp_path: Path):
    compiled(tmp_path, "m0plus", np.random.default_rng(23))
    pico, model = load_board("pico"), tmp_path / "model"
    alone = build_image(pico, model, tmp_path / "alone")
    both = build_image(pico, model, tmp_path / "both", fallback_dir=tmp_path / "fallback")
    assert alone.fallback_sha256 == "" and alone.size.fallback == 0
    assert both.model_sha256 == alone.model_sha256
    # 64 weights of at least a byte, four biases, and code.
    assert 64 + 16 < both.size.fallback < 1500
    grown = both.size.network - alone.size.network
    assert both.size.fallback <= grown < both.size.fallback + 100  # the engine's own few bytes
    assert both.size.flash_bytes > alone.size.flash_bytes + both.size.fallback
    assert both.image_sha256 != alone.image_sha256

    compile_model(
        reference_network((16, 4), np.random.default_rng(24)),
        tmp_path / "fallback",
        kernels="m0plus",
        symbol=FALLBACK_SYMBOL,
    )
    other = build_image(pico, model, tmp_path / "other", fallback_dir=tmp_path / "fallback")
    assert other.fallback_sha256 != both.fallback_sha256
    assert other.image_sha256 != both.image_sha256


def test_an_engine_without_a_fallback_refuses_one(tmp_path: Path):
    compiled(tmp_path, "portable", np.random.default_rng(25))
    with pytest.raises(InputError, match="engine float, which has none"):
        build_image(
            load_board("pico"),
            tmp_path / "model",
            tmp_path / "image",
            engine=Engine.FLOAT,
            fallback_dir=tmp_path / "fallback",
        )


def test_a_fallback_under_the_policys_names_is_refused(tmp_path: Path):
    compiled(tmp_path, "portable", np.random.default_rng(26))
    with pytest.raises(InputError, match=r"lacks jl_fallback\.c"):
        build_image(
            load_board("pico"),
            tmp_path / "model",
            tmp_path / "image",
            fallback_dir=tmp_path / "model",
        )
