"""Run any supported network on a target, and hold its outputs against the reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from host.chain.files import read_array, read_bytes, require_writable, write_array
from host.chain.working import working_folder
from host.flash import open_target
from host.metrics import Provenance, counted
from host.target import Target, parse_target
from toolchain.build import Image, build_image
from toolchain.build.tools import CompilerName
from toolchain.compile import (
    FlashBudget,
    compile_float,
    compile_model,
    dequantize,
    error_bound,
    golden,
    golden_float,
    kernels_on_core,
    network_kind,
    quantize,
    read_float_network,
    read_network,
)
from toolchain.errors import InputError, MismatchError, ModelError
from toolchain.protocol import Element, Engine


@dataclass(frozen=True)
class _Job:
    """One model and its inputs, as one engine takes them.

    Attributes:
        compile_into: writes the generated C into a folder.
        macs: multiply-accumulates of one inference.
        rows: (n, n_in) as they are sent.
        n_outputs: values of one output row.
        output_element: what the board answers with.
        decode: the board's outputs, as values of the model's own output type.
        expected: the reference's outputs, of the same type.
        bound: largest allowed difference of each; 0 where outputs must be equal.
    """

    compile_into: Callable[[Path], Any]
    macs: int
    rows: np.ndarray
    n_outputs: int
    output_element: Element
    decode: Callable[[np.ndarray], np.ndarray]
    expected: np.ndarray
    bound: np.ndarray


def infer(
    target_text: str,
    model_file: Path | str,
    inputs_file: Path | str,
    out_file: Path | str,
    *,
    flash: bool = True,
    engine: Engine | str = Engine.AOT,
    compiler: CompilerName | None = None,
    kernels: str | None = None,
    flash_budget: FlashBudget = None,
    clock_hz: int | None = None,
) -> dict[str, Any]:
    """Run a network on a target: build, flash, run every input, check and write the outputs.

    Args:
        target_text: ``BOARD@WHERE``.
        model_file: a ``.tflite``: quantized for the engine aot, float32 for float, either for tflm.
        inputs_file: ``.npy``, (n, n_in), of the model's own input type.
        out_file: ``.npy``, (n, n_out), of the model's output type.
        flash: write the image first; otherwise the target must already run it.
        engine: what computes the network on the board: ``aot``, ``tflm`` or ``float``.
        compiler: what builds the image; by default the engine's own choice.
        kernels: of the engine aot; by default those of the board's core.
        flash_budget: of the engine aot, see :func:`compile_model`.
        clock_hz: that the image is built for; by default what the board file says.

    Returns:
        JSON values: identity, cycles or instructions, memory, provenance.

    Raises:
        ModelError: the network is not supported, or not by this engine.
        InputError: the inputs do not fit it, or the outputs cannot be written.
        MissingDependencyError: what the engine or compiler needs is not installed.
        MismatchError: an output is not the reference's.
    """
    target = parse_target(target_text, clock_hz=clock_hz)
    model_file, inputs_file, out_file = Path(model_file), Path(inputs_file), Path(out_file)
    engine = _engine(engine)
    require_writable(out_file)
    data = read_bytes(model_file)
    if engine is not Engine.AOT and (kernels is not None or flash_budget is not None):
        raise InputError(
            f"the engine {engine.name.lower()} has one program: it takes neither kernels nor a "
            "flash budget",
            hint="leave them out, or use the engine aot",
        )
    compile_codes = partial(
        compile_model,
        data,
        name=model_file.stem,
        kernels=kernels_on_core(target.board.cpu.core, kernels),
        flash_budget=flash_budget,
    )
    job = _job(data, model_file.stem, inputs_file, engine, compile_codes)
    with working_folder() as folder:
        model_dir = folder / "compile"
        job.compile_into(model_dir)
        image = build_image(
            target.board, model_dir, folder / "build", engine=engine, compiler=compiler
        )
        with open_target(target, image, flash=flash) as (client, identity):
            raw, cycles = client.infer(job.rows, job.n_outputs, job.output_element)
            stack_used_bytes = client.status().stack_used_bytes
    outputs = job.decode(raw)
    write_array(out_file, outputs)
    comparison = _compare(outputs, job, out_file)
    return {
        "schema": 1,
        "target": str(target),
        "provenance": str(target.provenance),
        "identity": target.labelled(vars(identity)),
        "engine": engine.name.lower(),
        "compiler": image.compiler,
        "rows": len(outputs),
        "macs": job.macs,
        **comparison,
        **_figures(target, image, cycles, stack_used_bytes),
        "out": str(out_file),
    }


def _engine(given: Engine | str) -> Engine:
    if isinstance(given, Engine):
        return given
    names = [engine.name.lower() for engine in Engine]
    if given not in names:
        raise InputError(f"unknown engine {given!r}", hint=f"use one of {', '.join(names)}")
    return Engine[given.upper()]


def _job(
    data: bytes, name: str, inputs_file: Path, engine: Engine, compile_codes: Callable[[Path], Any]
) -> _Job:
    kind = network_kind(data, name)
    if engine is Engine.AOT and kind != "quantized":
        raise ModelError(
            f"{name}: a float32 network; the engine aot runs quantized networks",
            hint="add --engine float, or give the INT8 model",
        )
    if engine is Engine.FLOAT and kind != "float32":
        raise ModelError(
            f"{name}: a quantized network; the engine float runs float32 networks",
            hint="leave --engine out, or give the float32 model",
        )
    if kind == "float32":
        return _float_job(data, name, inputs_file)
    return _codes_job(data, name, inputs_file, compile_codes, runs_codes=engine is Engine.AOT)


def _codes_job(
    data: bytes,
    name: str,
    inputs_file: Path,
    compile_codes: Callable[[Path], Any],
    *,
    runs_codes: bool,
) -> _Job:
    """A quantized network; ``runs_codes`` when QUANTIZE and DEQUANTIZE are the host's."""
    network = read_network(data, name)
    own_type = np.dtype(np.float32) if network.float_input else network.input.dtype
    given = _read_inputs(inputs_file, network.input.n_values, own_type)
    expected = golden(data, given)
    float_output = network.float_output
    return _Job(
        compile_into=compile_codes,
        macs=network.macs,
        rows=quantize(given, network.input) if network.float_input and runs_codes else given,
        n_outputs=network.output.n_values,
        output_element=Element.FLOAT32 if float_output and not runs_codes else network.element,
        decode=lambda raw: dequantize(raw, network.output) if float_output and runs_codes else raw,
        expected=expected,
        bound=np.zeros(expected.shape),
    )


