"""The Cortex-M0+ kernels on the emulated core: the golden bits, and cycles that are counted.

The emulator's counts are deterministic, so they are asserted: as bounds where speed is the point,
and against the cost model, whose numbers the planner decides by.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from toolchain.compile import (
    CompiledModel,
    FlashBudget,
    compile_model,
    golden,
    measure_cycles,
    read_network,
)
from toolchain.compile.cycle_count import CoreImage, model_sources
from toolchain.compile.host_program import KERNELS_DIR
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_network, reference_network
from toolchain.compile.tflite_writer import (
    DenseSpec,
    ModelSpec,
    OperatorSpec,
    TensorSpec,
    dense_network,
    write_tflite,
)

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

AD01 = Path(__file__).resolve().parents[3] / "shared" / "models" / "ad01_int8.tflite"

GRID = 200
BATCH = 50

# The emulator does not count that ``pop`` with pc fills the pipeline again; the model does.
UNCOUNTED_RETURN = 2


def rows_for(n_inputs: int, n_rows: int = 3) -> NDArray[np.int8]:
    rows = np.random.default_rng(5).integers(-128, 128, (n_rows, n_inputs)).astype(np.int8)
    rows[0] = -128
    rows[1] = 127
    return rows


def smallest_budget(data: bytes, folder: Path) -> int:
    least = compile_model(data, folder, kernels="m0plus", flash_budget="smallest").flash_bytes
    assert least is not None
    return least


def run_batch(
    models: Sequence[bytes], folder: Path, n_rows: int, budgets: Sequence[int | None] = ()
) -> list[tuple[CompiledModel, NDArray[np.int8], list[int]]]:
    """Compile many models into one image for the core; outputs and cycles of each."""
    compiled: list[CompiledModel] = []
    sources: list[Path] = []
    for i, data in enumerate(models):
        budget = budgets[i] if budgets else None
        model = compile_model(data, folder / str(i), kernels="m0plus", flash_budget=budget)
        compiled.append(model)
        names = "".join(f"#define {name} net{i}_{name}\n" for name in global_names())
        for path in model_sources(model):
            if path.parent == model.folder:
                wrapper = folder / f"net{i}_{path.name}"
                wrapper.write_text(f'{names}#include "{i}/{path.name}"\n', encoding="ascii")
                sources.append(wrapper)
    kernels = [p for p in model_sources(compiled[0]) if p.parent == KERNELS_DIR]
    functions = [f"net{i}_jl_model_run" for i in range(len(models))]
    largest_in = max(c.n_inputs for c in compiled)
    largest_out = max(c.n_outputs for c in compiled)
    image = CoreImage(
        [*sources, *kernels], [folder, KERNELS_DIR], functions, largest_in, largest_out, "flash"
    )
    results = []
    for function, model in zip(functions, compiled, strict=True):
        runs = [
            image.call(function, row, model.n_outputs) for row in rows_for(model.n_inputs, n_rows)
        ]
        results.append((model, np.stack([out for out, _ in runs]), [c for _, c in runs]))
    return results


def global_names() -> list[str]:
    return ["jl_model_run", *(f"jl_model_layers{i}" for i in range(8))]


@pytest.mark.parametrize("batch", range(GRID // BATCH))
def test_random_networks_are_golden(tmp_path: Path, batch: int) -> None:
    rng = np.random.default_rng(1000 + batch)
    models = [random_network(rng) for _ in range(BATCH)]
    strategies = set()
    for data, (compiled, outputs, cycles) in zip(
        models, run_batch(models, tmp_path, 3), strict=True
    ):
        strategies |= {layer.strategy.partition(":")[0] for layer in compiled.layers}
        np.testing.assert_array_equal(outputs, golden(data, rows_for(compiled.n_inputs)))
        if all(layer.cycles is not None for layer in compiled.layers):
            assert len(set(cycles)) == 1, "cycles depend on the input"
    assert strategies == {"two bytes a weight", "one byte a weight", "plain C"}


def test_arithmetic_that_wraps(tmp_path: Path) -> None:
    """Where the reference leaves 32 bits there is no staircase, and plain C must take over."""
    rng = np.random.default_rng(5)
    models = []
    for _ in range(30):
        n_outputs = int(rng.integers(1, 8))
        weights = rng.choice([-128, 127], (n_outputs, int(rng.integers(1, 20)))).astype(np.int8)
        scales = (float(2.0 ** rng.uniform(-2, 27.5)),) * n_outputs
        bias = rng.integers(-(2**31), 2**31, n_outputs).astype(np.int32)
        layer = DenseSpec(weights, bias, scales, 0.125, int(rng.choice([-128, 127, 0])))
        models.append(dense_network(0.5, int(rng.choice([-128, 127])), [layer]))
    results = run_batch(models, tmp_path, 3)
    for data, (compiled, outputs, _) in zip(models, results, strict=True):
        np.testing.assert_array_equal(outputs, golden(data, rows_for(compiled.n_inputs)))
    assert "plain C" in {compiled.layers[0].strategy for compiled, _, _ in results}


def test_random_networks_in_little_flash_are_golden(tmp_path: Path) -> None:
    rng = np.random.default_rng(77)
    models = [random_network(rng, max_layers=2) for _ in range(20)]
    budgets = [smallest_budget(data, tmp_path / "try") for data in models]
    results = run_batch(models, tmp_path, 2, budgets)
    for data, (compiled, outputs, _) in zip(models, results, strict=True):
        np.testing.assert_array_equal(outputs, golden(data, rows_for(compiled.n_inputs, 2)))
    small = [
        any(layer.strategy == "one byte a weight" for layer in compiled.layers)
        for compiled, _, _ in results
    ]
    assert sum(small) >= 10


def test_the_smallest_budget_is_kept_by_plain_code_too(tmp_path: Path) -> None:
    rng = np.random.default_rng(77)
    strategies = set()
    for i in range(6):
        data = random_network(rng, max_layers=1)
        budget = smallest_budget(data, tmp_path / "try")
        compiled = compile_model(data, tmp_path / str(i), kernels="m0plus", flash_budget=budget)
        strategies.add(compiled.layers[0].strategy.partition(":")[0])
        assert measure_cycles(compiled, rows_for(compiled.n_inputs, 2)).flash_bytes <= budget
    assert "plain C" in strategies


# Bounds are the counts when this was written, and a half per cent.
FULL_SPEED = {"S": 3_895, "M": 11_720, "L": 36_070}
TARGETS = {"S": 4_400, "M": 12_500, "L": 36_500}
LITTLE_FLASH = {"S": 6_490, "M": 19_200, "L": 57_700}


@pytest.mark.parametrize("name", REFERENCE_SHAPES)
def test_reference_networks_at_full_speed(tmp_path: Path, name: str) -> None:
    data = reference_network(REFERENCE_SHAPES[name], np.random.default_rng(1))
    compiled = compile_model(data, tmp_path, kernels="m0plus")
    rows = rows_for(compiled.n_inputs)
    count = measure_cycles(compiled, rows)
    np.testing.assert_array_equal(count.outputs, golden(data, rows))
    assert count.memory == "sram"
    assert count.cycles.max() == count.cycles.min() <= FULL_SPEED[name] <= TARGETS[name]
    assert compiled.cycles is not None and compiled.flash_bytes is not None
    assert compiled.cycles - int(count.cycles[0]) == UNCOUNTED_RETURN
    assert compiled.flash_bytes - 4 <= count.flash_bytes <= compiled.flash_bytes
    assert count.flash_bytes <= 2.5 * compiled.weight_bytes + 3 * 1024
    assert count.ram_bytes <= 500
    for index, layer in enumerate(compiled.layers):
        counted = count.layer_cycles[f"jl_model_run_layer{index}"]
        if index < len(compiled.layers) - 1:  # the last one's count has the return in it
            assert counted == layer.cycles


@pytest.mark.parametrize("name", REFERENCE_SHAPES)
def test_reference_networks_in_little_flash(tmp_path: Path, name: str) -> None:
    data = reference_network(REFERENCE_SHAPES[name], np.random.default_rng(1))
    compiled = compile_model(data, tmp_path, kernels="m0plus", flash_budget="smallest")
    rows = rows_for(compiled.n_inputs)
    count = measure_cycles(compiled, rows)
    np.testing.assert_array_equal(count.outputs, golden(data, rows))
    assert compiled.flash_bytes is not None
    assert count.flash_bytes <= compiled.flash_bytes <= 1.2 * compiled.weight_bytes + 2 * 1024
    assert count.cycles.max() == count.cycles.min() <= LITTLE_FLASH[name] <= 6 * compiled.macs
    assert count.ram_bytes <= 500
    predicted = sum(layer.cycles or 0 for layer in compiled.layers)
    returns = UNCOUNTED_RETURN * len(compiled.layers)
    assert predicted - count.layer_cycles["jl_m0plus_bytes"] == returns


@pytest.mark.parametrize("name", ["M", "L"])
def test_budgets_between_are_kept(tmp_path: Path, name: str) -> None:
    """More flash is never slower."""
    data = reference_network(REFERENCE_SHAPES[name], np.random.default_rng(1))
    smallest = smallest_budget(data, tmp_path)
    fastest = compile_model(data, tmp_path, kernels="m0plus").flash_bytes
    assert fastest is not None
    spent = []
    for budget in np.linspace(smallest, fastest, 4).astype(int).tolist():
        compiled = compile_model(data, tmp_path, kernels="m0plus", flash_budget=budget)
        rows = rows_for(compiled.n_inputs)
        count = measure_cycles(compiled, rows)
        np.testing.assert_array_equal(count.outputs, golden(data, rows))
        assert count.flash_bytes <= budget
        spent.append(int(count.cycles.max()))
    assert spent == sorted(spent, reverse=True)
    assert spent[0] > spent[1] > spent[-1]


@pytest.mark.skipif(not AD01.is_file(), reason=f"no {AD01.name} beside the checkout")
@pytest.mark.parametrize(("budget", "cycles_per_mac"), [(None, 2.56), ("smallest", 4.16)])
def test_anomaly_detection(tmp_path: Path, budget: FlashBudget, cycles_per_mac: float) -> None:
    """MLPerf Tiny's AD from flash; about 9.9 cycles per MAC are published for this core."""
    data = AD01.read_bytes()
    compiled = compile_model(data, tmp_path, kernels="m0plus", flash_budget=budget)
    rows = rows_for(compiled.n_inputs, 2)
    count = measure_cycles(compiled, rows)
    np.testing.assert_array_equal(count.outputs, golden(data, rows))
    assert count.memory == "flash"
    assert count.cycles.max() == count.cycles.min() <= cycles_per_mac * compiled.macs
    factor, constant = (2.5, 3 * 1024) if budget is None else (1.2, 2 * 1024)
    assert count.flash_bytes <= factor * compiled.weight_bytes + constant


