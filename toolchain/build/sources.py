"""Which files make an image, under names that are the same on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolchain.board import Board
from toolchain.errors import BuildError, InputError
from toolchain.places import FIRMWARE_DIR
from toolchain.protocol import Engine

MODEL_SOURCES = {
    Engine.AOT: ("jl_model.c",),
    Engine.TFLM: ("jl_model_data.c",),
    Engine.FLOAT: ("jl_model_float.c",),
}
"""The generated C that each engine takes from a compiled model's folder."""

MODEL_ASSEMBLY = {Engine.AOT: ("jl_model_layers.S",)}
"""Generated assembly that some kernel sets add to it."""

FALLBACK_SYMBOL = "jl_fallback"
"""What a fallback network is compiled under, in ``jl_model``'s place."""

ENGINE_FOLDERS: dict[Engine, Callable[[str], tuple[str, ...]]] = {
    Engine.AOT: lambda chip: ("engine/aot", "kernels"),
    Engine.TFLM: lambda chip: ("engine/tflm",),
    Engine.FLOAT: lambda chip: ("engine/float", f"engine/float/{chip}"),
}
"""Folders of firmware/ that an engine is made of, given the chip."""

PROFILE_FOLDERS = ("engine/profile", "kernels")
"""Those of the engine aot for a program that takes readings around its layers."""

_COMPILED = frozenset({".c", ".cc", ".S"})
_CODE = _COMPILED | {".h"}
_BUILD_FILES = frozenset({".cmake", ".in"})


@dataclass(frozen=True)
class SourceSet:
    """Everything that is compiled or read for one image.

    Attributes:
        network: C files of engine, kernels and generated model, in link order.
        includes: folders of their headers.
        files: every file that can change the image, by its machine-independent name.
    """

    network: tuple[Path, ...]
    includes: tuple[Path, ...]
    files: Mapping[str, Path]

    def folders(self) -> dict[Path, str]:
        """Every source folder and its machine-independent name."""
        return {path.resolve().parent: name.rpartition("/")[0] for name, path in self.files.items()}


def collect(
    board: Board,
    model_dir: Path,
    engine: Engine,
    engine_sources: Sequence[Path] | None,
    fallback_dir: Path | None = None,
) -> SourceSet:
    """Gather the sources of an image.

    Args:
        board: its chip names the port.
        model_dir: folder that :mod:`toolchain.compile` wrote.
        engine: which engine is linked.
        engine_sources: C files that implement ``jl_inference.h`` all by themselves; they stand in
            for engine, kernels and generated model. For tests of the firmware.
        fallback_dir: the same as ``model_dir`` for the fallback network.

    Raises:
        BuildError: no port for the chip, or no sources for the engine.
        InputError: a model's folder lacks the generated C.
    """
    port_dir = FIRMWARE_DIR / "port" / board.chip
    if not port_dir.is_dir():
        raise BuildError(
            f"board {board.name!r}: the firmware has no port for chip {board.chip!r}",
            hint=f"chips with a port: {', '.join(_ports())}",
        )
    files = {"firmware/CMakeLists.txt": FIRMWARE_DIR / "CMakeLists.txt"}
    for folder in ("cmake", "core", "include", "meter", "port/bare", f"port/{board.chip}"):
        files |= _named(f"firmware/{folder}", _files_in(FIRMWARE_DIR / folder))

    if engine_sources is not None:
        network = {f"network/{path.name}": path for path in sorted(engine_sources)}
        return SourceSet(tuple(network.values()), (), files | network)

    engine_name = engine.name.lower()
    marked = engine is Engine.AOT and _manifest(model_dir).get("marked", False)
    folders = PROFILE_FOLDERS if marked else ENGINE_FOLDERS[engine](board.chip)
    code: dict[str, Path] = {}
    for folder in folders:
        found = _named(f"firmware/{folder}", _files_in(FIRMWARE_DIR / folder))
        if not found:
            raise BuildError(
                f"the engine {engine_name!r} has nothing in firmware/{folder}, so it does not run "
                f"on chip {board.chip!r}",
                hint="build with the engine aot",
            )
        code |= found
    code |= _generated("model", model_dir, engine)
    includes = [*(FIRMWARE_DIR / folder for folder in folders), model_dir]
    if fallback_dir is not None:
        code |= _generated("fallback", fallback_dir, engine, FALLBACK_SYMBOL)
        includes.append(fallback_dir)
    compiled = tuple(code[name] for name in sorted(code) if code[name].suffix in _COMPILED)
    return SourceSet(compiled, tuple(includes), files | code)


def _generated(
    prefix: str, folder: Path, engine: Engine, symbol: str = "jl_model"
) -> dict[str, Path]:
    """The files that an engine takes from one compiled model's folder."""
    found: dict[str, Path] = {}
    for name in MODEL_SOURCES[engine]:
        source = folder / name.replace("jl_model", symbol)
        for path in (source, source.with_suffix(".h")):
            if not path.is_file():
                raise InputError(
                    f"{folder}: lacks {path.name}", hint="compile the model into this folder"
                )
            found[f"{prefix}/{path.name}"] = path
    assembly = (folder / n.replace("jl_model", symbol) for n in MODEL_ASSEMBLY.get(engine, ()))
    return found | _named(prefix, assembly)


def model_sha256(model_dir: Path) -> str:
    """SHA-256 of the .tflite behind a compiled model's folder, in hex, from its ``model.json``.

    Raises:
        InputError: no such file, or it names no SHA-256.
    """
    manifest = _manifest(model_dir)
    try:
        value = manifest["sha256"]
        if len(bytes.fromhex(value)) != hashlib.sha256().digest_size:
            raise ValueError(f"{value!r} is no SHA-256")
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{model_dir / 'model.json'}: the model's SHA-256 cannot be read: {error}",
            hint="compile the model into this folder again",
        ) from error
    return str(value)


def _manifest(model_dir: Path) -> dict[str, Any]:
    path = model_dir / "model.json"
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(manifest, dict):
            raise ValueError("it is no object")
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read: {error}", hint="compile the model into this folder again"
        ) from error
    return manifest


def image_sha256(
    sources: SourceSet, generated: Mapping[str, str], settings: Mapping[str, str]
) -> bytes:
    """Identity of an image: SHA-256 over everything that can change its bytes.

    Args:
        sources: the files.
        generated: text of the generated headers by name, with the image's own SHA-256 as zeros.
        settings: compiler, memory placement and the like by name.

    Raises:
        BuildError: a source cannot be read.
    """
    parts: dict[str, bytes] = {name: text.encode() for name, text in generated.items()}
    parts |= {f"setting/{name}": text.encode() for name, text in settings.items()}
    for name, path in sources.files.items():
        try:
            parts[name] = path.read_bytes()
        except OSError as error:
            raise BuildError(f"{path}: cannot be read: {error}") from error
    digest = hashlib.sha256()
    for name in sorted(parts):
        digest.update(f"{name}\n{hashlib.sha256(parts[name]).hexdigest()}\n".encode())
    return digest.digest()


def _ports() -> list[str]:
    return sorted(path.name for path in (FIRMWARE_DIR / "port").iterdir() if path.is_dir())


def _files_in(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.suffix in _CODE | _BUILD_FILES]


def _named(prefix: str, paths: Iterable[Path]) -> dict[str, Path]:
    return {f"{prefix}/{path.name}": path for path in paths if path.is_file()}
