"""A network that was trained elsewhere: ONNX in, INT8 ``.tflite`` out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from host.chain.files import read_array, read_bytes, require_writable
from toolchain.errors import InputError


def import_file(model: Path | str, calibration: Path | str, out: Path | str) -> dict[str, Any]:
    """Convert a dense ONNX network to an INT8 ``.tflite``; returns JSON values about it.

    Args:
        model: ``.onnx``; a file of its weights, if it has one, is beside it.
        calibration: ``.npy``, (n, n_in) float32.
        out: where the ``.tflite`` goes.

    Raises:
        InputError: a file cannot be read or written, or the calibration does not fit.
        ModelError: the network is not a chain of dense layers.
        MissingDependencyError: the ``train`` extra is not installed.
    """
    from toolchain.compile import dequantize, golden, quantize, read_network
    from toolchain.quantize import convert, read_onnx

    model, calibration, out = Path(model), Path(calibration), Path(out)
    require_writable(out)
    data, rows = read_bytes(model), read_array(calibration)
    if rows.dtype.kind not in "fiu":
        raise InputError(
            f"{calibration}: not an array of numbers", hint="save it with numpy.save as float32"
        )
    network = read_onnx(data, model.parent)
    with np.errstate(over="ignore"):  # what float32 does not hold is refused as not finite
        rows = rows.astype(np.float32)
    converted = convert(network, rows)
    read = read_network(converted, model.stem)
    outputs = dequantize(golden(converted, quantize(rows, read.input)), read.output)
    difference = np.abs(outputs - network(rows))
    try:
        out.write_bytes(converted)
    except OSError as error:
        raise InputError(
            f"{out} cannot be written: {error.strerror}",
            hint="name a file in a folder that exists",
        ) from error
    return {
        "schema": 1,
        "model": str(model),
        "out": str(out),
        "widths": list(network.widths),
        "activations": [str(layer.activation) for layer in network.layers],
        "macs": read.macs,
        "tflite_bytes": len(converted),
        "output_scale": read.output.scale,
        "calibration_rows": len(rows),
        "largest_difference": float(difference.max()),
        "mean_difference": float(difference.mean()),
    }
