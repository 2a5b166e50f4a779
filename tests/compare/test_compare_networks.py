"""What is compared: files, engines, references, and scenarios judged once for equal models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from host.compare.network import FLOAT, ComparedNetwork, compared_networks, policy_of
from host.compare.quality import judge_networks, judge_scenario, read_judged
from host.replay import Reference
from toolchain.compile.float_synthetic import reference_float_network
from toolchain.compile.synthetic import reference_network
from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.errors import ModelError, RunFolderError
from toolchain.protocol import Engine
from toolchain.quantize import FloatPolicy, QuantizedPolicy
from toolchain.scenario import ScenarioParameters, scenario_like

WIDTHS = (N_FEATURES, 8, N_DISPOSITIONS)
BASIS = ScenarioParameters(n_products=40, horizon_days=20)
FILES = {
    "policy_float.tflite": "float32",
    "policy.tflite": "int8",
    "policy_fallback.tflite": "fallback",
    "policy_pruned.tflite": "pruned",
    "policy_narrow.tflite": "narrow",
    "policy_int16_activations.tflite": "int16",
}


@pytest.fixture(scope="module")
def models() -> dict[str, bytes]:
    rng = np.random.default_rng(5)
    return {FLOAT: reference_float_network(WIDTHS, rng), "int8": reference_network(WIDTHS, rng)}


def test_the_networks_of_a_run_folder_and_their_engines(tmp_path: Path):
    quantized, variants = tmp_path / "quantize", tmp_path / "variants"
    for folder in (quantized, variants):
        folder.mkdir()
    for index, name in enumerate(FILES):
        ((quantized if index < 3 else variants) / name).write_bytes(name.encode())
    found = compared_networks(quantized, variants, with_tflm=False)
    assert found[0].name == FLOAT
    assert {network.name: network.model for network in found} == {
        name: file.encode() for file, name in FILES.items()
    }
    assert [n.engine for n in found] == [Engine.FLOAT] + [Engine.AOT] * 5
    with_tflm = compared_networks(quantized, variants, with_tflm=True)
    assert with_tflm[:-1] == found
    assert (with_tflm[-1].engine, with_tflm[-1].model) == (Engine.TFLM, b"policy.tflite")
    (variants / "policy_narrow.tflite").unlink()
    with pytest.raises(RunFolderError, match=r"has policy_narrow.tflite"):
        compared_networks(quantized, variants, with_tflm=False)


def test_each_precision_has_its_reference(models: dict[str, bytes]):
    assert isinstance(policy_of(models[FLOAT]), FloatPolicy)
    assert isinstance(policy_of(models["int8"]), QuantizedPolicy)
    states = np.random.default_rng(1).uniform(-1, 1, (6, N_FEATURES)).astype(np.float32)
    masks = np.ones((6, N_DISPOSITIONS), bool)
    for model in models.values():
        policy = policy_of(model)
        inputs = policy.quantize(states)
        assert inputs.dtype == policy.dtype and inputs.shape == states.shape
        actions, outputs = Reference(policy).decide(inputs, masks, np.zeros(6, np.uint8))
        np.testing.assert_array_equal(actions, policy.outputs(inputs).argmax(axis=1))
        assert outputs.dtype == policy.dtype
    with pytest.raises(ModelError, match="only a quantized network has"):
        Reference(policy_of(models[FLOAT]), QuantizedPolicy(models["int8"]))


def test_a_scenario_is_judged_for_every_network(models: dict[str, bytes]):
    scenario = scenario_like(BASIS, 9)
    judged = judge_scenario(scenario, models | {"again": models["int8"]})
    assert judged["again"] == judged["int8"] != judged[FLOAT]
    assert judged[FLOAT].equal_to_float == judged[FLOAT].states == judged["int8"].states
    for one in judged.values():
        assert 0 <= one.correct <= one.decisions <= 40
        assert one.quality is None or 0 <= one.quality <= 1


def test_held_out_scenarios_that_are_there_are_not_decided_again(
    models, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr("host.compare.quality.default_workers", lambda: 1)
    networks = [ComparedNetwork(name, Engine.FLOAT, model, "") for name, model in models.items()]
    assert list(judge_networks(networks, BASIS, 3, 2, tmp_path)) == [0, 1]
    first = (tmp_path / "0.json").read_bytes()
    (tmp_path / "1.json").unlink()
    assert list(judge_networks(networks, BASIS, 3, 2, tmp_path)) == [0, 1]
    assert (tmp_path / "0.json").read_bytes() == first
    judged = read_judged(tmp_path, 2)
    assert set(judged) == set(models) and all(len(of) == 2 for of in judged.values())
