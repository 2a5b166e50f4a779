"""Fit a board file's [cost_model] to networks that are counted on the emulated RP2040 core.

    python tests/bench/bench_cost_model.py --cycles-around 400

Prints the section's figures and how far off the fit is. Counts are deterministic.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from toolchain.board import load_board
from toolchain.compile import compile_model, kernels_for_core
from toolchain.compile.cycle_count import measure_cycles
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network
from toolchain.environment import N_DISPOSITIONS, N_FEATURES
from toolchain.policy.calibration import CountedNetwork, fit_cost_model

WIDTHS = (8, 12, 16, 24, 32, 44, 48, 64, 96, 128)
DEEPER = ((8,), (32,), (64,), (32, 32, 32), (64, 64), (48, 24, 12))


def main() -> None:
    """Count, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--board", default="pico")
    parser.add_argument(
        "--cycles-around", type=float, required=True, help="of a decision, outside of its network"
    )
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    board = load_board(given.board)
    if board.cost_model is None:
        parser.error(f"board {board.name} has no [cost_model] to take its energy from")
    kernels = kernels_for_core(board.cpu.core)
    hidden = [(width, width // 2) for width in WIDTHS] + list(DEEPER)
    shapes = [(N_FEATURES, *widths, N_DISPOSITIONS) for widths in hidden]
    counted = [count(shape, kernels) for shape in (*shapes, *REFERENCE_SHAPES.values())]
    fit = fit_cost_model(
        counted,
        cycles_around=given.cycles_around,
        **board.cost_model.model_dump(
            include={"weights_in_ram", "energy_j_per_cycle", "energy_j_per_byte"}
        ),
        source=f"{len(counted)} networks counted on the emulated core, {kernels} kernels",
    )
    if given.json:
        networks = [asdict(network) for network in counted]
        figures = fit.cost_model.model_dump() | {
            "cycles_error": fit.cycles_error,
            "bytes_error": fit.bytes_error,
        }
        print(json.dumps(figures | {"networks": networks}, indent=2))
        return
    for name, value in fit.cost_model.model_dump().items():
        print(f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}")
    print(f"largest error: cycles {fit.cycles_error:.1%}, bytes {fit.bytes_error:.1%}")


def count(widths: tuple[int, ...], kernels: str) -> CountedNetwork:
    """Cycles and flash of one network with random weights."""
    model = reference_network(widths, np.random.default_rng(0))
    rows = np.random.default_rng(1).integers(-128, 128, (1, widths[0])).astype(np.int8)
    with tempfile.TemporaryDirectory() as folder:
        found = measure_cycles(compile_model(model, Path(folder), kernels=kernels), rows)
    return CountedNetwork(widths, float(found.cycles[0]), float(found.flash_bytes))


if __name__ == "__main__":
    main()
