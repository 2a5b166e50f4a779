"""The compile stage: a ``.tflite`` in, a folder of C and its ``model.json`` out."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from toolchain.compile.emit import LAYERS_ASSEMBLY, EmittedProgram, emit_program
from toolchain.compile.kernel_set import FlashBudget
from toolchain.compile.kernel_sets import kernel_set
from toolchain.compile.minimum import minimum_cycles
from toolchain.compile.network import Tensor
from toolchain.compile.program import Program, plan_program
from toolchain.compile.reader import read_network
from toolchain.errors import InputError, RunFolderError
from toolchain.protocol import Element

MODEL_JSON = "model.json"
"""Name of the stage's manifest."""

SYMBOL = "jl_model"
"""What the names of a program's files, functions and (in capitals) macros begin with."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TensorInfo(_Frozen):
    """The network's input or output: real = scale * (code - zero_point)."""

    name: str
    shape: tuple[int, ...]
    n_values: int
    scale: float
    """Exactly a float32."""
    zero_point: int
    dtype: Literal["int8", "int16"]
    """Type of the codes."""
    float_edge: bool
    """Whether the ``.tflite`` itself has float32 here; the host converts, see :mod:`edges`."""

    @property
    def n_bytes(self) -> int:
        """Bytes of all values."""
        return self.n_values * np.dtype(self.dtype).itemsize


class LayerInfo(_Frozen):
    """One step of the program."""

    operators: tuple[str, ...]
    """Operators of the file that the step does the work of."""
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    macs: int
    minimum_cycles: int | None
    """See :mod:`minimum`."""
    weight_bytes: int
    constant_bytes: int
    """All constants of the step, weights included."""
    strategy: str
    """How it is computed."""
    cycles: int | None
    """One run, by the kernel set's cost model; ``None`` where it has none."""
    flash_bytes: int | None
    """Code and constants, by the cost model."""


class CompiledModel(_Frozen):
    """What the compile stage made; ``model.json`` is this, less the folder."""

    schema_: Literal[2] = Field(default=2, alias="schema")
    name: str
    sha256: str
    """Of the ``.tflite``, in hex."""
    symbol: str = SYMBOL
    """What the names of files, functions and (in capitals) macros begin with."""
    kernels: str
    """Which kernel set the program uses."""
    input: TensorInfo
    output: TensorInfo
    macs: int
    weight_bytes: int
    constant_bytes: int
    arena_bytes: int
    """Static activation memory, without input and output."""
    flash_budget: FlashBudget
    """Bytes of network code and constants that were asked for; ``None`` for full speed."""
    marked: bool = False
    """Whether it takes readings for a profile, see :meth:`KernelSet.emit`."""
    cycles: int | None
    """One inference, by the kernel set's cost model; ``None`` where it has none."""
    flash_bytes: int | None
    """Network code and constants, by the cost model."""
    tflite_bytes: int
    layers: tuple[LayerInfo, ...]
    files: dict[str, str]
    """Generated files by name, with the SHA-256 of their bytes."""
    folder: Path = Field(exclude=True)
    """Where the files are; not part of ``model.json``."""

    @property
    def n_inputs(self) -> int:
        """Values of one input row."""
        return self.input.n_values

    @property
    def n_outputs(self) -> int:
        """Values of one output row."""
        return self.output.n_values


