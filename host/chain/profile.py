"""Where an inference's cycles and flash go, layer by layer, on the target itself.

Two images are flashed one after the other: the one that would ship, whose whole inference is
counted, and the same program with readings of the cycle counter around every layer. A reading
costs cycles itself; that is measured at every layer, by two readings in a row, and subtracted. What
the layers do not account for (unpacking the input, calls, entry and exit) is a line of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from host.chain.files import read_bytes
from host.chain.working import working_folder
from host.flash import open_target
from host.metrics import Provenance, counted
from host.target import Target, parse_target
from toolchain.build import Image, build_image, layer_bytes
from toolchain.compile import (
    MARKS_PER_LAYER,
    MINIMUM_BASIS,
    CompiledModel,
    FlashBudget,
    Network,
    compile_model,
    dequantize,
    golden,
    kernels_on_core,
    read_network,
)
from toolchain.errors import InputError, MeasurementError, MismatchError
from toolchain.protocol import Element

ROWS = 3
ROWS_SEED = 0
CYCLE_BITS = 24
"""Of the readings, as JL_PORT_CYCLE_BITS of the firmware."""

SLACK_SHARE = 0.01
SLACK_CYCLES_PER_READING = 8
"""By how much the image with readings may differ from the one without, after subtraction: the C
compiler may keep other registers around a reading."""


@dataclass(frozen=True, eq=False)
class _Counted:
    """One image's run: (n, bytes) uint8 of its outputs, and (n,) counts of whole inferences."""

    compiled: CompiledModel
    image: Image
    outputs: np.ndarray
    counts: np.ndarray


def profile(
    target_text: str,
    model_file: Path | str,
    *,
    kernels: str | None = None,
    flash_budget: FlashBudget = None,
) -> dict[str, Any]:
    """Count the cycles of every layer on a target; instructions, where its emulator counts those.

    Args:
        target_text: ``BOARD@WHERE``.
        model_file: a quantized ``.tflite``.
        kernels: a kernel set; by default that of the board's core.
        flash_budget: see :func:`compile_model`.

    Returns:
        JSON values; counts are medians over the rows, and are called what ``counts`` says.

    Raises:
        InputError: the target has no cycle counter, or the model or the budget cannot be used.
        MismatchError: an output is not the reference's.
        MeasurementError: layers and whole contradict each other.
    """
    model_file = Path(model_file)
    data = read_bytes(model_file)
    return profile_model(
        parse_target(target_text),
        data,
        model_file.stem,
        kernels=kernels,
        flash_budget=flash_budget,
    )


def profile_model(
    target: Target,
    data: bytes,
    name: str,
    *,
    kernels: str | None = None,
    flash_budget: FlashBudget = None,
) -> dict[str, Any]:
    """As :func:`profile`, of a model in memory on a target that is parsed."""
    if target.provenance is Provenance.UNAVAILABLE:
        raise InputError(
            f"target {target}: a process of this machine has no cycle counter to profile with",
            hint="profile on pico@emulator or on a board",
        )
    network = read_network(data, name)
    chosen = kernels_on_core(target.board.cpu.core, kernels)
    low, high = network.input.limits
    rows = np.random.default_rng(ROWS_SEED).integers(
        low, high + 1, (ROWS, network.input.n_values), network.input.dtype
    )
    with working_folder() as folder:
        runs: list[_Counted] = []
        for marked in (False, True):
            compiled = compile_model(
                data,
                folder / f"compile-{marked}",
                name=network.name,
                kernels=chosen,
                flash_budget=flash_budget,
                marked=marked,
            )
            memory = runs[0].image.size.network_memory if runs else "auto"
            image = build_image(
                target.board,
                compiled.folder,
                folder / f"build-{marked}",
                network_memory=memory,
            )
            runs.append(_count(target, compiled, image, rows))
        whole, read = runs
        _check_outputs(data, network, rows, whole, read)
        layers = _layers(whole, _readings(read), target)
        flash = layer_bytes(whole.image.elf, len(layers))
    return _summary(target, whole, read, layers, flash)


def _count(target: Target, compiled: CompiledModel, image: Image, rows: np.ndarray) -> _Counted:
    width, element = compiled.n_outputs, Element[compiled.output.dtype.upper()]
    if compiled.marked:
        # Codes, then readings, are answered as bytes.
        width = _whole_words(compiled.output.n_bytes) + 4 * MARKS_PER_LAYER * len(compiled.layers)
        element = Element.INT8
    with open_target(target, image) as (client, _):
        outputs, cycles = client.infer(rows, width, element)
    counts = counted(cycles, target.cycles_per_instruction)
    return _Counted(compiled, image, np.ascontiguousarray(outputs).view(np.uint8), counts)


def _whole_words(n_bytes: int) -> int:
    return (n_bytes + 3) // 4 * 4