def _float_job(data: bytes, name: str, inputs_file: Path) -> _Job:
    network = read_float_network(data, name)
    given = _read_inputs(inputs_file, network.n_inputs, np.dtype(np.float32))
    return _Job(
        compile_into=lambda folder: compile_float(data, folder, name=network.name),
        macs=network.macs,
        rows=given,
        n_outputs=network.n_outputs,
        output_element=Element.FLOAT32,
        decode=lambda raw: raw,
        expected=golden_float(data, given),
        bound=error_bound(network, given),
    )


def _compare(outputs: np.ndarray, job: _Job, out_file: Path) -> dict[str, Any]:
    difference = np.abs(outputs.astype(np.float64) - job.expected.astype(np.float64))
    # A NaN is no difference that any bound allows.
    wrong = np.flatnonzero(~(difference <= job.bound).all(axis=1))
    if len(wrong):
        first = int(wrong[0])
        raise MismatchError(
            f"{len(wrong)} of {len(outputs)} rows differ from TFLite Micro's output by more than "
            f"{job.bound[first].max():g}, first row {first}: {outputs[first].tolist()} instead of "
            f"{job.expected[first].tolist()}; the board's outputs are in {out_file}",
            hint="report this with the model",
        )
    return {
        "equal_to_reference": not difference.any(),
        "largest_difference": float(difference.max()),
        "difference_bound": float(job.bound.max()),
    }


def _figures(
    target: Target, image: Image, cycles: np.ndarray, stack_used_bytes: int
) -> dict[str, Any]:
    """Cycles, or instructions where an emulator counts those, and memory; None for no board."""
    if target.provenance is Provenance.UNAVAILABLE:
        return {"cycles": None, "instructions": None, "memory": None}
    counts = counted(cycles, target.cycles_per_instruction)
    figures = {
        "min": int(counts.min()),
        "median": float(np.median(counts)),
        "max": int(counts.max()),
    }
    return {
        "cycles": figures if target.counts == "cycles" else None,
        "instructions": figures if target.counts == "instructions" else None,
        "memory": _memory(image, stack_used_bytes),
    }


def _memory(image: Image, stack_used_bytes: int) -> dict[str, Any]:
    return {
        "flash_bytes": image.size.flash_bytes,
        "network_bytes": image.size.network,
        "network_memory": image.size.network_memory,
        "ram_static_bytes": image.size.ram_static,
        "network_ram_bytes": image.size.network_ram,
        "stack_used_bytes": stack_used_bytes,
    }


def _read_inputs(path: Path, n_inputs: int, wanted: np.dtype[Any]) -> np.ndarray:
    inputs = read_array(path)
    if inputs.ndim != 2 or inputs.shape[1] != n_inputs or not len(inputs) or inputs.dtype != wanted:
        raise InputError(
            f"{path}: shape {inputs.shape} and type {inputs.dtype}; the model takes "
            f"(n, {n_inputs}) {wanted} with n of at least 1",
            hint="save the inputs with numpy.save, one row an inference",
        )
    return np.ascontiguousarray(inputs)
