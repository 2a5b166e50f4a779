"""The API pages: every room has one, nothing is fetched, and no docstring is a warning."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import host
import toolchain

ROOT = Path(__file__).resolve().parents[2]
FRONT = ("Bench a board", "Hardware in the loop, in CI", "Accuracy against joules")


def rooms() -> Iterator[str]:
    for package in (host, toolchain):
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if found.ispkg and found.name != "host.cli":
                yield found.name


def test_the_pages(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(ROOT / "docs" / "pages" / "build.py"), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    front = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert all(title in front for title in FRONT)
    for room in rooms():
        text = (tmp_path / (room.replace(".", "/") + ".html")).read_text(encoding="utf-8")
        names = importlib.import_module(room).__all__
        assert not [name for name in names if f'id="{name}"' not in text], room
    for page in tmp_path.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"<(script|link|img|iframe)[^>]*(src|href)=\"?(https?:)?//", text)


@pytest.mark.parametrize("name_of_room", list(rooms()))
def test_a_room_is_curated(name_of_room: str) -> None:
    """A name is there once and is documented; a docstring names no argument that is not taken."""
    room: ModuleType = importlib.import_module(name_of_room)
    assert len(set(room.__all__)) == len(room.__all__)
    for name in room.__all__:
        thing = getattr(room, name)
        if not inspect.isroutine(thing) and not inspect.isclass(thing):
            continue  # a constant is described where it is defined
        text = inspect.getdoc(thing)
        assert text, f"{room.__name__}.{name}"
        if inspect.isfunction(thing):
            taken = set(inspect.signature(thing).parameters)
            section = re.search(r"^Args:\n(.*?)(?:\n\S|\Z)", text, re.S | re.M)
            said = re.findall(r"^    (\w+):", section[1], re.M) if section else []
            assert set(said) <= taken, f"{room.__name__}.{name}: {set(said) - taken}"
            # Where one is explained, all are.
            assert not said or set(said) == taken, f"{room.__name__}.{name}: {taken - set(said)}"