def compile_model(
    data: bytes,
    out_dir: Path,
    *,
    name: str = "model",
    kernels: str = "portable",
    flash_budget: FlashBudget = None,
    symbol: str = SYMBOL,
    marked: bool = False,
) -> CompiledModel:
    """Compile a ``.tflite`` to C.

    Args:
        data: the file's bytes; they are not trusted.
        out_dir: made when missing. Written: ``jl_model.h``, ``jl_model.c``, ``jl_model_data.h``,
            ``jl_model_data.c`` and ``model.json``, and ``jl_model_layers.S`` where the kernels
            are assembly. Equal arguments give equal bytes.
        name: what the model is called in errors, comments and ``model.json``.
        kernels: a key of :data:`kernel_sets.KERNEL_SETS`; for a board,
            :func:`kernel_sets.kernels_for_core` of its ``cpu.core``.
        flash_budget: most bytes of network code and constants, or ``"smallest"``; ``None`` for
            full speed.
        symbol: in place of ``jl_model`` in every name that two programs in one image would share,
            those of the files included. Only a program of the default name can be counted or run
            on the host by itself.
        marked: for a profile: the same program with readings of the cycle counter around every
            layer, which only ``firmware/engine/profile`` can run.

    Raises:
        ModelError: the model cannot be used.
        UnsupportedOperatorError: it has an operator that is not supported.
        InputError: an unknown kernel set, a budget that it cannot keep to, or a folder that cannot
            be written.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", symbol):
        raise InputError(
            f"symbol {symbol!r} does not begin every name of a C program",
            hint="use small letters, digits and underscores",
        )
    chosen = kernel_set(kernels)
    program = plan_program(read_network(data, name))
    emitted = emit_program(program, data, chosen, flash_budget, marked=marked)
    contents = {
        _renamed(file, symbol): _renamed(text, symbol).encode("ascii")
        for file, text in emitted.files.items()
    }
    compiled = _describe(
        program, emitted, kernels, flash_budget, symbol, marked, len(data), contents, out_dir
    )
    manifest = compiled.model_dump_json(by_alias=True, indent=2) + "\n"
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        # What another kernel set has left here must not get into an image.
        (out_dir / _renamed(LAYERS_ASSEMBLY, symbol)).unlink(missing_ok=True)
        for file, content in contents.items():
            (out_dir / file).write_bytes(content)
        (out_dir / MODEL_JSON).write_text(manifest, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{out_dir}: the compiled model cannot be written: {error}",
            hint="name a folder that can be written",
        ) from error
    return compiled


def load_compiled(out_dir: Path) -> CompiledModel:
    """Read back what :func:`compile_model` wrote, and check that nothing has changed since.

    Raises:
        RunFolderError: ``model.json`` is missing, broken or of another version, or a file is not
            the one that was written.
    """
    manifest = out_dir / MODEL_JSON
    again = f"compile the model again into {out_dir}"
    try:
        text = manifest.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{manifest} cannot be read: {error}", hint=again) from error
    try:
        stored = _Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RunFolderError(f"{manifest}: {key}: {first['msg']}", hint=again) from error
    for file, expected in stored.files.items():
        try:
            actual = _sha256((out_dir / Path(file).name).read_bytes())
        except OSError as error:
            raise RunFolderError(f"{out_dir / file} cannot be read: {error}", hint=again) from error
        if actual != expected:
            raise RunFolderError(
                f"{out_dir / file} has SHA-256 {actual}, {MODEL_JSON} says {expected}", hint=again
            )
    return CompiledModel.model_validate({**stored.model_dump(by_alias=True), "folder": out_dir})


class _Manifest(CompiledModel):
    folder: Path = Field(default=Path(), exclude=True)


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _renamed(text: str, symbol: str) -> str:
    """Emitted text under another name: everything global in it begins with :data:`SYMBOL`."""
    return text.replace(SYMBOL, symbol).replace(SYMBOL.upper(), symbol.upper())


def _tensor_info(tensor: Tensor, float_edge: bool) -> TensorInfo:
    return TensorInfo(
        name=tensor.name,
        shape=tensor.shape,
        n_values=tensor.n_values,
        scale=tensor.scale,
        zero_point=tensor.zero_point,
        dtype="int16" if tensor.element is Element.INT16 else "int8",
        float_edge=float_edge,
    )


def _describe(
    program: Program,
    emitted: EmittedProgram,
    kernels: str,
    flash_budget: FlashBudget,
    symbol: str,
    marked: bool,
    tflite_bytes: int,
    contents: dict[str, bytes],
    folder: Path,
) -> CompiledModel:
    network = program.network
    layers = tuple(
        LayerInfo(
            operators=step.operators,
            input_shape=step.layer.input.shape,
            output_shape=step.layer.output.shape,
            macs=step.layer.macs,
            minimum_cycles=minimum_cycles(step.layer),
            weight_bytes=step.layer.weight_bytes,
            constant_bytes=code.constant_bytes,
            strategy=code.strategy,
            cycles=None if code.cost is None else code.cost.cycles,
            flash_bytes=None if code.cost is None else code.cost.n_bytes,
        )
        for step, code in zip(program.steps, emitted.code.steps, strict=True)
    )
    return CompiledModel(
        schema=2,
        name=network.name,
        sha256=network.sha256,
        symbol=symbol,
        kernels=kernels,
        input=_tensor_info(network.input, network.float_input),
        output=_tensor_info(network.output, network.float_output),
        macs=network.macs,
        weight_bytes=network.weight_bytes,
        constant_bytes=sum(layer.constant_bytes for layer in layers),
        arena_bytes=emitted.arena_bytes,
        flash_budget=flash_budget,
        marked=marked,
        cycles=None if emitted.code.cost is None else emitted.code.cost.cycles,
        flash_bytes=None if emitted.code.cost is None else emitted.code.cost.n_bytes,
        tflite_bytes=tflite_bytes,
        layers=layers,
        files={file: _sha256(content) for file, content in contents.items()},
        folder=folder,
    )
