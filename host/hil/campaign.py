"""A campaign: many boards x scenarios x variants, from one file into one table.

What is done is not done again as long as neither the job nor Jouleloop's code has changed, so a
campaign that broke off goes on with the same command.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from rich.console import Console
from rich.table import Table

from host.chain.given import GivenPolicy
from host.hil.command import LEASE_WAIT_S, LOG_COLUMNS, TIME_LIMIT_S, slug
from host.hil.figures import FIGURE_KINDS, Figures
from host.hil.job import Job, Outcome, Scenario, Status, Variant
from host.hil.runner import JobRunner
from host.hil.words import OUTSIDE, is_outside
from host.report import format_value
from host.run import code_sha256
from host.target import parse_target
from toolchain.errors import InputError
from toolchain.progress import nowhere

RUNS = Path("runs") / "campaign"
JOBS, TRAINED = "jobs", "trained"
CSV_FILE, PARQUET_FILE = "campaign.csv", "campaign.parquet"
KEY_FILE = "key.txt"
CODE = ("toolchain", "host", "firmware", "boards")
SHOWN = ("latency_us.median", "energy_uj.total", "flash_bytes", "ram_bytes", "quality")


class CampaignFile(BaseModel):
    """A campaign file: every target with every scenario and every variant."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: Literal[1] = Field(alias="schema")
    targets: list[str] = Field(min_length=1)
    scenarios: dict[str, Scenario] = Field(default={"default": Scenario()}, min_length=1)
    variants: dict[str, Variant] = Field(default={"default": Variant()}, min_length=1)


def read_campaign(path: Path) -> CampaignFile:
    """Read a campaign file.

    Raises:
        InputError: it cannot be read, has an unknown key or a value out of range, names a target
            twice or one that is none, or has names that differ in no letter or digit.
    """
    try:
        campaign = CampaignFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])).replace("schema_", "schema")
        raise InputError(
            f"{path}: {key}: {first['msg']} (value: {first.get('input')!r})",
            hint="docs/HIL.md has a campaign file with every key",
        ) from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{path} cannot be read: {error}",
            hint="check its name and that it is TOML; docs/HIL.md has an example",
        ) from error
    if len(set(campaign.targets)) != len(campaign.targets):
        raise InputError(f"{path}: a target is named twice", hint="name each of them once")
    for names in (campaign.scenarios, campaign.variants):
        if len({slug(name) for name in names}) != len(names) or "" in map(slug, names):
            raise InputError(
                f"{path}: {', '.join(names)}: these names give no folders of their own",
                hint="use letters and digits that differ",
            )
    for text in campaign.targets:
        parse_target(text).require_board()
    return campaign


def run_campaign(
    file: Path | str,
    *,
    out: Path | str | None = None,
    policy: Path | str | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    lease_wait_s: float = LEASE_WAIT_S,
    emulators: int | None = None,
    command: str = "",
    console: Console | None = None,
) -> tuple[pa.Table, bool]:
    """Run what is not done yet; returns the table, and whether every benchmark has a result.

    The table is in ``campaign.csv`` and ``campaign.parquet``, and is written anew whenever a
    benchmark ends.

    Args:
        file: the campaign.
        out: its folder; the same one goes on.
        policy: networks in the place of a training, for the variants that name none.
        time_limit_s: of each benchmark.
        lease_wait_s: how long to wait for another process that has a board.
        emulators: boards that are processes and may run at once; None for one a core.
        command: recorded with every stage.
        console: for progress; None for nowhere.

    Raises:
        InputError: the file cannot be used.
    """
    file, console = Path(file), console or nowhere()
    campaign = read_campaign(file)
    folder = Path(out) if out else RUNS / slug(file.stem)
    jobs = campaign_jobs(campaign, folder, lease_wait_s, command, Path(policy) if policy else None)
    code = code_sha256(CODE)
    keys = {job.name: _key(job, code) for job in jobs}
    outcomes = {job.name: done for job in jobs if (done := _done(job, keys[job.name]))}
    if outcomes:
        console.print(f"{len(outcomes)} of {len(jobs)} are done", markup=False)
    runner = JobRunner(time_limit_s, console, emulators)
    writing = threading.Lock()

    def keep(outcome: Outcome) -> None:
        job = outcome.job
        if outcome.status is Status.DONE:
            (job.folder / KEY_FILE).write_text(keys[job.name], encoding="utf-8")
        with writing:
            outcomes[job.name] = outcome
            write_table()

    def write_table() -> pa.Table:
        folder.mkdir(parents=True, exist_ok=True)
        table = table_of([outcomes[job.name] for job in jobs if job.name in outcomes])
        pa.csv.write_csv(table, folder / CSV_FILE)
        pq.write_table(table, folder / PARQUET_FILE)
        return table

    left = [job for job in jobs if job.name not in outcomes]
    runner.run(_training_jobs(left))
    runner.run(left, keep)
    complete = all(outcome.status is Status.DONE for outcome in outcomes.values())
    return write_table(), complete