def _check_outputs(
    data: bytes, network: Network, rows: np.ndarray, whole: _Counted, read: _Counted
) -> None:
    """Figures of a program that computes something else are no figures."""
    given = dequantize(rows, network.input) if network.float_input else rows
    expected = golden(data, given)
    for run in (whole, read):
        codes = np.ascontiguousarray(run.outputs[:, : network.output.n_bytes])
        codes = codes.view(network.output.dtype)
        outputs = dequantize(codes, network.output) if network.float_output else codes
        if not np.array_equal(outputs, expected):
            raise MismatchError(
                f"{network.name}: the board's outputs are not TFLite Micro's"
                + (", with readings between the layers" if run is read else ""),
                hint="report this with the model",
            )


def _readings(read: _Counted) -> np.ndarray:
    """(n, layers, 3) readings of the cycle counter."""
    begin = _whole_words(read.compiled.output.n_bytes)
    words = np.ascontiguousarray(read.outputs[:, begin:]).view("<u4").astype(np.int64)
    return words.reshape(len(words), len(read.compiled.layers), MARKS_PER_LAYER)


@dataclass(frozen=True)
class _Layer:
    count: int
    reading: int


def _layers(whole: _Counted, readings: np.ndarray, target: Target) -> list[_Layer]:
    cycles = np.diff(readings, axis=2).transpose(2, 0, 1) % (1 << CYCLE_BITS)
    first, second = counted(cycles, target.cycles_per_instruction)
    layers = [
        _Layer(int(np.median(each)), int(np.median(cost)))
        for each, cost in zip((second - first).T, first.T, strict=True)
    ]
    inside = sum(layer.count for layer in layers)
    total = int(np.median(whole.counts))
    if min(layer.count for layer in layers) < 0 or inside > total:
        raise MeasurementError(
            f"the layers take {inside} {target.counts}, the whole inference {total}",
            hint="the counter's readings wrap or are wrong; report this with the model",
        )
    return layers


def _summary(
    target: Target,
    whole: _Counted,
    read: _Counted,
    layers: list[_Layer],
    flash: tuple[int, ...],
) -> dict[str, Any]:
    what = target.counts
    total, with_readings = int(np.median(whole.counts)), int(np.median(read.counts))
    readings = MARKS_PER_LAYER * sum(layer.reading for layer in layers)
    unexplained = with_readings - readings - total
    slack = SLACK_SHARE * total + SLACK_CYCLES_PER_READING * MARKS_PER_LAYER * len(layers)
    if abs(unexplained) > slack:
        raise MeasurementError(
            f"an inference takes {total} {what}, and {with_readings} with readings that cost "
            f"{readings}: {unexplained} {what} are unexplained, at most {slack:.0f} may be",
            hint="measure again on a board that does nothing else",
        )
    compiled, size = whole.compiled, whole.image.size
    inside = sum(layer.count for layer in layers)
    # What is known of the least is in a Cortex-M0+'s cycles.
    minima = [info.minimum_cycles if what == "cycles" else None for info in compiled.layers]
    minimum = sum(m for m in minima if m is not None)
    return {
        "schema": 1,
        "target": str(target),
        "provenance": str(target.provenance),
        "counts": what,
        "model_sha256": compiled.sha256,
        "image_sha256": whole.image.image_sha256,
        "kernels": compiled.kernels,
        "flash_budget": compiled.flash_budget,
        "network_memory": size.network_memory,
        "rows": len(whole.counts),
        "macs": compiled.macs,
        what: {
            "min": int(whole.counts.min()),
            "median": total,
            "max": int(whole.counts.max()),
        },
        f"{what}_per_mac": _ratio(total, compiled.macs),
        "minimum": {"cycles": minimum, "share": _ratio(minimum, total), "basis": MINIMUM_BASIS},
        "layers": [
            {
                "index": index,
                "operators": list(info.operators),
                "input_shape": list(info.input_shape),
                "output_shape": list(info.output_shape),
                "strategy": info.strategy,
                what: layer.count,
                "macs": info.macs,
                f"{what}_per_mac": _ratio(layer.count, info.macs),
                "minimum_cycles": least,
                "share_of_minimum": _ratio(least or 0, layer.count),
                "flash_bytes": n_bytes,
                "weight_bytes": info.weight_bytes,
                f"reading_{what}": layer.reading,
            }
            for index, (info, layer, n_bytes, least) in enumerate(
                zip(compiled.layers, layers, flash, minima, strict=True)
            )
        ],
        "outside_layers": {what: total - inside, "flash_bytes": size.network - sum(flash)},
        "readings": {
            "count": MARKS_PER_LAYER * len(layers),
            what: readings,
            "whole_with_readings": with_readings,
            f"unexplained_{what}": unexplained,
        },
        "flash_bytes": size.network,
    }


def _ratio(value: int, by: int) -> float | None:
    """None where there is nothing to divide, or to divide by."""
    return round(value / by, 4) if value and by else None
