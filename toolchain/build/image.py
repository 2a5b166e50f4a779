"""A built image and the folder it lies in."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from toolchain.build.size import SizeReport
from toolchain.errors import InputError
from toolchain.protocol import Engine

SCHEMA = 2
RECORD = "image.json"


@dataclass(frozen=True)
class Image:
    """Firmware and network for one board.

    Attributes:
        elf: the linked program, with symbols.
        uf2: what is copied to the board in BOOTSEL mode; None where there is no flash.
        bin: the same bytes as they lie in flash, from its first address on; None likewise.
        image_sha256: identity of everything that went in, in hex; HELLO reports it.
        model_sha256: of the .tflite, in hex; HELLO reports it.
        fallback_sha256: the same of the fallback network; empty where there is none.
        engine: what computes the network.
        board: name of the board file.
        compiler: what compiled it, with its version.
        size: flash and RAM.
    """

    elf: Path
    uf2: Path | None
    bin: Path | None
    image_sha256: str
    model_sha256: str
    fallback_sha256: str
    engine: Engine
    board: str
    compiler: str
    size: SizeReport

    @property
    def program(self) -> Path:
        """What a target is given to run: UF2, BIN, or the ELF file where that is a process."""
        return self.uf2 or self.bin or self.elf


def save_image(out_dir: Path, image: Image) -> None:
    """Write ``image.json`` and ``size.json`` beside the image's files."""
    record = {
        "schema": SCHEMA,
        "image_sha256": image.image_sha256,
        "model_sha256": image.model_sha256,
        "fallback_sha256": image.fallback_sha256,
        "engine": image.engine.name.lower(),
        "board": image.board,
        "compiler": image.compiler,
        "size": image.size.as_json(),
        "files": {
            key: {"name": path.name, "sha256": _sha256(path)}
            for key, path in (("elf", image.elf), ("uf2", image.uf2), ("bin", image.bin))
            if path is not None
        },
    }
    for name, content in ((RECORD, record), ("size.json", image.size.as_json())):
        text = json.dumps(content, indent=2) + "\n"
        (out_dir / name).write_text(text, encoding="utf-8")


def load_image(out_dir: Path) -> Image:
    """Read a folder that :func:`toolchain.build.build_image` wrote.

    Raises:
        InputError: no image there, one of another version, or a file that was changed since.
    """
    path = out_dir / RECORD
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if record["schema"] != SCHEMA:
            raise InputError(
                f"{path}: schema {record['schema']!r}, this version reads {SCHEMA}",
                hint="build the image again",
            )
        files = {key: _checked(out_dir, entry) for key, entry in record["files"].items()}
        size = {field.name: record["size"][field.name] for field in fields(SizeReport)}
        return Image(
            elf=files["elf"],
            uf2=files.get("uf2"),
            bin=files.get("bin"),
            image_sha256=str(record["image_sha256"]),
            model_sha256=str(record["model_sha256"]),
            fallback_sha256=str(record["fallback_sha256"]),
            engine=Engine[record["engine"].upper()],
            board=str(record["board"]),
            compiler=str(record["compiler"]),
            size=SizeReport(**size),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: no image can be read: {type(error).__name__}: {error}",
            hint="build the image into this folder",
        ) from error


def _checked(out_dir: Path, entry: dict[str, str]) -> Path:
    path = out_dir / Path(entry["name"]).name
    if _sha256(path) != entry["sha256"]:
        raise InputError(
            f"{path}: is not the file that was built (SHA-256 differs)",
            hint="build the image again",
        )
    return path


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
