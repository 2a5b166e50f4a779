"""INT8 and the other compressions of a trained policy; one small training is shared."""

from __future__ import annotations

import math

import numpy as np
import pytest

from toolchain.board import load_board
from toolchain.compile import HostProgram, compile_model, golden, read_network
from toolchain.environment import BASELINES
from toolchain.errors import InputError, MissingDependencyError, ModelError
from toolchain.policy.choice import choose
from toolchain.policy.imitation import ImitationKnobs, train
from toolchain.policy.sizing import network_cost
from toolchain.policy.validation import Validation
from toolchain.quantize import (
    Activation,
    HostModel,
    Precision,
    QuantizedPolicy,
    convert,
    limits_beside_fallback,
    make_fallback,
    narrowed,
    require_same_edges,
    runtime,
)
from toolchain.quantize.agreement import agreement, visited_states
from toolchain.quantize.distil import DistilKnobs, distil
from toolchain.quantize.fallback import FALLBACK_HIDDEN, LEAST_QUALITY_KEPT
from toolchain.quantize.report import layer_report
from toolchain.quantize.variants import make_variants
from toolchain.scenario import CircularSupplyChainGenerator, ScenarioParameters

pytestmark = pytest.mark.xdist_group("trained_policy")


def scenario(seed: int):
    parameters = ScenarioParameters(n_products=200, horizon_days=90)
    return CircularSupplyChainGenerator(seed, parameters).generate()


@pytest.fixture(scope="module")
def trained_and_allowed(tmp_path_factory):
    knobs = ImitationKnobs(
        seed=2, rounds=1, epochs=15, states_per_scenario=150, generations=6, population=12
    )
    learn = [scenario(700 + i) for i in range(10)]
    folder = tmp_path_factory.mktemp("train")
    policy, _ = train(learn, [scenario(720)], knobs, folder=folder)
    states, masks = visited_states(policy, learn[:4])
    chosen = np.random.default_rng(1).permutation(len(states))
    calibration, rest = states[chosen[:250]], chosen[250:]
    return (policy, calibration, states[rest], masks[rest], learn), masks[chosen[:250]]


@pytest.fixture(scope="module")
def trained(trained_and_allowed):
    return trained_and_allowed[0]


@pytest.fixture(scope="module")
def network(trained_and_allowed):
    (policy, calibration, *_), allowed = trained_and_allowed
    return narrowed(policy, calibration, allowed)


@pytest.fixture(scope="module")
def int8(trained, network):
    return QuantizedPolicy(convert(network, trained[1]))


@pytest.fixture(scope="module")
def judge():
    return Validation([scenario(730), scenario(731), scenario(732)])


def test_int8_keeps_quality_and_decisions(trained, int8, judge):
    policy, _, states, masks, _ = trained
    found = agreement(policy, int8, states, masks)
    assert found["equal_decisions"] >= 0.97
    assert found["saturated_inputs"] == 0
    assert judge.quality(int8).mean() >= 0.99 * judge.quality(policy).mean()
    greedy = BASELINES["greedy_capacity"](judge.scenarios[0].parameters, 0)
    assert judge.quality(int8).mean() > judge.quality(greedy).mean()


def test_a_network_has_one_file_however_many_were_made_before(trained, network):
    """Keras numbers its layers, and their names are in the file and so in its SHA-256."""
    for calibration in (None, trained[1]):
        assert convert(network, calibration) == convert(network, calibration)


def test_narrowed_scores_decide_alike_and_have_a_finer_step(trained, network, int8):
    policy, calibration, states, masks, _ = trained
    assert np.mean(choose(network(states), masks) == choose(policy.scores(states), masks)) > 0.998
    assert (network(states) >= 0).all() and network.layers[-1].activation == Activation.RELU
    best = np.where(masks, network(states), 0).max(axis=1)
    assert np.mean(best > 0) > 0.998
    plain, fine = convert(policy, calibration), int8.model
    assert read_network(fine).output.scale < 0.6 * read_network(plain).output.scale
    with pytest.raises(InputError, match="no states"):
        narrowed(policy, states[:0], masks[:0])


def test_report_finds_the_layer_that_was_damaged(trained, network, int8):
    _, calibration, states, masks, _ = trained
    sound = layer_report(network, int8, states, masks)
    assert len(sound["layers"]) == 3
    assert all(layer["equal_decisions_alone"] > 0.95 for layer in sound["layers"])
    narrow = convert(network, 0.05 * calibration)
    damaged = layer_report(network, QuantizedPolicy(narrow), states, masks)
    assert damaged["input"]["saturated"] > 0.5
    assert damaged["input"]["equal_decisions_alone"] < sound["input"]["equal_decisions_alone"]
    assert sum(damaged["changed"].values()) > sum(sound["changed"].values())


def test_report_refuses_another_policys_model(trained, network):
    policy, calibration, states, masks, _ = trained
    other = distil(policy, states[:64], masks[:64], DistilKnobs(1, epochs=1), (8, 4))
    with pytest.raises(ModelError, match="not those of the"):
        layer_report(network, QuantizedPolicy(convert(other, calibration)), states, masks)


def test_variants_are_what_they_say(trained_and_allowed, judge, tmp_path):
    (policy, calibration, states, masks, _), allowed = trained_and_allowed
    names = []
    made = make_variants(policy, (calibration, allowed), states, masks, judge, 1, names.append)
    by_name = {variant.name: variant for variant in made}
    assert names == list(by_name)
    assert set(by_name) == {
        "quantization_aware",
        "pruned",
        "narrow",
        "int16_activations",
    }
    assert by_name["quantization_aware"].summary["equal_decisions"] >= 0.97
    assert by_name["pruned"].summary["zero_weights"] >= 0.5
    assert by_name["narrow"].summary["widths"] == [24, 32, 16, 5]
    wide = by_name["int16_activations"]
    reference = QuantizedPolicy(wide.model)
    codes = reference.quantize(states[:100])
    assert (reference.dtype, codes.dtype) == (np.int16, np.int16)
    compile_model(wide.model, tmp_path)
    np.testing.assert_array_equal(HostProgram(tmp_path).run(codes), reference.outputs(codes))
    assert {variant.summary["ran_by"] for variant in made} == {"tflite-micro"}
    assert wide.summary["equal_decisions"] >= 0.98


