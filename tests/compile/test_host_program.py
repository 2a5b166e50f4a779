"""Running generated C on this host: interface, cache, sanitizers, and the engine around it."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest

from toolchain.build import config_header, protocol_header
from toolchain.compile import HostProgram, compile_model
from toolchain.compile.host_program import (
    FIRMWARE_DIR,
    KERNELS_DIR,
    build_library,
    host_sources,
    run_compiler,
)
from toolchain.compile.synthetic import (
    REFERENCE_SHAPES,
    random_network,
    random_wide_network,
    reference_network,
)
from toolchain.compile.tflite_writer import (
    DenseSpec,
    ModelSpec,
    OperatorSpec,
    TensorSpec,
    dense_network,
    write_tflite,
)
from toolchain.errors import BuildError, InputError

MAIN = """
#include <stdio.h>
#include "jl_model.h"
void jl_host_run(uint32_t count, const JL_MODEL_CODE *in, JL_MODEL_CODE *out);
int main(void) {
    static JL_MODEL_CODE in[JL_MODEL_INPUTS], out[JL_MODEL_OUTPUTS];
    while (fread(in, 1, sizeof in, stdin) == sizeof in) {
        jl_host_run(1, in, out);
        fwrite(out, 1, sizeof out, stdout);
    }
    return 0;
}
"""

FAULTS = {
    "overflow": "static volatile int big = 2147483647; big = big + argc; return 0;",
    "overrun": "static volatile signed char few[2]; return few[1 + argc] & 0;",
    "shift": "static volatile int far = 31; return ((argc << (far + 1)) & 0);",
}

SANITIZERS = {
    "zig": ["-fsanitize=undefined", "-fsanitize-trap=undefined"],
    "gcc": ["-fsanitize=undefined,address", "-fno-sanitize-recover=all"],
}
STRICT = ["-std=c11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"]


def sanitized(compiler, sources, output, includes=()):
    flags = [*STRICT, *SANITIZERS[compiler], *(f"-I{i}" for i in includes), "-o", str(output)]
    if compiler == "zig":
        run_compiler(flags, sources)
        return
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("no gcc on this machine; zig's sanitizer runs in the other case")
    subprocess.run([gcc, *flags, *map(str, sources)], check=True)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    compile_model(reference_network(REFERENCE_SHAPES["S"], np.random.default_rng(0)), folder)
    return HostProgram(folder)


def test_rows_are_independent(program):
    inputs = np.random.default_rng(1).integers(-128, 128, (20, 16)).astype(np.int8)
    together = program.run(inputs)
    assert together.shape == (20, 4)
    assert together.dtype == np.int8
    apart = np.concatenate([program.run(inputs[i : i + 1]) for i in range(20)])
    np.testing.assert_array_equal(together, apart)
    assert len(np.unique(together, axis=0)) > 10
    # A view with strides is as good as a copy.
    np.testing.assert_array_equal(program.run(inputs[::2]), together[::2])


def test_no_rows(program):
    assert program.run(np.zeros((0, 16), np.int8)).shape == (0, 4)


@pytest.mark.parametrize(
    "inputs",
    [np.zeros((2, 15), np.int8), np.zeros(16, np.int8), np.zeros((2, 16), np.int16)],
)
def test_other_inputs_are_refused(program, inputs):
    with pytest.raises(InputError, match=r"expected \(n, 16\) and int8"):
        program.run(inputs)


def test_the_library_is_built_once_per_content(program, tmp_path):
    assert build_library(program.compiled) == program.library
    other = compile_model(
        reference_network(REFERENCE_SHAPES["S"], np.random.default_rng(1)), tmp_path
    )
    assert build_library(other) != program.library


def test_a_cache_that_cannot_be_written(program, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("JOULELOOP_CACHE", str(tmp_path / "file"))
    with pytest.raises(BuildError, match="cache folder cannot be made"):
        HostProgram(program.compiled.folder)


def test_a_damaged_library_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("JOULELOOP_CACHE", str(tmp_path / "cache"))
    data = reference_network((4, 3), np.random.default_rng(0))
    library = build_library(compile_model(data, tmp_path / "model"))
    library.write_bytes(b"no library")
    with pytest.raises(BuildError, match="cannot be loaded"):
        HostProgram(tmp_path / "model")


def test_what_does_not_compile_is_reported(tmp_path):
    source = tmp_path / "broken.c"
    source.write_text("int f(void) { return undeclared; }\n")
    with pytest.raises(BuildError, match="undeclared"):
        run_compiler(["-c", "-o", str(tmp_path / "broken.o")], [source])


def hard_cases():
    """Random networks, wrapping arithmetic, and a chain with every kernel."""
    rng = np.random.default_rng(8)
    wrapping = DenseSpec(
        rng.choice([-128, 127], (5, 19)).astype(np.int8),
        np.array([2**31 - 1, -(2**31), 2**30, -1, 0], np.int32),
        (2.0**27,) * 5,
        0.125,
        127,
    )
    tensors = (
        TensorSpec((1, 2, 6), "int8", (0.3,), (-128,)),
        TensorSpec((1, 2, 6), "int8", (1 / 128,), (0,)),
        TensorSpec((1, 2, 6), "int8", (1 / 256,), (-128,)),
    )
    operators = (OperatorSpec("TANH", (0,), (1,)), OperatorSpec("SOFTMAX", (1,), (2,)))
    kernels = write_tflite(ModelSpec(tensors, operators, (0,), (2,)))
    bias = np.array([2**46, -(2**46), 2**31 - 1, -1, 0], np.int64)
    scales = (2.0**-6, 2.0**-1, 2.0**6, 2.0**-30, 2.0**-32)
    wide = DenseSpec(wrapping.weights, bias, scales, 1.0, 0)
    return [
        *(random_network(rng) for _ in range(2)),
        dense_network(0.5, 127, [wrapping]),
        kernels,
        random_wide_network(rng),
        dense_network(1.0, 0, [wide], "int16"),
    ]


@pytest.mark.parametrize("compiler", SANITIZERS)
def test_sanitizers_find_nothing(tmp_path, compiler):
    main = tmp_path / "main.c"
    main.write_text(MAIN)
    rng = np.random.default_rng(9)
    for i, data in enumerate(hard_cases()):
        folder = tmp_path / str(i)
        compiled = compile_model(data, folder)
        executable = folder / "run"
        sanitized(compiler, [main, *host_sources(compiled)], executable, [folder, KERNELS_DIR])
        limits = np.iinfo(compiled.input.dtype)
        inputs = rng.integers(limits.min, limits.max + 1, (30, compiled.n_inputs), limits.dtype)
        inputs[0], inputs[1] = limits.min, limits.max
        done = subprocess.run(
            [str(executable)], input=inputs.tobytes(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        outputs = np.frombuffer(done.stdout, limits.dtype).reshape(30, compiled.n_outputs)
        np.testing.assert_array_equal(outputs, HostProgram(folder).run(inputs))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("compiler", SANITIZERS)
def test_the_sanitizers_do_find_what_is_there(tmp_path, compiler, fault):
    main = tmp_path / "main.c"
    main.write_text(f"int main(int argc, char **argv) {{ (void)argv; {FAULTS[fault]} }}\n")
    sanitized(compiler, [main], tmp_path / "faulty")
    done = subprocess.run([str(tmp_path / "faulty")], capture_output=True, check=False)
    assert done.returncode != 0


class Info(ctypes.Structure):
    _fields_ = (
        ("engine", ctypes.c_uint8),
        ("input_element", ctypes.c_uint8),
        ("output_element", ctypes.c_uint8),
        ("n_inputs", ctypes.c_uint16),
        ("n_outputs", ctypes.c_uint16),
        ("arena_bytes", ctypes.c_uint32),
        ("model_sha256", ctypes.c_uint8 * 32),
    )


def test_the_engine_around_the_program(program, tmp_path):
    """firmware/engine/aot implements jl_inference.h, with the protocol's own engine code."""
    (tmp_path / "jl_protocol.h").write_text(protocol_header.render(), encoding="ascii")
    (tmp_path / "jl_aot_config.h").write_text(config_header.aot(fallback=False), encoding="ascii")
    compiled = program.compiled
    library = tmp_path / "engine.so"
    includes = [tmp_path, compiled.folder, KERNELS_DIR, FIRMWARE_DIR / "include"]
    flags = [*STRICT, "-shared", "-fPIC", "-fno-sanitize=undefined", *(f"-I{i}" for i in includes)]
    sources = [
        *(FIRMWARE_DIR / "engine" / "aot").glob("*.c"),
        compiled.folder / "jl_model.c",
        *KERNELS_DIR.glob("*.c"),
    ]
    run_compiler([*flags, "-o", str(library)], sources)
    engine = ctypes.CDLL(str(library))
    assert engine.jl_inference_init() == 0
    engine.jl_inference_describe.restype = ctypes.POINTER(Info)
    info = engine.jl_inference_describe().contents
    assert (info.engine, info.n_inputs, info.n_outputs) == (0, 16, 4)
    assert info.arena_bytes == compiled.arena_bytes
    assert bytes(info.model_sha256).hex() == compiled.sha256
    engine.jl_inference_input.restype = ctypes.POINTER(ctypes.c_int8 * 16)
    engine.jl_inference_output.restype = ctypes.POINTER(ctypes.c_int8 * 4)
    inputs = np.random.default_rng(2).integers(-128, 128, (5, 16)).astype(np.int8)
    for row, expected in zip(inputs, program.run(inputs), strict=True):
        engine.jl_inference_input().contents[:] = row.tolist()
        for _ in range(2):  # an invocation leaves its input as it was
            assert engine.jl_inference_invoke() == 0
            assert engine.jl_inference_output().contents[:] == expected.tolist()
