"""Dense networks from elsewhere: what is understood, and what is refused by name."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from toolchain.errors import InputError, ModelError, UnsupportedOperatorError
from toolchain.quantize import Activation, convert, read_onnx

RNG = np.random.default_rng(3)
W0 = RNG.standard_normal((6, 8)).astype(np.float32)
B0 = RNG.standard_normal(8).astype(np.float32)
W1 = RNG.standard_normal((8, 4)).astype(np.float32)
B1 = RNG.standard_normal(4).astype(np.float32)
SCALARS = {"zero": np.float32(0), "six": np.float32(6), "one": np.float32(1)}
ODD = {
    "none": np.zeros(0, np.float32),
    "inf": np.full(8, np.inf, np.float32),
    "B0C": B0[:, None],
    "W00": W0[:, :0],
}


def model(nodes, output="y", taken=("n", 6), kind=TensorProto.FLOAT, **constants) -> bytes:
    arrays = {"W0": W0, "B0": B0, "W1": W1, "B1": B1, "W1T": W1.T.copy()}
    arrays |= SCALARS | ODD | constants
    used = {name for node in nodes for name in node.input}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, taken)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", "m"])],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in arrays.items() if n in used],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return made.SerializeToString()


def node(operator, inputs, output, **options):
    return helper.make_node(
        operator, inputs, [output], name=f"the_{operator.lower()}_{output}", **options
    )


GEMM = node("Gemm", ["x", "W0", "B0"], "a")
CHAINS = {
    "gemm": [GEMM, node("Relu", ["a"], "b"), node("Gemm", ["b", "W1T", "B1"], "y", transB=1)],
    "gemm_scaled": [node("Gemm", ["x", "W0", "B0"], "y", alpha=0.5, beta=2.0)],
    "matmul_add": [
        node("MatMul", ["x", "W0"], "m"),
        node("Add", ["B0", "m"], "a"),
        node("Clip", ["a", "zero", "six"], "c"),
        node("MatMul", ["c", "W1"], "y"),
    ],
    "clip_upwards": [GEMM, node("Clip", ["a", "zero"], "c"), node("MatMul", ["c", "W1"], "y")],
    "softmax": [
        GEMM,
        node("Relu", ["a"], "b"),
        node("Gemm", ["b", "W1", "B1"], "s"),
        node("Softmax", ["s"], "y", axis=-1),
    ],
    "constant": [
        node("Constant", [], "w", value=numpy_helper.from_array(W0)),
        node("MatMul", ["x", "w"], "m"),
        node("Identity", ["m"], "y"),
    ],
}


@pytest.mark.parametrize("name", CHAINS)
def test_it_computes_what_onnxruntime_does(name):
    data = model(CHAINS[name])
    rows = RNG.standard_normal((50, 6)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    wanted = session.run(None, {"x": rows})[0]
    np.testing.assert_allclose(read_onnx(data)(rows), wanted, atol=1e-5)
    assert np.abs(wanted).max() > 0.05


def test_activations_are_kept():
    layers = read_onnx(model(CHAINS["matmul_add"])).layers
    assert [layer.activation for layer in layers] == [Activation.RELU6, Activation.LINEAR]
    assert read_onnx(model(CHAINS["clip_upwards"])).layers[0].activation == Activation.RELU


REFUSED = {
    "operator": ([GEMM, node("Sigmoid", ["a"], "y")], "node 1 'the_sigmoid_y', operator Sigmoid"),
    "clip": ([GEMM, node("Clip", ["a", "zero", "one"], "y")], "operator Clip: clips to 0 .. 1"),
    "residual": ([GEMM, node("Add", ["a", "a"], "y")], "operator Add"),
    "second bias": ([GEMM, node("Add", ["a", "B0"], "y")], "operator Add.*no bias"),
    "shape": ([GEMM, node("MatMul", ["a", "W0"], "y")], r"operator MatMul: weights \(6, 8\) after"),
    "axis": ([GEMM, node("Softmax", ["a"], "y", axis=0)], "operator Softmax: over axis 0"),
    "after softmax": (
        [GEMM, node("Softmax", ["a"], "s"), node("Relu", ["s"], "y")],
        "operator Relu: something follows",
    ),
    "relu first": ([node("Relu", ["x"], "y")], "operator Relu: it does not follow"),
    "branch": ([GEMM, node("MatMul", ["x", "W0"], "y")], "operator MatMul: it does not take 'a'"),
    "bias of rows": (
        [node("Gemm", ["x", "W0", "B0C"], "y")],
        r"operator Gemm: a bias of shape \(8, 1\) for 8 outputs",
    ),
    "infinite bias": (
        [node("MatMul", ["x", "W0"], "m"), node("Add", ["m", "inf"], "y")],
        "operator Add: its bias is not all finite",
    ),
    "limit without value": (
        [GEMM, node("Clip", ["a", "zero", "none"], "y")],
        "operator Clip: its limit 'none' has 0 values",
    ),
    "no weights": ([node("MatMul", ["x", "W00"], "y")], r"operator MatMul: weights \(6, 0\)"),
    "transposed": ([node("Gemm", ["x", "W0", "B0"], "y", transA=1)], "operator Gemm"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_understood_is_named(name):
    nodes, message = REFUSED[name]
    with pytest.raises(UnsupportedOperatorError, match=message):
        read_onnx(model(nodes))


@pytest.mark.parametrize(
    ("nodes", "given", "message"),
    [
        ([GEMM], {"output": "a", "taken": ("n", 3, 6)}, "'x' has 3 dimensions"),
        ([GEMM], {"output": "a", "taken": ("n", 7)}, "takes 7 values, its first layer 6"),
        ([GEMM], {"output": "a", "kind": TensorProto.INT32}, "'x' is INT32, must be one of FLOAT"),
        ([GEMM], {"output": "a", "kind": 99}, "'x' is of unknown type 99, must be one of FLOAT"),
        ([node("Identity", ["x"], "y")], {}, "no dense layer"),
    ],
)
def test_what_is_no_row_of_numbers_is_refused(nodes, given, message):
    with pytest.raises(ModelError, match=message):
        read_onnx(model(nodes, **given))


def test_weights_that_are_no_numbers_are_refused():
    with pytest.raises(UnsupportedOperatorError, match="not all finite"):
        read_onnx(model([node("MatMul", ["x", "N"], "y")], N=np.full((6, 2), np.nan, np.float32)))


def test_weights_in_a_file_beside_the_model_are_read(tmp_path):
    """PyTorch's exporter leaves MODEL.onnx.data beside MODEL.onnx by default."""
    whole = model(CHAINS["gemm"])
    file = tmp_path / "m.onnx"
    onnx.save(
        onnx.load_model_from_string(whole),
        file,
        save_as_external_data=True,
        location="m.onnx.data",
        size_threshold=0,
    )
    data, rows = file.read_bytes(), RNG.standard_normal((9, 6)).astype(np.float32)
    assert (tmp_path / "m.onnx.data").stat().st_size > 300 and len(data) < len(whole)
    np.testing.assert_array_equal(read_onnx(data, tmp_path)(rows), read_onnx(whole)(rows))
    with pytest.raises(ModelError, match=r"W0.*in a file of their own"):
        read_onnx(data)
    (tmp_path / "m.onnx.data").write_bytes(b"short")
    with pytest.raises(ModelError):
        read_onnx(data, tmp_path)
    (tmp_path / "m.onnx.data").unlink()
    with pytest.raises(ModelError, match="cannot be read"):
        read_onnx(data, tmp_path)


