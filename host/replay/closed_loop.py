"""The replay: a scenario decided by the board, day by day, in closed loop.

A day's returns are observed, quantized, sent to the board, decided there, and executed; the next
day's states follow from that. A day is a decision cycle, which the board begins with its whole
energy budget. Every decision is compared with the reference of the network that made it, and
which one that was with the books of the budget. Each day is kept in a journal as soon as it is
decided, so a replay that broke off goes on at the first missing day.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from host.link import BoardClient
from host.replay.budget import EnergyBudget
from host.replay.reference import Reference
from toolchain.environment import UNDECIDED, Disposition, ObservationTransform, Simulation
from toolchain.errors import (
    BoardFaultError,
    IdentityError,
    LinkError,
    MismatchError,
    ProtocolError,
    RunFolderError,
)
from toolchain.protocol import ErrorCode, Mode
from toolchain.scenario import Scenario

_LISTS = ("actions", "modes", "cycles")
"""What a day's journal entry holds of each decision."""

_RESET_CODES = (ErrorCode.PERIOD, ErrorCode.SESSION)
"""What a board refuses that has lost what it was told: it was reset, or is another one."""

MAX_LOSSES = 3
"""A day that lost its board more often is given up."""


@dataclass(frozen=True)
class Replay:
    """One scenario, decided.

    Attributes:
        rows: the simulation's rows with the board's own ``cycles`` (uint32) and ``mode`` (``full``
            or ``fallback``) appended; null where a dead node decided nothing.
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
    scenario: Scenario,
    reference: Reference,
    budget: EnergyBudget,
    journal: Path,
    *,
    perturbation: ObservationTransform | None = None,
    on_day: Callable[[int], None] = lambda decisions: None,
) -> Replay:
    """Replay one scenario to the board.

    Args:
        client: the open link.
        scenario: what to decide.
        reference: quantizes the states, and knows what either network decides.
        budget: what the board may spend on a day's decisions before its fallback decides.
        journal: file of the days that are decided; days in it are not asked for again.
        perturbation: acts on what the policy sees.
        on_day: called after each day with the number of its decisions.

    Raises:
        MismatchError: the board decided otherwise than the reference, or in another mode than the
            budget demands.
        RunFolderError: the journal is not of this replay.
    """
    simulation = Simulation(scenario, perturbation)
    done = _read_journal(journal)
    client.set_budget(budget.request)
    cycles: list[np.ndarray] = []
    modes: list[np.ndarray] = []
    totals = np.zeros(3, dtype=np.int64)
    with journal.open("a", encoding="utf-8") as log:
        while not simulation.done:
            batch = simulation.observe()
            if done:
                entry = done.pop(0)
                _check_entry(entry, batch.day, len(batch.products), journal)
            else:
                inputs = reference.quantize(batch.states)
                entry = _decide_day(client, int(batch.day), inputs, batch.masks, budget)
                log.write(json.dumps(entry, separators=(",", ":")) + "\n")
                log.flush()
            actions = np.asarray(entry["actions"], dtype=np.int64)
            day_modes = np.asarray(entry["modes"], dtype=np.uint8)
            day_cycles = np.asarray(entry["cycles"], dtype=np.uint32)
            _compare_modes(day_modes, budget.modes(day_cycles), int(batch.day))
            _compare(actions, day_modes, reference, batch.states, batch.masks, int(batch.day))
            simulation.execute(actions)
            cycles.append(day_cycles)
            modes.append(day_modes)
            totals += (entry["bytes"], entry["messages"], entry["retries"])
            on_day(len(actions))
    rows = simulation.rows()
    undecided = rows["action"].to_numpy() == UNDECIDED
    names = np.array([mode.name.lower() for mode in Mode])
    counts = np.concatenate([np.zeros(0, dtype=np.uint32), *cycles])
    mode_of = names[np.concatenate([np.zeros(0, dtype=np.uint8), *modes])]
    rows = _with_column(rows, "cycles", pa.uint32(), counts, undecided)
    rows = _with_column(rows, "mode", pa.string(), mode_of, undecided)
    return Replay(rows, *(int(total) for total in totals))


def _with_column(
    rows: pa.Table, name: str, kind: pa.DataType, values: np.ndarray, undecided: np.ndarray
) -> pa.Table:
    """Append a column of decisions; null where a dead node decided nothing."""
    column = np.zeros(rows.num_rows, dtype=values.dtype)
    column[~undecided] = values
    return rows.append_column(name, pa.array(column, mask=undecided).cast(kind))


def _decide_day(
    client: BoardClient, day: int, inputs: np.ndarray, masks: np.ndarray, budget: EnergyBudget
) -> dict[str, Any]:
    """Have a day decided; a board that was unplugged or reset meanwhile begins the day anew."""
    before = client.traffic.copy()
    for losses in count(1):
        try:
            made = client.decide(inputs, masks, period=day)
            break
        except BoardFaultError as error:
            if error.code not in _RESET_CODES or losses > MAX_LOSSES:
                raise
        except (IdentityError, ProtocolError):
            raise
        except LinkError:  # it broke off, or fell silent
            if client.reopen is None or losses > MAX_LOSSES:
                raise
        client.reconnect()
        client.set_budget(budget.request)
    used = client.traffic - before
    return {
        "day": day,
        **{name: getattr(made, name).tolist() for name in _LISTS},
        "bytes": used.bytes_total,
        "messages": used.messages,
        "retries": used.retries,
    }


def _compare_modes(modes: np.ndarray, demanded: np.ndarray, day: int) -> None:
    wrong = np.flatnonzero(modes != demanded)
    if len(wrong):
        row = int(wrong[0])
        raise MismatchError(
            f"day {day}, row {row}: the board decided in mode {_mode_name(modes[row])}, its energy "
            f"budget and its own cycle counts demand {_mode_name(demanded[row])}",
            hint="the board may have been reset and have lost its budget; run it again",
        )


def _compare(
    actions: np.ndarray,
    modes: np.ndarray,
    reference: Reference,
    states: np.ndarray,
    masks: np.ndarray,
    day: int,
) -> None:
    expected, outputs = reference.decide(reference.quantize(states), masks, modes)
    wrong = np.flatnonzero(actions != expected)
    if len(wrong):
        row = int(wrong[0])
        raise MismatchError(
            f"day {day}, row {row}, mode {_mode_name(modes[row])}: the board chose "
            f"{_name(actions[row])}, the reference {_name(expected[row])} (outputs "
            f"{outputs[row].tolist()}, allowed {masks[row].astype(int).tolist()}); {len(wrong)} of "
            f"{len(actions)} rows of that day differ",
            hint="run 'jouleloop infer' with the model and these inputs to see which engine is off",
        )


def _name(action: int) -> str:
    try:
        return Disposition(action).name.lower()
    except ValueError:
        return f"action {action}"


def _mode_name(mode: int) -> str:
    try:
        return Mode(mode).name.lower()
    except ValueError:
        return f"{mode}, which is none"


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
    found = [len(entry.get(name, ())) for name in _LISTS]
    if entry.get("day") != day or found != [products] * len(_LISTS):
        raise RunFolderError(
            f"{path}: day {entry.get('day')} with {' / '.join(map(str, found))} "
            f"{' / '.join(_LISTS)} stands where day {day} with {products} of each is expected",
            hint="delete it to replay from the first day",
        )