def test_every_width_and_height(tmp_path: Path) -> None:
    """Few inputs and outputs reach every remainder of the loops and of the words."""
    rng = np.random.default_rng(2)
    models = []
    for n_inputs in (1, 2, 3, 5, 6, 8, 11):
        for n_outputs in (1, 2, 3, 5, 7):
            models.append(reference_network((n_inputs, n_outputs, 3), rng))
    for kind in ("fast", "small"):
        folder = tmp_path / kind
        budgets = [] if kind == "fast" else [smallest_budget(d, tmp_path / "try") for d in models]
        results = run_batch(models, folder, 4, budgets)
        for data, (compiled, outputs, _) in zip(models, results, strict=True):
            expected = golden(data, rows_for(compiled.n_inputs, 4))
            np.testing.assert_array_equal(outputs, expected)


def test_inputs_beyond_the_frame(tmp_path: Path) -> None:
    """Layers too wide for the stack frame read static memory, odd numbers of pairs included."""
    rng = np.random.default_rng(4)
    data = reference_network((261, 301, 257, 6), rng)
    compiled = compile_model(data, tmp_path, kernels="m0plus")
    rows = rows_for(compiled.n_inputs)
    count = measure_cycles(compiled, rows)
    np.testing.assert_array_equal(count.outputs, golden(data, rows))
    assert count.static_bytes == compiled.arena_bytes > 0
    assert compiled.cycles is not None
    assert compiled.cycles - int(count.cycles[0]) == UNCOUNTED_RETURN
    assert count.stack_bytes <= 200