def test_the_fallback_is_much_cheaper_takes_the_same_codes_and_beats_greed(
    trained_and_allowed, int8, judge
):
    (policy, calibration, _, _, learn), allowed = trained_and_allowed
    made = make_fallback(policy, int8, (calibration, allowed), learn[:4], judge, 1)
    found = QuantizedPolicy(made.model)
    require_same_edges(int8, found)
    assert made.summary["macs"] <= made.summary["full_macs"] / 10
    tried = made.summary["tried"]
    assert [entry["widths"][1:-1] for entry in tried] == [list(w) for w in FALLBACK_HIDDEN][
        : len(tried)
    ]
    good = [entry["kept"] >= LEAST_QUALITY_KEPT for entry in tried]
    assert not any(good[:-1])
    best = tried[-1]["quality"] if good[-1] else max(entry["quality"] for entry in tried)
    assert made.summary["quality"] == best
    assert judge.quality(found).mean() == pytest.approx(best)
    greedy = BASELINES["greedy_capacity"](judge.scenarios[0].parameters, 0)
    assert best > judge.quality(greedy).mean()


def test_a_fallback_with_other_input_codes_is_refused(trained, int8):
    policy, calibration, *_ = trained
    other = QuantizedPolicy(convert(policy, 0.5 * calibration))
    with pytest.raises(ModelError, match="input_scale"):
        require_same_edges(int8, other)


def test_the_policy_gets_what_the_fallback_leaves():
    board = load_board("pico")
    left = limits_beside_fallback(board.limits, board.cost_model)
    taken = network_cost((24, *max(FALLBACK_HIDDEN, key=sum), 5), board.cost_model, 1.0)
    assert left.flash_bytes == board.limits.flash_bytes - math.ceil(taken.flash_bytes)
    assert left.ram_bytes == board.limits.ram_bytes - math.ceil(taken.ram_bytes)
    assert left.energy_j == board.limits.energy_j
    assert limits_beside_fallback(board.limits, None) == board.limits
    assert limits_beside_fallback(None, board.cost_model) is None


def test_fake_quantization_does_not_lose_agreement(trained, int8):
    policy, calibration, states, masks, learn = trained
    aware = distil(policy, states, masks, DistilKnobs(3, fake_quantization=True))
    assert any(not np.array_equal(a, b) for a, b in zip(aware.weights, policy.weights, strict=True))
    again = distil(policy, states, masks, DistilKnobs(3, fake_quantization=True))
    for left, right in zip(aware.weights, again.weights, strict=True):
        np.testing.assert_array_equal(left, right)
    fresh, allowed = visited_states(policy, learn[4:6])
    model = QuantizedPolicy(convert(aware, calibration))
    wanted = choose(policy.scores(fresh), allowed)
    plain = np.mean(choose(int8.outputs(int8.quantize(fresh)), allowed) == wanted)
    ours = np.mean(choose(model.outputs(model.quantize(fresh)), allowed) == wanted)
    assert ours >= plain - 0.015


def test_pruning_and_empty_data_are_checked(trained):
    policy, _, states, masks, _ = trained
    with pytest.raises(InputError, match="pruned_share"):
        DistilKnobs(1, pruned_share=1.0)
    with pytest.raises(InputError, match="no states"):
        distil(policy, states[:0], masks[:0], DistilKnobs(1))


def test_the_host_adapter_is_within_one_code_of_the_golden_output(trained, int8):
    _, _, states, _, _ = trained
    codes = int8.quantize(states[:200])
    host = HostModel(int8.model)
    assert host.runtime.split()[0] in runtime.RUNTIMES
    difference = np.abs(host.run(codes).astype(int) - golden(int8.model, codes))
    assert difference.max() <= 1
    policy = trained[0]
    floats = HostModel(convert(policy, None))
    np.testing.assert_allclose(floats.scores(states[:50]), policy.scores(states[:50]), atol=1e-3)


def test_the_adapters_errors(int8, monkeypatch):
    with pytest.raises(InputError, match="unknown runtime"):
        HostModel(int8.model, "other")
    with pytest.raises(ModelError, match="refuses"):
        HostModel(b"no model")
    with pytest.raises(InputError, match="int8"):
        HostModel(int8.model).run(np.zeros((1, 24), np.float32))
    monkeypatch.setattr(runtime, "RUNTIMES", {"tflite-runtime": "no_such_module_here"})
    with pytest.raises(MissingDependencyError, match="tflite-runtime"):
        HostModel(int8.model)


def test_the_adapter_takes_the_other_runtime_where_it_is_the_one(int8, monkeypatch, tmp_path):
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("from ai_edge_litert.interpreter import *\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(runtime.metadata, "version", lambda name: "0")
    host = HostModel(int8.model, "tflite-runtime")
    assert host.runtime == "tflite-runtime 0"
    assert host.run(np.zeros((1, 24), np.int8)).shape == (1, 5)


def test_int16_edges_and_float_models(trained):
    policy, calibration, *_ = trained
    model = HostModel(convert(policy, calibration, Precision.INT16_ACTIVATIONS))
    assert model.output.dtype == np.int16 and model.input.zero_point == 0
    assert HostModel(convert(policy, None)).input.scale == 0
