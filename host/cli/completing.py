"""What the shell offers for an argument: targets, run folders, policies, meters, networks.

A shell waits for this at every press of a key, so nothing heavy is imported: board files are read
as plain TOML, and a name that a heavy package owns stands in :mod:`host.presets`.
"""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

from host.presets import BASELINE_NAMES
from toolchain.places import BOARDS_DIR

Offer = tuple[str, str]
"""A value and what it is."""

BASH_VARIABLE = "_JOULELOOP_COMPLETE"
MANIFEST = "manifest.json"
RUNS = Path("runs")


def board_files() -> list[dict[str, Any]]:
    """Every board file, as it stands; one that is no TOML is left out."""
    files = []
    for path in sorted(BOARDS_DIR.glob("*/board.toml")):
        try:
            files.append(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, tomllib.TOMLDecodeError):
            continue
    return files


def boards(incomplete: str) -> list[Offer]:
    """The boards' names."""
    return _starting((board["name"], board["title"]) for board in board_files())(incomplete)


def targets(incomplete: str) -> list[Offer]:
    """Boards, plugged in and emulated, and those that the serial ports tell of."""
    from serial.tools import list_ports

    ports = list(list_ports.comports())
    offers: list[Offer] = []
    for board in board_files():
        name, title = board["name"], board["title"]
        own = board.get("usb", {})
        if board["chip"] == "posix":
            offers.append((name, title))
            continue
        offers.append((name, f"{title} that is plugged in"))
        if "emulator" in board:
            offers.append((f"{name}@emulator", f"{title}, emulated"))
            if own:
                offers.append((f"{name}@emulator+usb", f"{title}, emulated, by its USB line"))
        for port in ports:
            if own and (port.vid, port.pid) == (own["vendor_id"], own["product_id"]):
                where = port.serial_number or port.device
                offers.append((f"{name}@{where}", f"{title} on {port.device}"))
            elif "@" in incomplete:  # any adapter may have any board behind it
                offers.append((f"{name}@{port.device}", f"{port.description}"))
    return _starting(offers)(incomplete)


def run_folders(incomplete: str) -> list[Offer]:
    """Run folders, those under ``runs`` first, and the folders that others may be in."""
    typed = Path(incomplete)
    parent = typed if incomplete.endswith(os.sep) else typed.parent
    offers = [] if incomplete else [(str(p), "run folder") for p in _folders(RUNS) if _is_run(p)]
    offers += [
        (str(p), "run folder") if _is_run(p) else (f"{p}{os.sep}", "folder")
        for p in _folders(parent)
    ]
    return _starting(dict.fromkeys(offers))(incomplete)


def runs(incomplete: str) -> list[Offer]:
    """Run folders, those under ``runs`` by their names alone."""
    names = [(p.name, "run folder") for p in _folders(RUNS) if _is_run(p)]
    return _starting(names)(incomplete) + (run_folders(incomplete) if incomplete else [])


def policies(incomplete: str) -> list[Offer]:
    """Baselines, run folders, and files that hold a policy."""
    typed = Path(incomplete)
    parent = typed if incomplete.endswith(os.sep) else typed.parent
    files = [(str(p), "policy") for p in _entries(parent) if p.suffix in (".npz", ".tflite")]
    named = [(name, "baseline") for name in BASELINE_NAMES]
    return _starting([*named, *files])(incomplete) + run_folders(incomplete)


def one_of(*names: str) -> Callable[[str], list[Offer]]:
    """Offers fixed names."""
    return _starting((name, "") for name in names)


def _starting(offers: Iterable[Offer]) -> Callable[[str], list[Offer]]:
    fixed = list(offers)

    def starting(incomplete: str) -> list[Offer]:
        return [offer for offer in fixed if offer[0].startswith(incomplete)]

    return starting


KERNELS = one_of("portable", "m0plus", "rv32im")
METERS = one_of("board", "none", "ppk2", "joulescope", "trace:")


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    except OSError:
        return []


def _folders(folder: Path) -> list[Path]:
    return [p for p in _entries(folder) if p.is_dir()]


def _is_run(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


@contextmanager
def whole_words(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Let a target be one word for Bash, which splits ``pico@emulator`` at the ``@``.

    Bash gives the parts as words of their own and replaces only the last; so they are joined
    before Typer sees them, and what Bash has already is cut from what is offered.
    """
    if environ.get(BASH_VARIABLE) != "complete_bash":
        yield
        return
    words = environ.get("COMP_WORDS", "").split("\n")
    cursor = int(environ.get("COMP_CWORD", "0"))
    words, last = words[: cursor + 1], words[cursor] if cursor < len(words) else ""
    joined: list[str] = []
    for word in words:
        if joined and ("@" in (word[:1], joined[-1][-1:])):
            joined[-1] += word
        else:
            joined.append(word)
    own = "" if last == "@" else last
    have = joined[-1].removesuffix(own) if joined else ""
    environ["COMP_WORDS"], environ["COMP_CWORD"] = "\n".join(joined), str(len(joined) - 1)
    said = StringIO()
    try:
        with redirect_stdout(said):
            yield
    finally:
        for line in said.getvalue().splitlines():
            sys.stdout.write(line.removeprefix(have) + "\n")
