"""The RV32IM kernels on an emulated ESP32-C3's core: the golden bits, and instructions counted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolchain.compile import CompiledModel, FlashBudget, compile_model, golden, kernels_for_core
from toolchain.compile.instruction_count import InstructionCount, count_instructions
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_network, reference_network
from toolchain.compile.tflite_writer import DenseSpec, dense_network
from toolchain.errors import InputError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

# Instructions a MAC: counts when this was written, and one per cent.
INSTRUCTIONS = {"S": 5.06, "M": 4.08, "L": 3.38}


def rows_for(n_inputs: int) -> NDArray[np.int8]:
    rows = np.random.default_rng(5).integers(-128, 128, (3, n_inputs)).astype(np.int8)
    rows[0], rows[1] = -128, 127
    return rows


def run(
    models: Sequence[bytes],
    folder: Path,
    *,
    kernels: str = "rv32im",
    flash_budget: FlashBudget = None,
) -> list[tuple[CompiledModel, InstructionCount]]:
    compiled = [
        compile_model(
            data,
            folder / f"{kernels}{i}",
            kernels=kernels,
            flash_budget=flash_budget,
            symbol=f"net{i}",
        )
        for i, data in enumerate(models)
    ]
    rows = [rows_for(model.n_inputs) for model in compiled]
    counts = count_instructions(compiled, rows)
    for data, given, count in zip(models, rows, counts, strict=True):
        np.testing.assert_array_equal(count.outputs, golden(data, given))
    return list(zip(compiled, counts, strict=True))


def strategies(results: Sequence[tuple[CompiledModel, InstructionCount]]) -> set[str]:
    return {layer.strategy.partition(":")[0] for model, _ in results for layer in model.layers}


@pytest.mark.parametrize("seed", range(4))
def test_random_networks_are_golden(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(3000 + seed)
    results = run([random_network(rng, max_layers=2) for _ in range(12)], tmp_path)
    assert strategies(results) == {"two bytes a weight", "plain C"}


def test_reference_networks_and_what_plain_c_takes(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    models = [reference_network(shape, rng) for shape in REFERENCE_SHAPES.values()]
    fast, plain = run(models, tmp_path), run(models, tmp_path, kernels="portable")
    for name, (model, count), (_, slow) in zip(REFERENCE_SHAPES, fast, plain, strict=True):
        assert count.instructions.max() <= INSTRUCTIONS[name] * model.macs
        assert 1.8 * count.instructions.max() <= slow.instructions.min()
    assert strategies(fast) == {"two bytes a weight"}


def test_every_width_and_height(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    models = [
        reference_network((n_inputs, n_outputs, 3), rng)
        for n_inputs in (1, 2, 3, 4, 5, 7, 9)
        for n_outputs in (1, 2, 4, 5)
    ]
    results = run(models, tmp_path)  # equal to the golden outputs, or it fails
    assert len(results) == 28
    assert strategies(results) == {"two bytes a weight"}


def test_the_extreme_weights_and_sums(tmp_path: Path) -> None:
    """127 everywhere is the most that may run packed; -128 in pairs, and wrapping sums, are C's."""
    models = []
    for weight in (127, -127, -128):
        weights = np.full((6, 9), weight, np.int8)
        bias = np.array([2**31 - 1, -(2**31), 0, 5, -5, 2**30], np.int32)
        for zero_point in (-128, 127):
            layer = DenseSpec(weights, bias, (2.0**-6,) * 6, 0.5, zero_point)
            models.append(dense_network(0.5, zero_point, [layer]))
    results = run(models, tmp_path)
    found = [model.layers[0].strategy.partition(":")[0] for model, _ in results]
    assert found == ["two bytes a weight"] * 4 + ["plain C"] * 2


def test_a_budget_is_kept_or_refused(tmp_path: Path) -> None:
    data = reference_network(REFERENCE_SHAPES["M"], np.random.default_rng(1))
    smallest = run([data], tmp_path, flash_budget="smallest")
    assert strategies(smallest) == {"plain C"}
    middle = run([data], tmp_path, flash_budget=9_500)
    assert strategies(middle) == {"plain C", "two bytes a weight"}
    full = run([data], tmp_path)
    cycles = [r[0][1].instructions.max() for r in (smallest, middle, full)]
    assert cycles == sorted(cycles, reverse=True)
    with pytest.raises(InputError, match="at least"):
        compile_model(data, tmp_path, kernels="rv32im", flash_budget=1_000)


def test_the_core_has_them() -> None:
    assert kernels_for_core("rv32imc") == "rv32im"
