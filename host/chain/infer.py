"""Run any supported INT8 network on a target, and hold its outputs against the reference."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from host.flash import open_target
from host.link import rows_per_frame
from host.target import parse_target
from toolchain.build import build_image
from toolchain.compile import compile_model, dequantize, golden, quantize, read_network
from toolchain.errors import InputError, MismatchError
from toolchain.protocol import Engine

CYCLES_BYTES = 4


def infer(
    target_text: str, model_file: Path, inputs_file: Path, out_file: Path, *, flash: bool
) -> dict[str, Any]:
    """Build, flash, run every input on the target, write the outputs.

    Args:
        target_text: ``BOARD@WHERE``.
        model_file: a ``.tflite``.
        inputs_file: ``.npy``, (n, n_in) int8; float32 where the model's input is float32.
        out_file: ``.npy``, (n, n_out), of the model's output type.
        flash: write the image first; otherwise the target must already run it.

    Returns:
        JSON values: identity, cycles, memory, provenance.

    Raises:
        ModelError: the network is not supported.
        InputError: the inputs do not fit it.
        MismatchError: an output is not the reference's.
    """
    target = parse_target(target_text)
    data = _read_bytes(model_file)
    network = read_network(data, model_file.stem)
    given = _read_inputs(inputs_file, network.input.n_values, network.float_input)
    codes = quantize(given, network.input) if network.float_input else given
    expected = golden(data, given)

    with tempfile.TemporaryDirectory(prefix="jouleloop-") as folder:
        compiled = compile_model(data, Path(folder) / "compile", name=network.name)
        image = build_image(target.board, compiled.folder, Path(folder) / "build")
        with open_target(target, image, flash=flash) as (client, identity):
            n_outputs = network.output.n_values
            batch = rows_per_frame(
                identity.max_payload, network.input.n_values, CYCLES_BYTES + n_outputs
            )
            parts = [
                client.infer(codes[start : start + batch], n_outputs)
                for start in range(0, len(codes), batch)
            ]
            status = client.status()
    raw = np.concatenate([outputs for outputs, _ in parts])
    cycles = np.concatenate([counted for _, counted in parts])
    outputs = dequantize(raw, network.output) if network.float_output else raw
    wrong = np.flatnonzero((outputs != expected).any(axis=1))
    np.save(out_file, outputs)
    if len(wrong):
        raise MismatchError(
            f"{len(wrong)} of {len(outputs)} rows differ from TFLite Micro's output, first row "
            f"{int(wrong[0])}: {outputs[wrong[0]].tolist()} instead of "
            f"{expected[wrong[0]].tolist()}; the board's outputs are in {out_file}",
            hint="report this with the model",
        )
    return {
        "schema": 1,
        "target": str(target),
        "provenance": "emulated" if target.emulated else "measured",
        "identity": vars(identity),
        "engine": Engine(image.engine).name.lower(),
        "rows": len(outputs),
        "macs": network.macs,
        "equal_to_reference": True,
        "cycles": {
            "min": int(cycles.min()),
            "median": float(np.median(cycles)),
            "max": int(cycles.max()),
        },
        "memory": {
            "flash_bytes": image.size.flash_bytes,
            "network_bytes": image.size.network,
            "network_memory": image.size.network_memory,
            "ram_static_bytes": image.size.ram_static,
            "network_ram_bytes": image.size.network_ram,
            "stack_used_bytes": status.stack_used_bytes,
        },
        "out": str(out_file),
    }


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error


def _read_inputs(path: Path, n_inputs: int, as_float: bool) -> np.ndarray:
    try:
        inputs = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not an .npy array: {error}") from error
    wanted = np.dtype(np.float32 if as_float else np.int8)
    if inputs.ndim != 2 or inputs.shape[1] != n_inputs or not len(inputs) or inputs.dtype != wanted:
        raise InputError(
            f"{path}: shape {inputs.shape} and type {inputs.dtype}; the model takes "
            f"(n, {n_inputs}) {wanted} with n of at least 1",
            hint="save the inputs with numpy.save, one row an inference",
        )
    return np.ascontiguousarray(inputs)
