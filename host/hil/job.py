"""One benchmark of one target: what is to be run, and what came of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field

from host.chain.settings import Settings
from host.presets import GeneratorName, PresetName
from host.run import write_json

RESULT = Path("report") / "result.json"
OUTCOME = "outcome.json"
LOG = "log.txt"
RUN = "run"


class Scenario(BaseModel):
    """What is replayed: the settings of ``jouleloop bench``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: PresetName = Settings.preset
    seed: int = Field(default=Settings.seed, ge=1)
    generator: GeneratorName = Settings.generator


class Variant(BaseModel):
    """What is built and how it is measured: options of ``jouleloop bench``; None if not given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    flash_budget: int | str | None = None
    """Bytes, ``smallest`` or ``full``."""
    energy_budget: float | str | None = None
    """J of a day's decisions, or ``none``."""
    policy: str | None = None
    """Folder of networks in the place of a training."""
    meter: str | None = None
    shunt_ohm: float | None = Field(default=None, gt=0)
    clock_mhz: float | None = Field(default=None, gt=0)

    def given(self) -> dict[str, Any]:
        """The options that are given."""
        return self.model_dump(exclude_none=True)


@dataclass(frozen=True)
class Job:
    """One benchmark.

    Attributes:
        name: of its folder and in tables; unique among those that run together.
        target: as on the command line.
        folder: where it works: the run folder, the log and the outcome are in it.
        scenario: that is replayed.
        variant: that is built and measured.
        flash: write the image; otherwise what the target already runs must be it.
        lease_wait_s: how long to wait for another process that has the board.
        trained: run folder whose scenario, policy and quantized model are taken; None to make them.
        train_only: make those, and leave the board alone.
        command: recorded with every stage.
    """

    name: str
    target: str
    folder: Path
    scenario: Scenario = field(default_factory=Scenario)
    variant: Variant = field(default_factory=Variant)
    flash: bool = True
    lease_wait_s: float = 0.0
    trained: Path | None = None
    train_only: bool = False
    command: str = ""

    @property
    def run_folder(self) -> Path:
        """Of the benchmark itself.

        Other options have another one: a stage that is told none takes its run folder's.
        """
        given = self.variant.given()
        if not given:
            return self.folder / RUN
        text = json.dumps(given, sort_keys=True)
        return self.folder / f"{RUN}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    def to_json(self) -> str:
        """For another process."""
        values = asdict(self) | {
            "folder": str(self.folder),
            "run_folder": str(self.run_folder),
            "trained": None if self.trained is None else str(self.trained),
            "scenario": self.scenario.model_dump(mode="json"),
            "variant": self.variant.model_dump(mode="json"),
        }
        return json.dumps(values)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """What :meth:`to_json` wrote."""
        values = json.loads(text)
        del values["run_folder"]  # follows from the others
        values["folder"] = Path(values["folder"])
        values["trained"] = None if values["trained"] is None else Path(values["trained"])
        values["scenario"] = Scenario(**values["scenario"])
        values["variant"] = Variant(**values["variant"])
        return cls(**values)


class Status(StrEnum):
    """What came of a job."""

    DONE = "done"
    USAGE = "usage"
    """What was given cannot be used."""
    INVALID = "invalid"
    """There is no figure that may be published: no board, no image, or a measurement refused."""


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        job: that was run.
        status: how it ended.
        seconds: that it took.
        result: the ``result.json``; None unless it is done.
        retries: frames of the nominal replay that were sent again.
        error: why there is no result; empty when it is done.
    """

    job: Job
    status: Status
    seconds: float = 0.0
    result: Mapping[str, Any] | None = None
    retries: int = 0
    error: str = ""

    def write(self) -> None:
        """Leave it in the job's folder."""
        values = {
            "status": str(self.status),
            "seconds": self.seconds,
            "retries": self.retries,
            "error": self.error,
        }
        write_json(self.job.folder / OUTCOME, values)

    @classmethod
    def read(cls, job: Job) -> Self | None:
        """What the job's process left; None where it left nothing."""
        file = job.folder / OUTCOME
        if not file.exists():
            return None
        values = json.loads(file.read_text(encoding="utf-8"))
        values["status"] = Status(values["status"])
        result = None
        if values["status"] is Status.DONE and not job.train_only:
            result = json.loads((job.run_folder / RESULT).read_text(encoding="utf-8"))
        return cls(job, result=result, **values)
