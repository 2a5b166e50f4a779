"""The compile stage for float32 networks: a ``.tflite`` in, a folder of C out."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from toolchain.compile.compiled import MODEL_JSON
from toolchain.compile.float_emit import arena_bytes, emit_float
from toolchain.compile.float_reader import read_float_network
from toolchain.errors import InputError


class CompiledFloat(BaseModel):
    """What was made; ``model.json`` is this, less the folder."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    sha256: str
    """Of the ``.tflite``, in hex."""
    element: Literal["float32"] = "float32"
    n_inputs: int
    n_outputs: int
    macs: int
    constant_bytes: int
    """Weights and biases."""
    arena_bytes: int
    """Static activation memory, without input and output."""
    tflite_bytes: int
    operators: tuple[str, ...]
    """Of the layers, in order."""
    files: dict[str, str]
    """Generated files by name, with the SHA-256 of their bytes."""
    folder: Path = Field(exclude=True)
    """Where the files are; not part of ``model.json``."""


def compile_float(data: bytes, out_dir: Path, *, name: str = "model") -> CompiledFloat:
    """Compile a float32 ``.tflite`` for the engines float and tflm.

    Args:
        data: the file's bytes; they are not trusted.
        out_dir: made when missing. Written: ``jl_model_float.h``, ``jl_model_float.c``,
            ``jl_model_data.h``, ``jl_model_data.c`` and ``model.json``. Equal arguments give equal
            bytes.
        name: what the model is called in errors, comments and ``model.json``.

    Raises:
        ModelError: the model cannot be used.
        UnsupportedOperatorError: it has an operator that is not supported.
        InputError: a folder that cannot be written.
    """
    network = read_float_network(data, name)
    contents = {file: text.encode("ascii") for file, text in emit_float(network, data).items()}
    compiled = CompiledFloat(
        schema=1,
        name=name,
        sha256=network.sha256,
        n_inputs=network.n_inputs,
        n_outputs=network.n_outputs,
        macs=network.macs,
        constant_bytes=network.constant_bytes,
        arena_bytes=arena_bytes(network),
        tflite_bytes=len(data),
        operators=tuple(layer.operator for layer in network.layers),
        files={file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
        folder=out_dir,
    )
    manifest = compiled.model_dump_json(by_alias=True, indent=2) + "\n"
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        for file, content in contents.items():
            (out_dir / file).write_bytes(content)
        (out_dir / MODEL_JSON).write_text(manifest, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{out_dir}: the compiled model cannot be written: {error}",
            hint="name a folder that can be written",
        ) from error
    return compiled
