"""Cycles, flash and RAM of the reference networks on the emulated RP2040 core, by kernel set.

Run by ``make bench``; counts are deterministic. ``--json`` prints JSON.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from toolchain.compile import compile_model, golden
from toolchain.compile.cycle_count import measure_cycles
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network

AD01 = Path(__file__).resolve().parents[3] / "shared" / "models" / "ad01_int8.tflite"
ROWS = 3


def main() -> int:
    """Print one row per network and kernel set; 1 when an output is not the reference's."""
    models = {
        f"{name} {'-'.join(map(str, widths))}": reference_network(widths, np.random.default_rng(0))
        for name, widths in REFERENCE_SHAPES.items()
    }
    if AD01.exists():
        models["MLPerf Tiny AD"] = AD01.read_bytes()
    entries = []
    for name, data in models.items():
        for kernels in ("portable", "m0plus"):
            with tempfile.TemporaryDirectory() as folder:
                compiled = compile_model(data, Path(folder), kernels=kernels)
                rng = np.random.default_rng(1)
                rows = rng.integers(-128, 128, (ROWS, compiled.n_inputs)).astype(np.int8)
                count = measure_cycles(compiled, rows)
            entries.append(
                {
                    "network": name,
                    "kernels": kernels,
                    "macs": compiled.macs,
                    "cycles": int(np.median(count.cycles)),
                    "cycles_per_mac": round(float(np.median(count.cycles)) / compiled.macs, 2),
                    "flash_bytes": count.flash_bytes,
                    "weight_bytes": compiled.weight_bytes,
                    "ram_bytes": count.ram_bytes,
                    "equal": bool((count.outputs == golden(data, rows)).all()),
                }
            )
    if "--json" in sys.argv:
        print(json.dumps(entries, indent=2))
    else:
        table = Table(title="INT8 networks on the emulated RP2040 core")
        for heading in entries[0]:
            table.add_column(heading, justify="right")
        for entry in entries:
            table.add_row(*(str(value) for value in entry.values()))
        Console(width=120).print(table)
    return 0 if all(entry["equal"] for entry in entries) else 1


if __name__ == "__main__":
    sys.exit(main())
