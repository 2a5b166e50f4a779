"""Networks of int16 activations on an emulated Cortex-M0+ and RV32IM core: golden bits and cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolchain.compile import CompiledModel, compile_model, golden, measure_cycles, read_network
from toolchain.compile.cycle_count import CoreImage
from toolchain.compile.host_program import KERNELS_DIR
from toolchain.compile.instruction_count import count_instructions
from toolchain.compile.m0plus_wide import layer_cost
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_wide_network, reference_network
from toolchain.compile.tflite_writer import DenseSpec, dense_network
from toolchain.errors import InputError
from toolchain.protocol import Element

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

GRID = 16

# Cycles a MAC, and one per cent; instructions a MAC, and one per cent.
CYCLES = {"S": 6.05, "M": 5.12, "L": 4.45}
INSTRUCTIONS = {"S": 5.70, "M": 4.99, "L": 4.46}


def rows_for(n_inputs: int) -> NDArray[np.int16]:
    rows = np.random.default_rng(5).integers(-(2**15), 2**15, (3, n_inputs)).astype(np.int16)
    rows[0], rows[1] = -(2**15), 2**15 - 1
    return rows


def compiled_models(models: Sequence[bytes], folder: Path, kernels: str) -> list[CompiledModel]:
    return [
        compile_model(data, folder / f"{kernels}{i}", kernels=kernels, symbol=f"net{i}")
        for i, data in enumerate(models)
    ]


def run_m0plus(models: Sequence[bytes], folder: Path) -> list[CompiledModel]:
    """All models in one image; equal to the golden outputs, in cycles that no input changes."""
    compiled = compiled_models(models, folder, "m0plus")
    sources = [model.folder / f"{model.symbol}.c" for model in compiled]
    image = CoreImage(
        [*sources, *(p for p in sorted(KERNELS_DIR.iterdir()) if p.suffix in (".c", ".S"))],
        [KERNELS_DIR, *(model.folder for model in compiled)],
        [f"{model.symbol}_run" for model in compiled],
        max(model.input.n_bytes for model in compiled),
        max(model.output.n_bytes for model in compiled),
        "flash",
    )
    for data, model in zip(models, compiled, strict=True):
        rows = rows_for(model.n_inputs)
        places: dict[str, int] = {}
        runs = [image.call(f"{model.symbol}_run", row, model.n_outputs, places) for row in rows]
        np.testing.assert_array_equal(np.stack([out for out, _ in runs]), golden(data, rows))
        if fast(model):
            assert len({cycles for _, cycles in runs}) == 1, "cycles depend on the input"
            costs = [layer_cost(layer).cycles for layer in read_network(data).layers]
            assert places["jl_m0plus_wide"] == len(rows) * sum(costs)
    return compiled


def run_rv32im(models: Sequence[bytes], folder: Path) -> list[CompiledModel]:
    compiled = compiled_models(models, folder, "rv32im")
    rows = [rows_for(model.n_inputs) for model in compiled]
    counts = count_instructions(compiled, rows)
    for data, given, count in zip(models, rows, counts, strict=True):
        np.testing.assert_array_equal(count.outputs, golden(data, given))
    return compiled


def strategies(compiled: Sequence[CompiledModel]) -> set[str]:
    return {layer.strategy for model in compiled for layer in model.layers}


def fast(model: CompiledModel) -> bool:
    return strategies([model]) == {"one byte a weight: sums of 32 bits"}


RUNNERS = {"m0plus": run_m0plus, "rv32im": run_rv32im}


@pytest.mark.parametrize("kernels", RUNNERS)
def test_random_networks_are_golden(tmp_path: Path, kernels: str) -> None:
    rng = np.random.default_rng(77)
    models = [random_wide_network(rng, max_layers=2) for _ in range(GRID)]
    compiled = RUNNERS[kernels](models, tmp_path)
    assert strategies(compiled) == {
        "one byte a weight: sums of 32 bits",
        "plain C: sums of 64 bits",
    }


@pytest.mark.parametrize("kernels", RUNNERS)
def test_every_width_and_height(tmp_path: Path, kernels: str) -> None:
    rng = np.random.default_rng(2)
    models = [
        reference_network((n_inputs, n_outputs), rng, Element.INT16)
        for n_inputs, n_outputs in [(n, 5) for n in range(1, 11)] + [(3, n) for n in range(1, 10)]
    ]
    compiled = RUNNERS[kernels](models, tmp_path)
    assert all(map(fast, compiled))


@pytest.mark.parametrize("kernels", RUNNERS)
def test_the_extreme_weights_sums_and_clamps(tmp_path: Path, kernels: str) -> None:
    rng = np.random.default_rng(4)
    models = []
    for weight in (127, -128, 0):
        for activation in ("NONE", "RELU", "RELU6", "RELU_N1_TO_1"):
            weights = np.full((6, 9), weight, np.int8)
            weights[1::2] = rng.choice([-128, 127], (3, 9))
            # As near to 32 bits as a sum of 9 inputs can be allowed to start.
            edge = 2**31 - 1 - 9 * 128 * 2**15
            bias = np.array([edge, -edge, 0, 1, -1, 2**20], np.int64)
            scales = tuple(2.0**e for e in (-16, -17, -12, -3, -4, -31))
            layer = DenseSpec(weights, bias, scales, 1.0, 0, activation)
            models.append(dense_network(1.0, 0, [layer], "int16"))
    compiled = RUNNERS[kernels](models, tmp_path)
    assert all(map(fast, compiled))


@pytest.mark.parametrize("name", REFERENCE_SHAPES)
def test_cycles_of_the_reference_networks(tmp_path: Path, name: str) -> None:
    data = reference_network(REFERENCE_SHAPES[name], np.random.default_rng(0), Element.INT16)
    model = compile_model(data, tmp_path, kernels="m0plus")
    rows = rows_for(model.n_inputs)[:1]
    count = measure_cycles(model, rows)
    np.testing.assert_array_equal(count.outputs, golden(data, rows))
    assert count.cycles.max() <= CYCLES[name] * model.macs
    # What the planner believes, calls included.
    assert model.cycles is not None
    assert model.flash_bytes is not None
    assert model.cycles - 60 <= count.cycles[0] <= model.cycles
    assert model.flash_bytes - 200 <= count.flash_bytes <= model.flash_bytes


def test_instructions_of_the_reference_networks(tmp_path: Path) -> None:
    shapes = REFERENCE_SHAPES.values()
    data = [reference_network(s, np.random.default_rng(0), Element.INT16) for s in shapes]
    compiled = compiled_models(data, tmp_path, "rv32im")
    rows = [rows_for(model.n_inputs) for model in compiled]
    for name, model, count in zip(
        REFERENCE_SHAPES, compiled, count_instructions(compiled, rows), strict=True
    ):
        assert count.instructions.max() <= INSTRUCTIONS[name] * model.macs


@pytest.mark.parametrize("kernels", RUNNERS)
def test_a_budget_is_kept_or_refused(tmp_path: Path, kernels: str) -> None:
    data = reference_network((8, 6, 3), np.random.default_rng(1), Element.INT16)
    smallest = compile_model(data, tmp_path, kernels=kernels, flash_budget="smallest")
    assert fast(smallest)
    with pytest.raises(InputError, match=r"at least|up to"):
        compile_model(data, tmp_path, kernels=kernels, flash_budget=100)
