"""``jouleloop flash``: a run's image, or a file, onto a target."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from host.chain.commands import RUNS
from host.chain.stages import BUILD
from host.flash import Program, Tell, flash_steps, flash_target, open_program
from host.run import RunFolder
from host.target import Target, parse_target
from toolchain.build import load_image
from toolchain.build.image import RECORD
from toolchain.errors import InputError, RunFolderError


def flash_run(
    target_text: str,
    out: Path | str | None = None,
    *,
    file: Path | str | None = None,
    flash: bool = True,
    method: str | None = None,
    force: bool = False,
    dry_run: bool = False,
    tell: Tell = lambda line: None,
) -> dict[str, Any]:
    """Flash a target; returns JSON values about what answers, or what would be done.

    Args:
        target_text: the target.
        out: run folder whose image it is; without it and ``file``, that of the newest run.
        file: an image in its place.
        flash: write it where the target runs something else; otherwise what runs must be it.
        method: by which way; None for the first that works.
        force: write it whatever the target runs.
        dry_run: change nothing.
        tell: is told every step before it is done.

    Raises:
        JouleloopError: the target cannot be flashed, or something else answers.
    """
    if out is not None and file is not None:
        raise InputError("--out and --image name an image each", hint="leave out one of them")
    target = parse_target(target_text)
    program = Program.read(Path(file), target.board) if file else _of_run(target, out)
    about: dict[str, Any] = {"target": str(target), "file": str(program.file)}
    if dry_run:
        steps = flash_steps(target, program, method=method, force=force)
        return about | {"dry_run": True, "steps": steps}
    if not flash:
        with open_program(target, program, flash=False) as (_, identity):
            return about | {"written": False, "method": None} | asdict(identity)
    done = flash_target(target, program, method=method, force=force, tell=tell)
    return (
        about
        | {"written": done.written, "method": done.method, "port": done.port}
        | asdict(done.identity)
    )


def _of_run(target: Target, out: Path | str | None) -> Program:
    folder = Path(out) if out else newest_run(target.board.name)
    image = load_image(RunFolder(folder, "").artifact(BUILD.name))
    return Program.of(image, target.board)


def newest_run(board: str, runs: Path = RUNS) -> Path:
    """The run folder whose image for a board was built last.

    Raises:
        RunFolderError: there is none.
    """
    records = sorted(
        runs.glob(f"*/{BUILD.name}/{RECORD}"), key=lambda file: file.stat().st_mtime, reverse=True
    )
    for record in records:
        if load_image(record.parent).board == board:
            return record.parents[1]
    raise RunFolderError(
        f"no run in {runs}/ has an image for {board}",
        hint="name a run folder with --out DIR or a file with --image FILE; 'jouleloop bench "
        f"{board}@emulator' makes one",
    )