def test_weights_outside_of_the_models_folder_are_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "secret").write_bytes(b"\0" * 4096)
    read = onnx.load_model_from_string(model(CHAINS["gemm"]))
    for tensor in read.graph.initializer:
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="../secret")
    with pytest.raises(ModelError):
        read_onnx(read.SerializeToString(), tmp_path / "in")


@pytest.mark.parametrize("data", [b"", b"\x00" * 40, b"not a model at all"])
def test_noise_is_no_model(data):
    with pytest.raises(ModelError):
        read_onnx(data)


def _damaged(seed):
    rng = np.random.default_rng(seed)
    data = bytearray(model(CHAINS["softmax"]))
    for _ in range(int(rng.integers(1, 6))):
        data[int(rng.integers(len(data)))] = int(rng.integers(256))
    return bytes(data[: int(rng.integers(1, len(data) + 1))]) if seed % 2 else bytes(data)


def test_a_damaged_model_is_refused_or_read_but_never_crashes():
    sound = read_onnx(model(CHAINS["softmax"]))
    read, refused = [], []
    for seed in range(60):
        try:
            read.append(read_onnx(_damaged(seed)))
        except ModelError as error:
            refused.append(error)
    assert read, "damage to a weight or a name leaves a network"
    assert refused
    assert all(error.message for error in refused)
    for network in read:
        shapes = [layer.weight.shape for layer in network.layers]
        assert shapes == [layer.weight.shape for layer in sound.layers]


def test_calibration_must_fit():
    network = read_onnx(model(CHAINS["gemm"]))
    with pytest.raises(InputError, match=r"\(n, 6\)"):
        convert(network, np.zeros((4, 5), np.float32))
    with pytest.raises(InputError, match="finite"):
        convert(network, np.full((4, 6), np.inf, np.float32))
