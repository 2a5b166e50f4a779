"""Finding a run folder that is there, and reading its result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from host.run.folder import MANIFEST, RunFolder
from toolchain.errors import RunFolderError

RUNS = Path("runs")
"""Where run folders are made and looked for."""
BENCH_STAGES = ("generate", "train", "quantize", "compile", "build", "replay", "report")
"""The stages of a benchmark, in order."""


def find_run(named: str | Path) -> Path:
    """The run folder of a path, or of a name under :data:`RUNS`.

    Raises:
        RunFolderError: there is none.
    """
    for path in (Path(named), RUNS / named):
        if (path / MANIFEST).is_file():
            return path
    path = Path(named)
    hint = "'jouleloop runs' lists the run folders"
    if path.is_file():
        raise RunFolderError(f"{path} is a file, not a run folder", hint=hint)
    if path.is_dir():
        raise RunFolderError(f"{path} is not a run folder (it has no {MANIFEST})", hint=hint)
    raise RunFolderError(f"there is no run folder {path}", hint=hint)


def missing_stages(folder: RunFolder) -> list[str]:
    """The stages of a benchmark that a run folder lacks, in order."""
    return [stage for stage in BENCH_STAGES if stage not in folder.stages]


def finished_run(path: Path) -> tuple[RunFolder, dict[str, Any]]:
    """A run folder whose benchmark is finished, and its result as JSON values.

    Args:
        path: as :func:`find_run` gives it.

    Raises:
        RunFolderError: a stage is missing or altered, or the result is of another schema.
    """
    from host.result import RESULT_FILE, read_result

    folder = RunFolder(path, "")
    missing = missing_stages(folder)
    if missing:
        raise RunFolderError(
            f"{path} is not finished: stage {missing[0]!r} is missing"
            + (f", and after it {', '.join(missing[1:])}" if missing[1:] else ""),
            hint=goes_on(folder),
        )
    return folder, read_result(folder.artifact("report") / RESULT_FILE)


def goes_on(folder: RunFolder) -> str:
    """What to do with a run folder that is not finished."""
    commands = [entry["command"] for entry in folder.stages.values() if entry.get("command")]
    if commands and commands[-1].startswith("jouleloop bench"):
        return f"'{commands[-1]}' goes on where it broke off"
    return f"'jouleloop bench TARGET --out {folder.path}' runs what is missing"
