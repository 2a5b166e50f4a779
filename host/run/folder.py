"""A run is a folder: one subfolder per stage, and a manifest of what each was made from.

A stage's key is the SHA-256 over its name, its parameters, its input stages' artifacts, the source
code of the rooms that it uses and the versions of the packages that it calls. A stage whose key and
artifacts are unchanged is not run again. A stage works in ``.<stage>.partial`` and is renamed when
it is complete, so what was there before is only ever replaced by something whole; a partial folder
with the same key is handed back to the stage, which may go on where it broke off.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from toolchain import __version__
from toolchain.errors import RunFolderError
from toolchain.places import source

SCHEMA = 1
MANIFEST = "manifest.json"
KEY_FILE = ".key"
SOURCE_SUFFIXES = {".py", ".c", ".cc", ".h", ".S", ".in", ".cmake", ".txt", ".toml", ".j2"}

MADE_BY = {"profile": "bench", "variants": "compare"} | dict.fromkeys(
    ("compare-images", "compare-board", "compare-quality"), "compare"
)
"""Commands of stages that have none of their own name."""
OF_A_TARGET = ("bench", "build", "replay", "compare")
"""Commands that take a target."""


@dataclass(frozen=True)
class Stage:
    """One stage of the chain.

    Args:
        name: of its subfolder and its subcommand.
        needs: stages whose artifacts it reads.
        rooms: source folders or files, by their name in a checkout, that decide its result.
        packages: distributions whose versions decide its result.
    """

    name: str
    needs: tuple[str, ...]
    rooms: tuple[str, ...]
    packages: tuple[str, ...] = ()


class RunFolder:
    """A run folder that is open for reading and for running stages.

    Args:
        path: created when it is not there.
        command: recorded with every stage that is run.

    Raises:
        RunFolderError: it is not a run folder, or one of another version.
    """

    def __init__(self, path: Path, command: str) -> None:
        self.path = path
        self.command = command
        manifest = path / MANIFEST
        if manifest.exists():
            self._manifest = _read_manifest(manifest)
        else:
            if path.exists() and not _is_new(path):
                raise RunFolderError(
                    f"{path} exists and is not a run folder (it has no {MANIFEST})",
                    hint="name an empty or a new folder with --out",
                )
            self._manifest = {"schema": SCHEMA, "jouleloop": __version__, "stages": {}}

    @property
    def stages(self) -> dict[str, Any]:
        """The manifest's entries by stage name."""
        entries: dict[str, Any] = self._manifest["stages"]
        return entries

    def artifact(self, stage: str) -> Path:
        """Folder of a stage that is complete.

        Raises:
            RunFolderError: it is missing, or its files are not the ones that were recorded.
        """
        entry = self.stages.get(stage)
        if entry is None:
            raise RunFolderError(
                f"{self.path} has no stage {stage!r}; it has: {', '.join(self.stages) or 'none'}",
                hint=f"run '{self._command_of(stage)}' first",
            )
        folder = self.path / stage
        if _digest_files(folder) != entry["files"]:
            raise RunFolderError(
                f"{folder}: the files are not those that the manifest records",
                hint=f"run '{self._command_of(stage)} --force' to make them anew",
            )
        return folder

    def _command_of(self, stage: str) -> str:
        """That makes a stage of this folder."""
        made_by = MADE_BY.get(stage, stage)
        target = " TARGET" if made_by in OF_A_TARGET else ""
        return f"jouleloop {made_by}{target} --out {self.path}"

    def run(
        self,
        stage: Stage,
        parameters: Mapping[str, Any],
        action: Callable[[Path], None],
        *,
        force: bool = False,
    ) -> bool:
        """Run a stage unless it is complete and unchanged.

        Args:
            stage: what to run.
            parameters: JSON values that decide the result.
            action: makes the artifact in the folder that it is given; that folder has what an
                interrupted attempt with the same key had left.
            force: run it even when nothing has changed, from an empty folder.

        Returns:
            Whether the action was run.

        Raises:
            RunFolderError: a needed stage is missing or altered.
        """
        for needed in stage.needs:
            self.artifact(needed)
        recipe = {
            "stage": stage.name,
            "parameters": dict(parameters),
            "inputs": {name: _sha256_json(self.stages[name]["files"]) for name in stage.needs},
            "code": code_sha256(stage.rooms),
            "packages": _versions(stage.packages),
        }
        key = _sha256_json(recipe)
        folder = self.path / stage.name
        entry = self.stages.get(stage.name)
        if (
            not force
            and entry is not None
            and entry["key"] == key
            and _digest_files(folder) == entry["files"]
        ):
            return False
        partial = self.path / f".{stage.name}.partial"
        key_file = partial / KEY_FILE
        if partial.exists() and (
            force or not key_file.exists() or key_file.read_text(encoding="utf-8") != key
        ):
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        key_file.write_text(key, encoding="utf-8")

        started = time.monotonic()
        action(partial)
        seconds = time.monotonic() - started

        key_file.unlink()
        if folder.exists():
            shutil.rmtree(folder)
        partial.rename(folder)
        self.stages[stage.name] = {
            "key": key,
            **recipe,
            "files": _digest_files(folder),
            "command": self.command,
            "seconds": round(seconds, 3),
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._save()
        return True

    def as_made(self, stage: Stage, parameters: Mapping[str, Any]) -> bool:
        """Whether a stage is complete and made from what the folder has now, by whatever version.

        For where it cannot be made again: unlike :meth:`run`, this asks neither for its source nor
        for its packages.

        Args:
            stage: which.
            parameters: those that it must have been made with; others are not looked at.
        """
        entry = self.stages.get(stage.name)
        if entry is None or any(name not in self.stages for name in stage.needs):
            return False
        if _digest_files(self.path / stage.name) != entry["files"]:
            return False
        wanted = json.loads(json.dumps(dict(parameters)))
        inputs = {name: _sha256_json(self.stages[name]["files"]) for name in stage.needs}
        made_with = {name: entry["parameters"].get(name) for name in wanted}
        return bool(made_with == wanted and entry["inputs"] == inputs)

    def _save(self) -> None:
        self._manifest |= {
            "jouleloop": __version__,
            "python": sys.version.split()[0],
            "command": self.command,
        }
        self.path.mkdir(parents=True, exist_ok=True)
        temporary = self.path / f".{MANIFEST}.partial"
        temporary.write_text(json.dumps(self._manifest, indent=2) + "\n", encoding="utf-8")
        temporary.replace(self.path / MANIFEST)


def _is_new(path: Path) -> bool:
    """Whether a folder holds nothing but what a first stage left that did not get through."""
    return path.is_dir() and all(entry.name.endswith(".partial") for entry in path.iterdir())


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def code_sha256(rooms: Iterable[str]) -> str:
    """SHA-256 over the source files of rooms, by their name in a checkout, in hex."""
    digest = hashlib.sha256()
    for room in sorted(rooms):
        path = source(room)
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.suffix in SOURCE_SUFFIXES:
                digest.update(f"{(room / file.relative_to(path)).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def read_json(path: Path) -> Any:
    """Read what :func:`write_json` wrote."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON values; NaN is refused."""
    path.write_text(json.dumps(value, indent=2, allow_nan=False) + "\n", encoding="utf-8")


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"{path} cannot be read: {error}",
            hint="restore it, or name another folder; nothing in this one was changed",
        ) from error
    schema = manifest.get("schema") if isinstance(manifest, dict) else None
    if schema != SCHEMA or not isinstance(manifest.get("stages"), dict):
        raise RunFolderError(
            f"{path}: schema {schema!r} (jouleloop {manifest.get('jouleloop', 'unknown')!r}); "
            f"this version reads schema {SCHEMA}"
            if isinstance(manifest, dict)
            else f"{path}: not a manifest",
            hint="name another folder with --out; nothing in this one was changed",
        )
    return manifest


def _digest_files(folder: Path) -> dict[str, str] | None:
    if not folder.is_dir():
        return None
    return {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def _sha256_json(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _versions(packages: Iterable[str]) -> dict[str, str | None]:
    versions: dict[str, str | None] = {}
    for package in packages:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = None
    return versions
