"""docs/TUTORIAL.md word for word, as a new user: its commands in order, in a fresh environment.

Blocks ``sh`` are typed; blocks ``sh desk`` need a board and are left out; blocks with the name of a
file are that file. A block ``text`` is what the block before it printed, with lines left out, and
figures and hashes aside. Run with ``make tutorial``; it trains, which takes minutes, and needs the
network for pip.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

pytestmark = pytest.mark.install
TUTORIAL = Path(__file__).resolve().parents[2] / "docs" / "TUTORIAL.md"
MARK = "--- block"
FIGURE = re.compile(r"\b[0-9a-f]{8,64}\b|[-+±]?\d[\d,.]*(e[-+]?\d+)?")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else its first line says, its text and line."""

    language: str
    rest: str
    text: str
    line: int


def blocks() -> list[Block]:
    tokens = MarkdownIt().parse(TUTORIAL.read_text(encoding="utf-8"))
    return [
        Block(*token.info.partition(" ")[::2], token.content, token.map[0] + 1)
        for token in tokens
        if token.type == "fence"
    ]


def plain(line: str) -> str:
    """A line without figures, hashes and widths."""
    return " ".join(FIGURE.sub("#", line).split())


def missing_lines(shown: str, printed: str) -> list[str]:
    """Lines of a shown output that were not printed, in that order."""
    rest = iter([plain(line) for line in printed.splitlines()])
    wanted = [line for line in shown.splitlines() if line.strip() not in {"", "..."}]
    return [line for line in wanted if plain(line) not in rest]


def script() -> str:
    lines = ["set -e"]
    for block in blocks():
        if block.language == "sh" and not block.rest:
            lines += [f"echo '{MARK}' {block.line}", block.text]
        elif block.language != "sh" and block.rest:
            name = block.rest
            lines += [f"mkdir -p $(dirname {name}); cat > {name} <<'END OF FILE'", block.text[:-1]]
            lines += ["END OF FILE"]
    return "\n".join(lines)


def test_the_tutorial_word_for_word(checkout: Path, tmp_path: Path, record_property) -> None:
    (tmp_path / "jouleloop").symlink_to(checkout)
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    cache = os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip"))
    begun = time.monotonic()
    ran = subprocess.run(
        ["bash", "-c", script()],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        stdin=subprocess.DEVNULL,
        env=kept
        | {"HOME": str(home), "PIP_CACHE_DIR": cache, "COLUMNS": "100"}
        | {"PATH": os.environ["PATH"]},
    )
    record_property("seconds", round(time.monotonic() - begun))
    print(f"{time.monotonic() - begun:.0f} s\n{ran.stdout}")
    assert ran.returncode == 0, ran.stdout[-3000:]

    printed = dict(re.findall(rf"^{MARK} (\d+)\n(.*?)(?=^{MARK} |\Z)", ran.stdout, re.M | re.S))
    last = ""
    wrong = []
    for block in blocks():
        if block.language == "sh" and not block.rest:
            last = printed[str(block.line)]
        elif block.language == "text":
            wrong += [f"line {block.line}: {line}" for line in missing_lines(block.text, last)]
    assert not wrong, "\n".join(wrong)
