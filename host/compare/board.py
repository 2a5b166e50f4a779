"""Each compared network on the target: its image, the scenario replayed to it, its windows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import Progress

from host.chain.at_once import run_jobs
from host.chain.replay import window_rows
from host.chain.windows import NO_METER, meter_of, opened_host_meter, why_unmeasured
from host.compare.network import ComparedNetwork
from host.flash import open_target
from host.meter import MeterChoice
from host.metrics import (
    UNITS,
    energy_per_decision,
    inference_latency,
    memory_footprint,
    unavailable,
    weakest,
    with_assumed_cycles,
)
from host.replay import EnergyBudget, Reference, WindowPlan, measure_windows, replay
from host.run import write_json
from host.target import Target
from toolchain.build import Image, build_image, load_image
from toolchain.build.image import RECORD
from toolchain.compile import compile_float, compile_model, kernels_for_core
from toolchain.errors import IdentityError
from toolchain.progress import bars
from toolchain.protocol import Engine, Mode
from toolchain.scenario import Scenario

ON_BOARD_NAME = "compare-board"
"""Of the stage that :func:`run_on_board` fills."""
NO_LIMIT = EnergyBudget(None, None)
"""The images have one network each, so no budget could change to another."""


def build_images(networks: Sequence[ComparedNetwork], target: Target, path: Path) -> Iterator[str]:
    """Build an image of every network below ``path/NAME``; yields each one's name once it is there.

    An image that an interrupted attempt has left whole is not built again.

    Raises:
        ModelError: the compiler does not take a model.
        BuildError: an image cannot be built, or does not fit.
    """
    board = target.board
    for network in networks:
        folder = path / network.name
        if not (folder / "build" / RECORD).is_file():
            source = folder / "compile"
            if network.engine is Engine.FLOAT:
                compile_float(network.model, source, name=network.name)
            else:
                kernels = kernels_for_core(board.cpu.core)
                compile_model(network.model, source, name=network.name, kernels=kernels)
            build_image(board, source, folder / "build", engine=network.engine)
        yield network.name


def run_on_board(
    networks: Sequence[ComparedNetwork],
    images: Path,
    scenario: Scenario,
    target: Target,
    plan: WindowPlan,
    choice: MeterChoice,
    path: Path,
    console: Console,
) -> None:
    """Replay the scenario to the target with every network, and measure its windows.

    Leaves ``NAME.parquet``, the rows, and ``NAME.json``: latency, energy, memory, meter and
    identity. What an interrupted attempt has finished is kept; a replay in it goes on at its first
    missing day.

    Raises:
        MismatchError: the board decided otherwise than the reference.
        IdentityError: the networks did not all run on one board.
        LinkError: the board is not there.
    """
    todo = [network for network in networks if not _file(path, network).is_file()]
    with bars(console) as bar:
        jobs = [
            partial(_run_network, network, images, scenario, target, plan, choice, path, bar)
            for network in todo
        ]
        run_jobs(target, jobs)
    chips = {
        network.name: json.loads(_file(path, network).read_text("utf-8"))["identity"]["chip_id"]
        for network in networks
    }
    if len(set(chips.values())) > 1:
        raise IdentityError(
            "the networks ran on different boards: "
            + ", ".join(f"{name} on {chip}" for name, chip in chips.items()),
            hint="run the same command with --force, and leave the board plugged in",
        )


def _run_network(
    network: ComparedNetwork,
    images: Path,
    scenario: Scenario,
    target: Target,
    plan: WindowPlan,
    choice: MeterChoice,
    path: Path,
    bar: Progress,
) -> None:
    image = load_image(images / network.name / "build")
    policy = network.policy()
    journal = path / f"{network.name}.journal.jsonl"
    task = bar.add_task(f"replay with {network.name}", total=len(scenario.returns))
    with (
        opened_host_meter(choice) as on_host,
        open_target(target, image) as (client, identity),
    ):
        on_day = partial(bar.advance, task)
        reference = Reference(policy)
        replayed = replay(client, scenario, reference, NO_LIMIT, journal, on_day=on_day)
        bar.update(task, description=f"windows of {network.name}")
        meter = meter_of(choice, on_host, client, identity, target)
        windows, energy = [], unavailable(UNITS["energy_per_decision"], why_unmeasured(choice))
        measured_by: dict[str, Any] = {"kind": NO_METER, "reason": why_unmeasured(choice)}
        if meter is not None:
            measured_by = meter.describe().as_dict()
            rows = window_rows(scenario, policy, identity)
            windows = measure_windows(client, identity, meter, *rows, [Mode.FULL], plan)
            provenance = weakest([target.provenance, meter.describe().provenance])
            energy = with_assumed_cycles(
                energy_per_decision(windows, provenance), target.cycles_per_instruction
            )
        stack_bytes = client.status().stack_used_bytes
    cycles = replayed.rows["cycles"].drop_null().to_numpy()
    pq.write_table(replayed.rows, path / f"{network.name}.parquet")
    write_json(
        _file(path, network),
        {
            "identity": asdict(identity),
            "meter": measured_by,
            "decisions": len(cycles),
            "latency": inference_latency(
                cycles, identity.clock_hz, target.provenance, target.cycles_per_instruction
            ).as_dict(),
            "energy": energy.as_dict(),
            "memory": _memory(image, stack_bytes, target),
            "windows": [asdict(window) for window in windows],
        },
    )
    journal.unlink()
    bar.remove_task(task)


def _file(path: Path, network: ComparedNetwork) -> Path:
    return path / f"{network.name}.json"


def _memory(image: Image, stack_bytes: int, target: Target) -> dict[str, Any]:
    size = image.size
    return memory_footprint(
        {"image": size.flash_bytes},
        {"static": size.ram_static, "deepest stack": stack_bytes},
        target.provenance,
    ).as_dict() | {"network_bytes": size.network, "network_memory": size.network_memory}
