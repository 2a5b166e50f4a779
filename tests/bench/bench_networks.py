"""Cycles, flash and RAM of the reference networks on the emulated RP2040, by engine and kernels.

Run by ``make bench``; counts are deterministic. The engine aot is counted on the core alone: its
RAM is the network's variables and the stack of one inference. The engines float and tflm run in the
firmware on the emulated board: their RAM is the network's variables and the deepest stack of the
whole firmware. TensorFlow Lite Micro takes part when ``TFLM_ROOT`` names a tree that was built for
the core. A second table has instructions per MAC on an emulated RV32IM core. ``--json`` prints
JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from host.chain import infer
from toolchain.compile import FlashBudget, compile_model, golden
from toolchain.compile.cycle_count import measure_cycles
from toolchain.compile.float_synthetic import reference_float_network
from toolchain.compile.instruction_count import count_instructions
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.protocol import Element, Engine

AD01 = Path(__file__).resolve().parents[3] / "shared" / "models" / "ad01_int8.tflite"
TARGET = "pico@emulator"
ROWS = 3
AOT: dict[str, tuple[str, FlashBudget]] = {
    "aot, m0plus": ("m0plus", None),
    "aot, m0plus, smallest flash": ("m0plus", "smallest"),
    "aot, portable C": ("portable", None),
}
WIDE: dict[str, tuple[str, FlashBudget]] = {
    "aot, m0plus, int16 activations": ("m0plus", None),
    "aot, portable C, int16 activations": ("portable", None),
}


def rows_of(n_inputs: int, dtype: str = "int8") -> np.ndarray:
    """(ROWS, n_inputs) of any code."""
    limits = np.iinfo(dtype)
    rng = np.random.default_rng(1)
    return rng.integers(limits.min, limits.max + 1, (ROWS, n_inputs)).astype(dtype)


def entry(network: str, engine: str, macs: int, cycles: float, **rest: Any) -> dict[str, Any]:
    """One line of the table."""
    return {
        "network": network,
        "engine": engine,
        "macs": macs,
        "cycles": int(cycles),
        "cycles_per_mac": round(cycles / macs, 2),
        **rest,
    }


def on_the_core(
    network: str, data: bytes, engines: dict[str, tuple[str, FlashBudget]]
) -> Iterator[dict[str, Any]]:
    """The engine aot's program, by kernels."""
    for engine, (kernels, budget) in engines.items():
        with tempfile.TemporaryDirectory() as folder:
            compiled = compile_model(data, Path(folder), kernels=kernels, flash_budget=budget)
            rows = rows_of(compiled.n_inputs, compiled.input.dtype)
            count = measure_cycles(compiled, rows)
        yield entry(
            network,
            engine,
            compiled.macs,
            float(np.median(count.cycles)),
            flash_bytes=count.flash_bytes,
            weight_bytes=compiled.weight_bytes,
            ram_bytes=count.ram_bytes,
            agrees=bool((count.outputs == golden(data, rows)).all()),
        )


def on_the_board(
    network: str, name: str, data: bytes, rows: np.ndarray, engine: Engine, weight_bytes: int
) -> dict[str, Any]:
    """An engine in the firmware; ``infer`` fails when an output is not the reference's."""
    with tempfile.TemporaryDirectory() as name_of_folder:
        folder = Path(name_of_folder)
        (folder / "m.tflite").write_bytes(data)
        np.save(folder / "x.npy", rows)
        summary = infer(
            TARGET,
            folder / "m.tflite",
            folder / "x.npy",
            folder / "y.npy",
            flash=True,
            engine=engine,
        )
    memory = summary["memory"]
    return entry(
        network,
        name,
        summary["macs"],
        summary["cycles"]["median"],
        flash_bytes=memory["network_bytes"],
        weight_bytes=weight_bytes,
        ram_bytes=memory["network_ram_bytes"] + memory["stack_used_bytes"],
        agrees=True,
    )


def instructions(models: list[tuple[str, bytes]]) -> list[dict[str, Any]]:
    """Instructions per MAC on RV32IM."""
    entries = []
    for network, data in models:
        for kernels in ("rv32im", "portable"):
            with tempfile.TemporaryDirectory() as folder:
                compiled = compile_model(data, Path(folder), kernels=kernels)
                rows = rows_of(compiled.n_inputs, compiled.input.dtype)
                (count,) = count_instructions([compiled], [rows])
            median = float(np.median(count.instructions))
            entries.append(
                {
                    "network": network,
                    "activations": compiled.input.dtype,
                    "kernels": kernels,
                    "macs": compiled.macs,
                    "instructions": int(median),
                    "instructions_per_mac": round(median / compiled.macs, 2),
                    "constant_bytes": compiled.constant_bytes,
                    "agrees": bool((count.outputs == golden(data, rows)).all()),
                }
            )
    return entries


def shown(value: str | float | bool) -> str:
    """A cell's text."""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    return value if isinstance(value, str) else f"{value:,}"


def print_table(title: str, entries: list[dict[str, Any]]) -> None:
    """A table whose columns are the entries' keys."""
    table = Table(title=title)
    for heading in entries[0]:
        table.add_column(heading, justify="left" if heading in ("network", "engine") else "right")
    for line in entries:
        table.add_row(*map(shown, line.values()))
    Console(width=140).print(table)


def main() -> int:
    """Print both tables; 1 when an output is not the reference's."""
    shapes = {f"{n} {'-'.join(map(str, w))}": w for n, w in REFERENCE_SHAPES.items()}
    models = {
        name: reference_network(widths, np.random.default_rng(0)) for name, widths in shapes.items()
    }
    wide = {
        name: reference_network(widths, np.random.default_rng(0), Element.INT16)
        for name, widths in shapes.items()
    }
    generated = list(models)
    if AD01.exists():
        models["MLPerf Tiny AD"] = AD01.read_bytes()
    entries: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as state:
        os.environ.setdefault("JOULELOOP_STATE", state)
        for name, data in models.items():
            entries += on_the_core(name, data, AOT)
            weight_bytes = entries[-1]["weight_bytes"]
            if name in generated:
                entries += on_the_core(name, wide[name], WIDE)
            if name in generated:
                widths = shapes[name]
                rng = np.random.default_rng(0)
                floats = rng.normal(0, 1, (ROWS, widths[0])).astype(np.float32)
                network = reference_float_network(widths, rng)
                entries.append(
                    on_the_board(name, "float", network, floats, Engine.FLOAT, 4 * weight_bytes)
                )
            if os.environ.get("TFLM_ROOT") and name in generated:
                rows = rows_of(shapes[name][0])
                entries.append(on_the_board(name, "tflm", data, rows, Engine.TFLM, weight_bytes))
    counted = instructions([(n, kind[n]) for n in generated for kind in (models, wide)])
    if "--json" in sys.argv:
        print(json.dumps({"rp2040": entries, "rv32im": counted}, indent=2))
    else:
        print_table("Networks on the emulated RP2040", entries)
        print_table("The same on an emulated RV32IM core, in instructions", counted)
    return 0 if all(line["agrees"] for line in [*entries, *counted]) else 1


if __name__ == "__main__":
    sys.exit(main())