def campaign_jobs(
    campaign: CampaignFile,
    folder: Path,
    lease_wait_s: float = 0.0,
    command: str = "",
    policy: Path | None = None,
) -> list[Job]:
    """All benchmarks of a campaign, with a name and a folder each."""
    jobs = []
    for text, (scenario_name, scenario), (variant_name, variant) in itertools.product(
        campaign.targets, campaign.scenarios.items(), campaign.variants.items()
    ):
        name = f"{slug(text)}/{slug(scenario_name)}/{slug(variant_name)}"
        board = parse_target(text).board.name
        if policy is not None and variant.policy is None:
            variant = variant.model_copy(update={"policy": str(policy)})
        trained = folder / TRAINED / f"{board}-{slug(scenario_name)}"
        jobs.append(
            Job(
                name,
                text,
                folder / JOBS / name,
                scenario,
                variant,
                lease_wait_s=lease_wait_s,
                trained=None if variant.policy else trained / "run",
                command=command,
            )
        )
    return jobs


def _training_jobs(jobs: Sequence[Job]) -> list[Job]:
    """One for every policy that several jobs share; a policy is made for a kind of board."""
    by_folder: dict[Path, list[Job]] = {}
    for job in jobs:
        if job.trained is not None:
            by_folder.setdefault(job.trained.parent, []).append(job)
    return [
        Job(
            f"training {folder.name}",
            sharing[0].target,
            folder,
            sharing[0].scenario,
            train_only=True,
            command=sharing[0].command,
        )
        for folder, sharing in by_folder.items()
        if len(sharing) > 1
    ]


def _key(job: Job, code: str) -> str:
    variant = job.variant
    given = {} if variant.policy is None else GivenPolicy.read(Path(variant.policy)).sha256
    options = job.scenario.model_dump_json(), variant.model_dump_json()
    recipe = (job.target, *options, *given.values(), code)
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()


def _done(job: Job, key: str) -> Outcome | None:
    file = job.folder / KEY_FILE
    if not file.exists() or file.read_text(encoding="utf-8") != key:
        return None
    try:
        outcome = Outcome.read(job)
    except (OSError, ValueError):  # removed or altered since: it is run again
        return None
    return outcome if outcome is not None and outcome.status is Status.DONE else None


def table_of(outcomes: Sequence[Outcome]) -> pa.Table:
    """A row per benchmark: who, what, and every figure with its standard uncertainty.

    Figures are named and scaled as in :data:`~host.hil.figures.FIGURE_KINDS`; null where there is
    none, with a provenance that says so.
    """
    return pa.Table.from_pylist([_row(outcome) for outcome in outcomes], schema=_schema())


def _schema() -> pa.Schema:
    text = ("target", "scenario", "variant", "status", "error")
    identity = ("board", "chip_id", "engine", "model_sha256")
    fields = [(name, pa.string()) for name in (*text, *identity)]
    fields += [("clock_hz", pa.int64()), ("outside_specification", pa.bool_())]
    for kind in FIGURE_KINDS:
        fields.append((kind.name, pa.float64()))
        if kind.uncertainty:
            fields.append((f"{kind.name}.uncertainty", pa.float64()))
        fields.append((f"{kind.name}.provenance", pa.string()))
    fields += [("composite", pa.float64()), ("composite_log", pa.float64())]
    return pa.schema(fields)


def _row(outcome: Outcome) -> dict[str, Any]:
    job = outcome.job
    scenario, variant = job.name.split("/")[1:]
    row: dict[str, Any] = {
        "target": job.target,
        "scenario": scenario,
        "variant": variant,
        "status": str(outcome.status),
        "error": outcome.error or None,
    }
    if outcome.result is None:
        return row
    identity: Mapping[str, Any] = outcome.result["identity"]
    for key in ("board", "chip_id", "engine", "model_sha256", "clock_hz"):
        row[key] = identity[key]
    row["outside_specification"] = is_outside(identity)
    metrics = outcome.result["metrics"]
    for kind in FIGURE_KINDS:
        row[f"{kind.name}.provenance"] = metrics[kind.metric]["provenance"]
    for figure in Figures(metrics, job.target):
        row[figure.name] = float(figure)
        row[f"{figure.name}.uncertainty"] = figure.uncertainty
    for name in ("composite", "composite_log"):
        row[name] = outcome.result[name]["value"]
    return row


def print_campaign(table: pa.Table, console: Console) -> None:
    """Print a row per benchmark: the figures that are looked at first, each with its provenance."""
    if not console.is_terminal:
        console.width = max(console.width, LOG_COLUMNS)
    shown = Table(box=None, pad_edge=False)
    for title in ("target", "scenario", "variant", "status"):
        shown.add_column(title, no_wrap=True)
    units = {kind.name: kind.unit for kind in FIGURE_KINDS}
    for name in SHOWN:
        shown.add_column(name, justify="right", no_wrap=True)
    rows = table.to_pylist()
    for row in rows:
        figures = [
            f"{format_value(row[name], units[name])}\n{row[f'{name}.provenance'] or ''}"
            for name in SHOWN
        ]
        shown.add_row(*(row[key] for key in ("target", "scenario", "variant", "status")), *figures)
    console.print(shown)
    for row in rows:
        if row["outside_specification"]:
            where = f"{row['target']}, {row['scenario']}, {row['variant']}"
            clock = f"{row['clock_hz'] / 1e6:g} MHz"
            console.print(f"{where}: at {clock}, {OUTSIDE}", markup=False, soft_wrap=True)
        if row["error"]:
            where = f"{row['target']}, {row['scenario']}, {row['variant']}"
            console.print(f"{where}: {row['error']}", style="red", markup=False, soft_wrap=True)