def test_the_extreme_weights(tmp_path: Path) -> None:
    """Two weights of -128 in a pair do not fit the packed multiplication; one does."""
    for n_extreme, strategy in ((1, "two bytes a weight"), (2, "one byte a weight")):
        weights = np.full((6, 8), 127, np.int8)
        weights[:, :n_extreme] = -128
        weights[3:] = np.where(weights[3:] == -128, -128, -127)
        layer = DenseSpec(weights, np.zeros(6, np.int32), (0.01,) * 6, 0.3, 0)
        data = dense_network(0.05, 0, [layer])
        folder = tmp_path / str(n_extreme)
        compiled = compile_model(data, folder, kernels="m0plus")
        assert compiled.layers[0].strategy.startswith(strategy)
        corners = np.array(np.meshgrid(*[[-128, 127]] * 8)).reshape(8, -1).T.astype(np.int8)
        count = measure_cycles(compiled, np.ascontiguousarray(corners))
        np.testing.assert_array_equal(count.outputs, golden(data, np.ascontiguousarray(corners)))


def test_dense_layers_around_others(tmp_path: Path) -> None:
    """Chains on both sides of a table and a softmax, with the arena between them."""
    rng = np.random.default_rng(6)
    tensors = (
        TensorSpec((1, 10), "int8", (0.05,), (3,)),
        TensorSpec((1, 10), "int8", (0.05,), (3,)),
        TensorSpec((1, 10), "int8", (1 / 128,), (0,)),
        TensorSpec((1, 10), "int8", (0.02,), (-5,)),
        TensorSpec((1, 10), "int8", (1 / 256,), (-128,)),
    )

    def weights(name: str) -> TensorSpec:
        values = rng.integers(-127, 128, (10, 10)).astype(np.int8)
        return TensorSpec((10, 10), "int8", (0.003,), (0,), values)

    constants = tuple(weights(str(i)) for i in range(3))
    operators = (
        OperatorSpec("FULLY_CONNECTED", (0, 5), (1,)),
        OperatorSpec("TANH", (1,), (2,)),
        OperatorSpec("FULLY_CONNECTED", (2, 6), (3,)),
        OperatorSpec("SOFTMAX", (3,), (4,)),
    )
    data = write_tflite(ModelSpec((*tensors, *constants[:2]), operators, (0,), (4,)))
    assert len(read_network(data).layers) == 4
    for budget in (None, smallest_budget(data, tmp_path / "try")):
        compiled = compile_model(
            data, tmp_path / str(budget), kernels="m0plus", flash_budget=budget
        )
        rows = rows_for(10, 6)
        count = measure_cycles(compiled, rows)
        np.testing.assert_array_equal(count.outputs, golden(data, rows))
        assert count.static_bytes == compiled.arena_bytes
