"""The plain kernels on the emulated Cortex-M0+: the same bits as on the host, counted cycles.

Only the core is emulated here: the program is called like a function. The whole board, with its
firmware, is tested in tests/firmware and by the replay; the kernels for this core in
test_m0plus_core.py.
"""

import numpy as np
import pytest

from toolchain.compile import HostProgram, compile_model, measure_cycles
from toolchain.compile.synthetic import REFERENCE_SHAPES, random_network, reference_network
from toolchain.compile.tflite_writer import ModelSpec, OperatorSpec, TensorSpec, write_tflite
from toolchain.errors import InputError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def assert_equal_to_host(data, folder, rng, n_rows=3):
    compiled = compile_model(data, folder)
    inputs = rng.integers(-128, 128, (n_rows, compiled.n_inputs)).astype(np.int8)
    inputs[0] = -128
    count = measure_cycles(compiled, inputs)
    np.testing.assert_array_equal(count.outputs, HostProgram(folder).run(inputs))
    assert sum(count.layer_cycles.values()) == count.cycles[0]
    return count


def test_random_networks(tmp_path):
    rng = np.random.default_rng(17)
    for i in range(5):
        assert_equal_to_host(random_network(rng, max_layers=2), tmp_path / str(i), rng)


def test_the_other_kernels(tmp_path):
    tensors = (
        TensorSpec((1, 2, 6), "int8", (0.3,), (-128,)),
        TensorSpec((1, 2, 6), "int8", (1 / 128,), (0,)),
        TensorSpec((1, 2, 6), "int8", (1 / 256,), (-128,)),
    )
    operators = (OperatorSpec("TANH", (0,), (1,)), OperatorSpec("SOFTMAX", (1,), (2,)))
    data = write_tflite(ModelSpec(tensors, operators, (0,), (2,)))
    assert_equal_to_host(data, tmp_path, np.random.default_rng(3), n_rows=8)


# The plain kernels, from SRAM: 18,341, 51,342 and 153,993 cycles when this was written. A bound of
# five per cent more notices a compiler or a kernel that has become slower.
@pytest.mark.parametrize(("name", "bound"), [("S", 19_300), ("M", 53_900), ("L", 161_700)])
def test_cycles_of_the_reference_networks(tmp_path, name, bound):
    rng = np.random.default_rng(1)
    data = reference_network(REFERENCE_SHAPES[name], rng)
    cycles = assert_equal_to_host(data, tmp_path, rng).cycles
    # Without a data-dependent loop only the clamp's branches differ between inputs.
    assert cycles.max() - cycles.min() <= 100
    assert cycles.max() <= bound


def test_where_the_program_is_makes_no_difference_to_the_core(tmp_path):
    data = reference_network((8, 6), np.random.default_rng(1))
    compiled = compile_model(data, tmp_path)
    rows = np.random.default_rng(2).integers(-128, 128, (2, 8)).astype(np.int8)
    in_sram, in_flash = (measure_cycles(compiled, rows, memory=m) for m in ("sram", "flash"))
    assert (in_sram.memory, in_flash.memory) == ("sram", "flash")
    np.testing.assert_array_equal(in_sram.cycles, in_flash.cycles)
    np.testing.assert_array_equal(in_sram.outputs, in_flash.outputs)
    assert in_sram.flash_bytes == in_flash.flash_bytes > compiled.constant_bytes
    assert 0 < in_sram.stack_bytes < 200


def test_no_rows_are_refused(tmp_path):
    compiled = compile_model(reference_network((4, 3), np.random.default_rng(1)), tmp_path)
    with pytest.raises(InputError, match="no rows"):
        measure_cycles(compiled, np.zeros((0, 4), np.int8))
