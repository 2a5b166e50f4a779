"""The commands that the documents tell a reader to type exist; links and files lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.exceptions import TyperException

from host.cli import app
from toolchain.errors import JouleloopError

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMANDS = typer.main.get_command(app).commands
ROOMS = ("host", "toolchain", "firmware", "boards", "tests", "docs")
SHELLS = {"", "sh", "bash", "shell", "console"}

every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


def tokens(document: Path) -> Iterator[Token]:
    for token in MarkdownIt().enable("table").parse(document.read_text(encoding="utf-8")):
        yield token
        yield from token.children or ()


def jouleloop_lines(text: str) -> Iterator[list[str]]:
    """Words behind ``jouleloop`` of every line that calls it."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\|\||;", line):
            if "jouleloop" in part:
                words = shlex.split(part.removeprefix("$ "), comments=True)
                while words and ("=" in words[0] or words[0] in {"sudo", "run:", "-"}):
                    words.pop(0)
                if words and words[0].rpartition("/")[2] == "jouleloop":
                    yield words[1:]


def block_lines(document: Path) -> list[list[str]]:
    """The calls of ``jouleloop`` in a document's blocks of code."""
    return [
        words
        for token in tokens(document)
        if token.type in {"code_block", "fence"} and token.info.partition(" ")[0] in SHELLS
        for words in jouleloop_lines(token.content)
    ]


@every_document
def test_every_call_in_a_block_parses(document):
    wrong = []
    for words in block_lines(document):
        if not words[0].startswith("-") and "$" not in "".join(words):
            try:
                COMMANDS[words[0]].make_context(words[0], words[1:])  # parses, and runs nothing
            except (KeyError, TyperException, JouleloopError) as error:
                wrong.append(f"jouleloop {shlex.join(words)}: {error!r}")
    assert not wrong, "\n".join(wrong)


def test_the_documents_show_calls():
    assert sum(len(block_lines(document)) for document in DOCUMENTS) > 30


@every_document
def test_every_command_in_the_text_exists_with_its_options(document):
    for token in tokens(document):
        words = token.content.split() if token.type == "code_inline" else []
        if words[:1] == ["jouleloop"] and words[1:] and re.match("[a-z]", words[1]):
            command = COMMANDS.get(words[1])
            assert command is not None, f"{document.name}: {token.content}"
            known = {"--help", *(name for option in command.params for name in option.opts)}
            given = {word.partition("=")[0] for word in words[2:] if word.startswith("-")}
            assert given <= known, f"{document.name}: {token.content}"


@every_document
def test_every_link_within_the_project_leads_somewhere(document):
    for token in tokens(document):
        target = token.attrGet("href") or token.attrGet("src")
        if isinstance(target, str) and not re.match(r"[a-z]+:|#", target):
            assert (document.parent / target.partition("#")[0]).exists(), (
                f"{document.name}: {target}"
            )


@every_document
def test_every_file_that_is_named_exists(document):
    for token in tokens(document):
        if token.type == "code_inline" and re.match(rf"({'|'.join(ROOMS)})/", token.content):
            path = token.content.partition(":")[0]
            assert " " in path or "<" in path or list(ROOT.glob(path)), f"{document.name}: {path}"


def test_the_readme_lists_every_document():
    linked = {token.attrGet("href") for token in tokens(DOCUMENTS[0])}
    assert {f"docs/{document.name}" for document in DOCUMENTS[1:]} <= linked
