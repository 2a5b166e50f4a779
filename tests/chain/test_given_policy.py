"""A policy that is given takes the place of training and quantizing, or is refused."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from host.chain.given import GivenPolicy
from host.chain.settings import Settings
from host.chain.stages import Chain
from host.run import RunFolder
from host.score.policies import read_policies
from toolchain.board import load_board
from toolchain.compile.synthetic import reference_network
from toolchain.errors import InputError, ModelError, RunFolderError
from toolchain.policy.sizing import network_cost

COMMITTED = Path(__file__).parents[1] / "hil" / "policy"


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A folder of networks that may be changed."""
    return Path(shutil.copytree(COMMITTED, tmp_path / "policy"))


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The chain of one run folder."""
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))

    def make(given: GivenPolicy | None = None) -> Chain:
        console = Console(file=io.StringIO())
        return Chain(RunFolder(tmp_path / "run", "test"), Settings(), console, policy=given)

    return make


def test_the_stages_take_it_and_say_which(chain, policy: Path) -> None:
    given = GivenPolicy.read(policy)
    first = chain(given)
    first.generate()
    assert first.train(board="pico")
    assert first.quantize()
    for stage in ("train", "quantize"):
        assert first.folder.stages[stage]["parameters"]["given"] == given.sha256
        assert first.folder.stages[stage]["packages"] == {}, "nothing was trained"
    stage = first.folder.artifact("quantize")
    assert (stage / "policy.tflite").read_bytes() == (policy / "policy.tflite").read_bytes()
    summary = json.loads((stage / "quantization.json").read_text())
    assert (summary["method"], summary["macs"]) == ("given", 24 * 22 + 22 * 11 + 11 * 5)
    assert set(json.loads((first.folder.artifact("train") / "training.json").read_text())) == {
        "given",
        "sizing",
    }, "no figures of a training that was not"
    (spec,) = read_policies(str(first.folder.path))
    assert spec.kind == "int8", "there is no float policy to score"

    later = chain()
    assert not later.train(board="pico"), "the folder goes on with what it was given"
    assert not later.quantize()
    with pytest.raises(InputError, match="was given, quantized"):
        later.quantize(method="quantization-aware")


def test_another_policy_in_the_same_folder_is_taken(chain, policy: Path) -> None:
    first = chain(GivenPolicy.read(policy))
    first.generate()
    first.train()
    first.quantize()
    shutil.copy(policy / "policy_fallback.tflite", policy / "policy.tflite")
    other = chain(GivenPolicy.read(policy))
    assert other.train() and other.quantize()
    assert GivenPolicy.read(other.folder.path).sha256 == GivenPolicy.read(policy).sha256
    (other.folder.path / "quantize" / "policy.tflite").write_bytes(b"")
    with pytest.raises(RunFolderError, match="not those that the manifest records"):
        GivenPolicy.read(other.folder.path)


def test_it_has_to_fit_the_boards_limits(policy: Path) -> None:
    given = GivenPolicy.read(policy)
    board = load_board("pico")
    assert board.limits is not None and board.cost_model is not None
    clock = board.cpu.clock_hz
    cost, fallback = (
        network_cost(widths, board.cost_model, clock) for widths in ((24, 22, 11, 5), (24, 5))
    )
    sizing = given.sizing(board, None)
    assert sizing["cost"]["energy_j"] == pytest.approx(cost.energy_j)
    assert sizing["cost"]["flash_bytes"] == pytest.approx(cost.flash_bytes + fallback.flash_bytes)
    tight = board.limits.model_copy(update={"energy_j": cost.energy_j / 2})
    with pytest.raises(InputError, match=r"does not fit board pico: .*energy_j.*: 2 times as much"):
        given.sizing(board.model_copy(update={"limits": tight}), None)


@pytest.mark.parametrize(
    ("damage", "error", "says"),
    [
        (lambda p: shutil.rmtree(p), InputError, "is not there"),
        (
            lambda p: (p / "policy_fallback.tflite").unlink(),
            InputError,
            r"no policy_fallback\.tflite; its networks: policy\.tflite",
        ),
        (lambda p: (p / "policy.tflite").write_bytes(b"no"), ModelError, r"policy\.tflite: "),
        (
            lambda p: (p / "policy.tflite").write_bytes(network(16, 4)),
            InputError,
            "16 inputs and 4 outputs, must be 24 and 5",
        ),
        (
            lambda p: (p / "policy.tflite").write_bytes(network(24, 5)),
            ModelError,
            "fallback's input_scale is",
        ),
        (
            lambda p: shutil.copy(p / "policy.tflite", p / "policy_float.tflite"),
            ModelError,
            r"policy_float\.tflite: ",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(policy: Path, damage, error, says: str) -> None:
    damage(policy)
    with pytest.raises(error, match=says) as refused:
        GivenPolicy.read(policy)
    assert refused.value.hint


def test_one_file_is_told_what_is_missing(policy: Path) -> None:
    with pytest.raises(InputError, match="is not a folder") as refused:
        GivenPolicy.read(policy / "policy.tflite")
    assert refused.value.hint is not None and "policy_fallback.tflite" in refused.value.hint


def network(n_inputs: int, n_outputs: int) -> bytes:
    return reference_network((n_inputs, 8, n_outputs), np.random.default_rng(0))
