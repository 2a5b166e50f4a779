"""The run folders under a folder, and what is to be said of each in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from host.run.folder import MANIFEST, RunFolder
from host.run.reading import BENCH_STAGES, RUNS, goes_on, missing_stages
from toolchain.errors import InputError, RunFolderError

FIGURES = ("composite", "energy_per_decision", "inference_latency")
"""What is listed of a result."""


class RunState(StrEnum):
    """How far a run got."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"
    """A stage is missing; the same command goes on."""
    TRAINED = "trained"
    """A scenario and a policy that the jobs of a campaign share; no more was to be made."""
    BROKEN = "broken"
    """What is there cannot be used as it is."""


@dataclass(frozen=True)
class ListedFigure:
    """A figure of a result.

    Attributes:
        value: in ``unit``; None where there is none.
        unit: as in ``result.json``.
        provenance: how it came about.
    """

    value: float | None
    unit: str
    provenance: str


@dataclass(frozen=True)
class ListedRun:
    """A run folder in one line.

    Attributes:
        path: of the folder.
        state: how far it got.
        reason: what is missing or broken; empty when it is finished.
        next: what to do about it; empty when it is finished.
        target: ``BOARD@WHERE``; the board's name before a replay, empty before a build.
        preset: size of the run; empty where no stage records it.
        seed: of the replayed scenario; None likewise.
        generator: of the scenario; ``own tables`` where it was made from some.
        stages: complete ones, in the order that they were made in.
        interrupted: stages that left something unfinished behind.
        finished: when the newest stage was finished, ISO 8601 with offset; empty where none was.
        figures: of the result, by name; empty where there is none.
    """

    path: Path
    state: RunState
    reason: str = ""
    next: str = ""
    target: str = ""
    preset: str = ""
    seed: int | None = None
    generator: str = ""
    stages: tuple[str, ...] = ()
    interrupted: tuple[str, ...] = ()
    finished: str = ""
    figures: Mapping[str, ListedFigure] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "path": str(self.path), "state": str(self.state)}


def list_runs(folder: Path = RUNS) -> list[ListedRun]:
    """Every run folder at or under a folder, the newest first; broken ones with the reason.

    Those of ``hil`` and of campaigns, which are folders deeper, are among them.

    Args:
        folder: where to look; nothing is listed where the default one is not there.

    Raises:
        InputError: it is not a folder.
    """
    if not folder.is_dir():
        if folder == RUNS and not folder.exists():
            return []
        raise InputError(
            f"{folder} is not a folder", hint="name one that run folders are under, such as runs"
        )
    runs = [_listed(path) for path in _run_folders(folder)]
    return sorted(runs, key=lambda run: (run.finished, str(run.path)), reverse=True)


def _run_folders(folder: Path) -> Iterator[Path]:
    """Folders that are a run's; what is in them is not looked through."""
    try:
        folders = sorted(p for p in folder.iterdir() if p.is_dir() and not p.is_symlink())
    except OSError:
        yield folder  # it says why when it is read
        return
    stages = {p.name.removesuffix(".partial").removeprefix(".") for p in folders}
    if (folder / MANIFEST).exists() or stages & set(BENCH_STAGES):
        yield folder
        return
    for inner in folders:
        if not inner.name.startswith("."):
            yield from _run_folders(inner)


def _listed(path: Path) -> ListedRun:
    try:
        interrupted = tuple(
            p.name.removesuffix(".partial").removeprefix(".")
            for p in sorted(path.glob(".*.partial"))
            if p.is_dir()
        )
        if not (path / MANIFEST).exists():
            return _without_manifest(path, interrupted)
        run = RunFolder(path, "")
        known: dict[str, Any] = {
            "stages": tuple(run.stages),
            "interrupted": interrupted,
            "finished": max((e["finished"] for e in run.stages.values()), default=""),
            **_settings(run),
        }
        missing = missing_stages(run)
    except (OSError, RunFolderError) as error:
        return ListedRun(path, RunState.BROKEN, _first_line(error), _remedy(path))
    except (KeyError, TypeError, AttributeError) as error:
        reason = f"{path / MANIFEST} is not a manifest: {type(error).__name__} {error}"
        return ListedRun(path, RunState.BROKEN, reason, _remedy(path))
    lost = _lost(run)
    if lost:
        return ListedRun(path, RunState.BROKEN, lost, goes_on(run), **known)
    if missing:
        outcome = _outcome_of_job(path)
        if outcome.get("status") == "done":
            return ListedRun(path, RunState.TRAINED, **known)
        what = "was interrupted" if missing[0] in interrupted else "is missing"
        lines = str(outcome.get("error") or "").splitlines()
        reason = ", ".join([f"{missing[0]} {what}", *lines[:1]])
        return ListedRun(path, RunState.UNFINISHED, reason, goes_on(run), **known)
    try:
        return ListedRun(path, RunState.FINISHED, figures=_figures(run), **known)
    except RunFolderError as error:
        return ListedRun(path, RunState.BROKEN, _first_line(error), error.hint or "", **known)


def _without_manifest(path: Path, interrupted: tuple[str, ...]) -> ListedRun:
    complete = [stage for stage in BENCH_STAGES if (path / stage).exists()]
    if complete:
        reason = f"it has no {MANIFEST}, but {', '.join(complete)}"
        return ListedRun(path, RunState.BROKEN, reason, _remedy(path), interrupted=interrupted)
    return ListedRun(
        path,
        RunState.UNFINISHED,
        f"{interrupted[0]} was interrupted",
        f"'jouleloop bench TARGET --out {path}' goes on",
        interrupted=interrupted,
    )


def _outcome_of_job(path: Path) -> dict[str, Any]:
    """What the job of ``hil`` or of a campaign left that the run is of; nothing where it is none.

    Its shape is that of :class:`host.hil.job.Outcome`, which is a room above this one.
    """
    try:
        outcome = json.loads((path.parent / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return outcome if isinstance(outcome, dict) else {}


def _remedy(path: Path) -> str:
    return f"remove {path}, or run the benchmark into another folder"


def _first_line(error: Exception) -> str:
    return getattr(error, "message", None) or str(error)


def _settings(run: RunFolder) -> dict[str, Any]:
    """Target, preset, seed and generator, as far as the stages record them."""
    parameters = {name: entry["parameters"] for name, entry in run.stages.items()}
    made = parameters.get("generate", {})
    board = parameters.get("build", {}).get("board", {}).get("name", "")
    return {
        "target": parameters.get("replay", {}).get("target", board),
        "preset": made.get("preset", ""),
        "seed": made.get("seed"),
        "generator": "own tables" if made.get("tables") else made.get("generator", ""),
    }


def _lost(run: RunFolder) -> str:
    """Which files of the complete stages are not there; whether they are the same is not looked."""
    for stage, entry in run.stages.items():
        gone = [name for name in entry["files"] if not (run.path / stage / name).is_file()]
        if gone:
            more = f" and {len(gone) - 1} more files" if gone[1:] else ""
            return f"{stage} has lost {gone[0]}{more}"
    return ""


def _figures(run: RunFolder) -> dict[str, ListedFigure]:
    """Of the result.

    Raises:
        RunFolderError: the report's files were altered, or the result is of another schema.
    """
    from host.result import RESULT_FILE, read_result

    result = read_result(run.artifact("report") / RESULT_FILE)
    listed = {"composite": result["composite"], **result["metrics"]}
    return {
        name: ListedFigure(*(listed[name][key] for key in ("value", "unit", "provenance")))
        for name in FIGURES
    }
