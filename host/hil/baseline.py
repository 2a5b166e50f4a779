"""The baseline file: what a target's figures were when they were accepted.

An entry has the metrics of ``result.json`` with their provenance, and whatever says whether a run
may be compared with them: who answered, what was replayed and with which options.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from host.chain.settings import GIVEN
from host.hil.job import Outcome, Scenario, Variant
from host.hil.noise import Side
from host.metrics import Provenance
from host.run import write_json
from host.target import Target, parse_target
from toolchain import __version__
from toolchain.errors import InputError

LONGEST_LIST = 16
"""Values; a longer list of a metric's detail is a curve, which no figure is read from."""
SILICON = (Provenance.MEASURED, Provenance.EMULATED)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MetricEntry(_Strict):
    """A metric as in ``result.json``."""

    value: float | None
    unit: str
    provenance: Provenance
    detail: dict[str, Any]


class Entry(_Strict):
    """The baseline of one target."""

    target: str
    provenance: Literal["measured", "emulated"]
    """Of the board."""
    jouleloop: str
    scenario: Scenario
    variant: Variant
    scenario_sha256: str
    identity: dict[str, Any]
    training: dict[str, Any]
    """Its ``quality``, or the SHA-256 of the files of a policy that was ``given``."""
    decisions_sha256: str = ""
    retries: int = Field(ge=0)
    metrics: dict[str, MetricEntry]

    def side(self) -> Side:
        """For a comparison."""
        return Side(
            {name: metric.model_dump(mode="json") for name, metric in self.metrics.items()},
            self.identity,
            Provenance(self.provenance),
            self.scenario_sha256,
            self.training,
            self.retries,
            self.decisions_sha256,
        )


class BaselineFile(_Strict):
    """The whole file."""

    schema_: Literal[1] = Field(alias="schema")
    entries: list[Entry]


@dataclass(frozen=True)
class Baseline:
    """The entries of a baseline file, and where they come from."""

    path: Path
    entries: Sequence[Entry]

    def entry(self, target: Target) -> Entry | None:
        """The entry that a target is compared with: its own, else the one of its board's kind.

        Raises:
            InputError: what is there was made by an emulator for a physical board or the other way
                round, or several boards of the kind have one.
        """
        of_board = [e for e in self.entries if e.target.partition("@")[0] == target.board.name]
        same = [entry for entry in of_board if entry.provenance == target.provenance]
        own = self.own(target)
        if own is not None:
            return own
        if len(same) > 1:
            raise InputError(
                f"{self.path} has {len(same)} {target.provenance} baselines of {target.board.name} "
                f"({', '.join(entry.target for entry in same)}), none of them is of {target}",
                hint="name one of these, or add this one with --update-baseline",
            )
        if of_board and not same:
            raise InputError(
                f"{self.path} has a baseline of {of_board[0].target}, which is "
                f"{of_board[0].provenance}; {target} is {target.provenance}, and the two are never "
                "compared",
                hint="add one for this target with --update-baseline",
            )
        return same[0] if same else None

    def own(self, target: Target) -> Entry | None:
        """The entry of just this target."""
        wanted = str(target), target.provenance
        return next((e for e in self.entries if (e.target, e.provenance) == wanted), None)

    def with_outcomes(self, outcomes: Sequence[Outcome]) -> Baseline:
        """The same with the entries of these outcomes replaced or added."""
        made = [made_entry(outcome) for outcome in outcomes]
        replaced = {(entry.target, entry.provenance) for entry in made}
        kept = [e for e in self.entries if (e.target, e.provenance) not in replaced]
        entries = sorted([*kept, *made], key=lambda entry: entry.target)
        return Baseline(self.path, entries)

    def write(self) -> None:
        """Write the file, whole or not at all."""
        file = BaselineFile(schema=1, entries=list(self.entries))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f".{self.path.name}.partial")
        write_json(temporary, file.model_dump(mode="json", by_alias=True))
        temporary.replace(self.path)


def read_baseline(path: Path) -> Baseline:
    """Read a baseline file.

    Raises:
        InputError: it is not there, or is not one.
    """
    try:
        file = BaselineFile.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(
            f"there is no baseline {path}", hint="make it with --update-baseline"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])).replace("schema_", "schema")
        raise InputError(
            f"{path} is not a baseline: {key}: {first['msg']}",
            hint="make it anew with --update-baseline",
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            hint="restore it from version control, or make another with --update-baseline",
        ) from error
    return Baseline(path, file.entries)


def made_entry(outcome: Outcome) -> Entry:
    """The entry that a finished job makes.

    Raises:
        InputError: the job has no result.
    """
    result, job = outcome.result, outcome.job
    if result is None:
        raise InputError(f"{job.name} has no result to make a baseline of: {outcome.error}")
    provenance, training = parse_target(job.target).provenance, result["training"]
    assert provenance in SILICON, "a benchmark runs on a board"
    return Entry.model_validate(
        {
            "target": job.target,
            "provenance": provenance.value,
            "jouleloop": __version__,
            "scenario": job.scenario,
            "variant": job.variant,
            "scenario_sha256": result["scenario"]["sha256"],
            "identity": result["identity"],
            "training": {GIVEN: training[GIVEN]} if GIVEN in training else training["quality"],
            "decisions_sha256": result["agreement"]["decisions_sha256"],
            "retries": outcome.retries,
            "metrics": {name: _trimmed(metric) for name, metric in result["metrics"].items()},
        }
    )


def _trimmed(metric: Mapping[str, Any]) -> dict[str, Any]:
    detail = {
        name: value
        for name, value in metric["detail"].items()
        if not (isinstance(value, list) and len(value) > LONGEST_LIST)
    }
    return {**metric, "detail": detail}
