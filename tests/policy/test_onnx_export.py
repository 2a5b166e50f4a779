from __future__ import annotations

from itertools import pairwise

import numpy as np
import onnx
import onnxruntime

from toolchain.policy.dense import DensePolicy
from toolchain.policy.onnx_export import export_onnx
from toolchain.quantize import DenseNetwork, read_onnx, to_keras


def a_policy(widths=(24, 64, 32, 5)) -> DensePolicy:
    rng = np.random.default_rng(8)
    pairs = list(pairwise(widths))
    return DensePolicy(
        tuple((rng.standard_normal(p) / np.sqrt(p[0])).astype(np.float32) for p in pairs),
        tuple(rng.standard_normal(p[1]).astype(np.float32) for p in pairs),
    )


def test_onnxruntime_equals_keras_and_the_policy():
    policy = a_policy()
    data = export_onnx(policy)
    onnx.checker.check_model(onnx.load_model_from_string(data), full_check=True)
    states = np.random.default_rng(1).uniform(-1, 1, (200, 24)).astype(np.float32)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    scores = session.run(["scores"], {"states": states})[0]
    np.testing.assert_allclose(scores, to_keras(policy)(states).numpy(), atol=1e-5)
    np.testing.assert_allclose(scores, policy.scores(states), atol=1e-5)
    assert np.abs(scores).max() > 0.1


def test_export_is_deterministic_and_reads_back():
    policy = a_policy()
    assert export_onnx(policy) == export_onnx(policy)
    back = read_onnx(export_onnx(policy))
    mine = DenseNetwork.of_policy(policy)
    assert back.widths == mine.widths
    for left, right in zip(back.layers, mine.layers, strict=True):
        np.testing.assert_array_equal(left.weight, right.weight)
        np.testing.assert_array_equal(left.bias, right.bias)
        assert left.activation == right.activation
