"""The replay: a scenario decided by the board, day by day, in closed loop.

A day's returns are observed, quantized, sent to the board, decided there, and executed; the next
day's states follow from that. Every decision is compared with the INT8 reference. Each day is kept
in a journal as soon as it is decided, so a replay that broke off goes on at the first missing day.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from host.link import BoardClient, Identity, rows_per_frame
from toolchain.environment import UNDECIDED, Disposition, ObservationTransform, Simulation
from toolchain.errors import MismatchError, RunFolderError
from toolchain.policy.choice import choose
from toolchain.quantize import Int8Policy
from toolchain.scenario import Scenario

REPLY_ROW_BYTES = 5  # action, cycles


@dataclass(frozen=True)
class Replay:
    """One scenario, decided.

    Attributes:
        rows: the simulation's rows with ``cycles`` (uint32) of the board's own count appended.
        bytes_total: that crossed the link for the decisions, in both directions.
        messages: frames, likewise.
        retries: requests that had to be repeated.
    """

    rows: pa.Table
    bytes_total: int
    messages: int
    retries: int


def replay(
    client: BoardClient,
    identity: Identity,
    scenario: Scenario,
    policy: Int8Policy,
    journal: Path,
    *,
    perturbation: ObservationTransform | None = None,
    on_day: Callable[[int], None] = lambda decisions: None,
) -> Replay:
    """Replay one scenario to the board.

    Args:
        client: the open link.
        identity: what answered HELLO.
        scenario: what to decide.
        policy: quantizes the states, and is the reference of every decision.
        journal: file of the days that are decided; days in it are not asked for again.
        perturbation: acts on what the policy sees.
        on_day: called after each day with the number of its decisions.

    Raises:
        MismatchError: the board decided otherwise than the reference.
        RunFolderError: the journal is not of this replay.
    """
    simulation = Simulation(scenario, perturbation)
    batch_rows = rows_per_frame(identity.max_payload, 1 + policy.n_inputs, REPLY_ROW_BYTES)
    done = _read_journal(journal)
    cycles: list[np.ndarray] = []
    totals = np.zeros(3, dtype=np.int64)
    with journal.open("a", encoding="utf-8") as log:
        while not simulation.done:
            batch = simulation.observe()
            if done:
                entry = done.pop(0)
                _check_entry(entry, batch.day, len(batch.products), journal)
            else:
                entry = _decide_day(client, policy, batch.states, batch.masks, batch_rows)
                entry["day"] = int(batch.day)
                log.write(json.dumps(entry, separators=(",", ":")) + "\n")
                log.flush()
            actions = np.asarray(entry["actions"], dtype=np.int64)
            _compare(actions, policy, batch.states, batch.masks, int(batch.day))
            simulation.execute(actions)
            cycles.append(np.asarray(entry["cycles"], dtype=np.uint32))
            totals += (entry["bytes"], entry["messages"], entry["retries"])
            on_day(len(actions))
    return Replay(
        _with_cycles(simulation.rows(), np.concatenate(cycles) if cycles else np.zeros(0)),
        *(int(total) for total in totals),
    )


def _with_cycles(rows: pa.Table, cycles: np.ndarray) -> pa.Table:
    """Append the board's counts; null where a dead node decided nothing."""
    column = np.zeros(rows.num_rows, dtype=np.uint32)
    undecided = rows["action"].to_numpy() == UNDECIDED
    column[~undecided] = cycles
    return rows.append_column("cycles", pa.array(column, pa.uint32(), mask=undecided))


def _decide_day(
    client: BoardClient,
    policy: Int8Policy,
    states: np.ndarray,
    masks: np.ndarray,
    batch_rows: int,
) -> dict[str, Any]:
    inputs = policy.quantize(states)
    before = client.traffic.copy()
    actions: list[int] = []
    cycles: list[int] = []
    for start in range(0, len(inputs), batch_rows):
        part = slice(start, start + batch_rows)
        chosen, counted = client.decide(inputs[part], masks[part])
        actions += chosen.tolist()
        cycles += counted.tolist()
    used = client.traffic - before
    return {
        "actions": actions,
        "cycles": cycles,
        "bytes": used.bytes_total,
        "messages": used.messages,
        "retries": used.retries,
    }


def _compare(
    actions: np.ndarray, policy: Int8Policy, states: np.ndarray, masks: np.ndarray, day: int
) -> None:
    outputs = policy.outputs(policy.quantize(states))
    expected = choose(outputs, masks)
    wrong = np.flatnonzero(actions != expected)
    if len(wrong):
        row = int(wrong[0])
        raise MismatchError(
            f"day {day}, row {row}: the board chose {_name(actions[row])}, the INT8 reference "
            f"{_name(expected[row])} (outputs {outputs[row].tolist()}, allowed "
            f"{masks[row].astype(int).tolist()}); {len(wrong)} of {len(actions)} rows of that day "
            "differ",
            hint="run 'jouleloop infer' with the model and these inputs to see which engine is off",
        )


def _name(action: int) -> str:
    try:
        return Disposition(action).name.lower()
    except ValueError:
        return f"action {action}"


def _read_journal(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    whole: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):  # the last line may have been cut off by a crash
            whole.append(line)
    path.write_text("".join(whole), encoding="utf-8")
    try:
        return [json.loads(line) for line in whole]
    except ValueError as error:
        raise RunFolderError(
            f"{path} cannot be read: {error}", hint="delete it to replay from the first day"
        ) from error


def _check_entry(entry: dict[str, Any], day: int, products: int, path: Path) -> None:
    if entry.get("day") != day or len(entry.get("actions", ())) != products:
        raise RunFolderError(
            f"{path}: day {entry.get('day')} with {len(entry.get('actions', ()))} decisions stands "
            f"where day {day} with {products} is expected",
            hint="delete it to replay from the first day",
        )
