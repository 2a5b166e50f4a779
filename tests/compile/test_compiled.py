"""The compile stage's artifact: what is written, that it is reproducible, and read back."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from toolchain.compile import compile_model, dequantize, load_compiled, quantize, read_network
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite
from toolchain.errors import InputError, RunFolderError


@pytest.fixture(scope="module")
def data():
    return reference_network(REFERENCE_SHAPES["M"], np.random.default_rng(0))


def test_what_is_described(tmp_path, data):
    compiled = compile_model(data, tmp_path, name="policy")
    assert (compiled.n_inputs, compiled.n_outputs) == (24, 5)
    assert compiled.macs == compiled.weight_bytes == 24 * 64 + 64 * 32 + 32 * 5
    assert compiled.arena_bytes == 64 + 32
    assert compiled.tflite_bytes == len(data)
    # Per output: bias and multiplier of 4 bytes, a shift of 1; per layer a struct of 24.
    assert compiled.constant_bytes == compiled.weight_bytes + (64 + 32 + 5) * 9 + 3 * 24
    assert compiled.sha256 == read_network(data).sha256
    header = (tmp_path / "jl_model.h").read_text()
    assert "#define JL_MODEL_INPUTS 24\n" in header
    assert f"#define JL_MODEL_CONSTANT_BYTES {compiled.constant_bytes}\n" in header
    digest = header.split("#define JL_MODEL_SHA256")[1].split("}")[0]
    assert bytes(int(b, 16) for b in re.findall(r"0x(\w\w)", digest)).hex() == compiled.sha256


def test_the_model_array_is_the_file(tmp_path, data):
    compile_model(data, tmp_path)
    source = (tmp_path / "jl_model_data.c").read_text()
    assert "_Alignas(16) const unsigned char jl_model_tflite[JL_MODEL_TFLITE_BYTES]" in source
    assert bytes(int(b, 16) for b in re.findall(r"0x(\w\w)", source)) == data
    assert (
        f"#define JL_MODEL_TFLITE_BYTES {len(data)}\n" in (tmp_path / "jl_model_data.h").read_text()
    )


def test_equal_models_give_equal_bytes(tmp_path, data):
    compile_model(data, tmp_path / "a", name="policy")
    compile_model(data, tmp_path / "b", name="policy")
    files = sorted(p.name for p in (tmp_path / "a").iterdir())
    assert files == ["jl_model.c", "jl_model.h", "jl_model_data.c", "jl_model_data.h", "model.json"]
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_round_trip(tmp_path, data):
    compiled = compile_model(data, tmp_path, name="policy")
    assert load_compiled(tmp_path) == compiled
    stored = json.loads((tmp_path / "model.json").read_text())
    assert stored["schema"] == 2
    assert "folder" not in stored


def test_a_changed_file_is_noticed(tmp_path, data):
    compile_model(data, tmp_path)
    source = tmp_path / "jl_model.c"
    source.write_text(source.read_text().replace("127", "126", 1))
    with pytest.raises(RunFolderError, match=r"jl_model\.c has SHA-256"):
        load_compiled(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "Invalid JSON"),
        (lambda text: text.replace('"schema": 2', '"schema": 1'), "schema"),
        (lambda text: text.replace('"macs"', '"mags"', 1), "macs"),
        (lambda text: text.replace('"jl_model.c"', '"jl_gone.c"'), "jl_gone.c cannot be read"),
    ],
)
def test_a_broken_manifest_is_refused(tmp_path, data, damage, message):
    compile_model(data, tmp_path)
    manifest = tmp_path / "model.json"
    manifest.write_text(damage(manifest.read_text()))
    with pytest.raises(RunFolderError, match=message):
        load_compiled(tmp_path)


def test_a_missing_folder(tmp_path):
    with pytest.raises(RunFolderError, match=r"model\.json cannot be read"):
        load_compiled(tmp_path / "nowhere")


def test_unknown_kernels(tmp_path, data):
    with pytest.raises(InputError, match="unknown kernels 'fastest'; known are m0plus, portable"):
        compile_model(data, tmp_path, kernels="fastest")


def test_a_folder_that_cannot_be_made(tmp_path, data):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        compile_model(data, tmp_path / "file" / "below")


def test_names_cannot_leave_their_comment(tmp_path):
    evil = '*/ int evil; /* \\\n??/\n" é ' + "x" * 500
    tensor = TensorSpec((1, 2), "int8", (0.1,), (0,), name=evil)
    spec = ModelSpec(
        (tensor, replace(tensor, zero_points=(1,))), (OperatorSpec("RELU", (0,), (1,)),), (0,), (1,)
    )
    compile_model(write_tflite(spec), tmp_path, name=evil)
    for file in ("jl_model.c", "jl_model.h", "jl_model_data.c", "jl_model_data.h"):
        text = (tmp_path / file).read_text(encoding="ascii")
        assert "evil" not in re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
        assert not any("\\" in comment for comment in re.findall(r"/\*.*?\*/", text, re.DOTALL))
        assert max(len(line) for line in text.splitlines()) <= 120
    assert load_compiled(tmp_path).name == evil


def test_edges_by_hand(tmp_path, data):
    tensor = replace(read_network(data).input, scale=0.5, zero_point=10)
    codes = quantize(np.array([0.0, 0.25, -0.25, 0.75, 1e30, -1e30]), tensor)
    assert codes.tolist() == [10, 11, 9, 12, 127, -128]
    assert dequantize(codes[:3], tensor).tolist() == [0.0, 0.5, -0.5]
    with pytest.raises(InputError, match="1 of 2 inputs are not finite"):
        quantize(np.array([1.0, np.nan]), tensor)
    with pytest.raises(InputError, match="codes of type int64"):
        dequantize(np.array([1, 2]), tensor)


@pytest.mark.parametrize("kernels", ["portable", "m0plus"])
def test_another_symbol_takes_the_place_of_every_shared_name(tmp_path, kernels):
    data = reference_network(REFERENCE_SHAPES["S"], np.random.default_rng(4))
    plain = compile_model(data, tmp_path / "plain", kernels=kernels)
    named = compile_model(data, tmp_path / "named", kernels=kernels, symbol="jl_fallback")
    assert load_compiled(tmp_path / "named") == named
    assert (plain.symbol, named.symbol) == ("jl_model", "jl_fallback")
    assert set(named.files) == {name.replace("jl_model", "jl_fallback") for name in plain.files}
    for name in named.files:
        text = (tmp_path / "named" / name).read_text()
        assert "jl_model" not in text and "JL_MODEL" not in text
        back = text.replace("jl_fallback", "jl_model").replace("JL_FALLBACK", "JL_MODEL")
        assert back == (tmp_path / "plain" / name.replace("jl_fallback", "jl_model")).read_text()


@pytest.mark.parametrize("symbol", ["", "2nd", "jl-fallback", "JL", "jl_fallback.x"])
def test_a_symbol_that_is_no_name_is_refused(tmp_path, symbol):
    data = reference_network(REFERENCE_SHAPES["S"], np.random.default_rng(4))
    with pytest.raises(InputError, match="symbol"):
        compile_model(data, tmp_path, symbol=symbol)
