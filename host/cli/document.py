"""``docs/COMMANDS.md``, rendered from the commands themselves.

Run ``python -m host.cli.document`` to write it; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any

import typer

from host.cli import COMMANDS, app, examples
from host.cli.exits import ExitCode
from host.cli.output import OutputOptions
from toolchain.places import PACKAGES_DIR

DOCUMENT = PACKAGES_DIR / "docs" / "COMMANDS.md"
"""Where the document lies in a checkout."""

EVERYWHERE = {"json", *(f.name.replace("_", "-") for f in fields(OutputOptions))}
"""Options of every command, without their dashes."""

_INTRODUCTION = """\
# The commands

<!-- Rendered by host/cli/document.py from the commands in host/cli: change those. -->

`jouleloop --help` lists them, `jouleloop COMMAND --help` says what each takes. The same from Python
is in [API.md](API.md).

Results go to stdout, everything else to stderr: progress, remarks and errors. An error is one line
with the value and the limit, and one with the next step. Colours and moving bars are for terminals;
a file or a pipe gets plain lines.

Every command takes the following; all but `--json` may stand before its name as well.

| Option | Meaning |
|---|---|
"""

_EXIT_CODES = """
## Exit codes

| Code | Meaning |
|---|---|
"""

_COMPLETION = """
## Completion

`jouleloop --install-completion` writes completion for your shell (Bash, Zsh, Fish or PowerShell)
into its start-up files; a new shell has it. Boards and what is plugged in are offered as targets
(`jouleloop bench pico@<TAB>`), run folders for `--out` and `show`, baselines and models for
`score`. `jouleloop --show-completion` prints it instead.
"""


def render() -> str:
    """The whole document."""
    group: Any = typer.main.get_command(app)
    first = next(iter(group.commands.values()))
    everywhere = _options(p for p in first.params if _name(p) in EVERYWHERE)
    codes = "".join(f"| {code.value} | {code.meaning} |\n" for code in ExitCode)
    parts = [_INTRODUCTION + everywhere, _EXIT_CODES + codes, _COMPLETION]
    for title, functions in COMMANDS.items():
        parts.append(f"\n## {title}\n")
        for function in functions:
            name = function.__name__.rstrip("_")
            text, lines = examples(function)
            parts.append(_command(name, group.commands[name], text, lines))
    return "".join(parts)


def _command(name: str, command: Any, text: str, lines: list[str]) -> str:
    own = [p for p in command.params if _name(p) not in EVERYWHERE]
    arguments = [p for p in own if p.param_type_name == "argument"]
    options = [p for p in own if p.param_type_name == "option"]
    usage = " ".join(["jouleloop", name, *map(_metavar, arguments)])
    said = [f"\n### {usage}\n\n{text}\n"]
    said += [f"\n`{_metavar(p)}`: {_cell(p.help)}.\n" for p in arguments]
    if options:
        said.append(f"\n| Option | Meaning |\n|---|---|\n{_options(options)}")
    said.append("\n" + "".join(f"    {line}\n" for line in lines))
    return "".join(said)


def _options(options: Iterable[Any]) -> str:
    rows = []
    for option in options:
        names = ", ".join(option.opts)
        value = "" if option.is_flag else f" {_metavar(option)}"
        default = "" if option.is_flag or option.default is None else f" [{option.default}]"
        needed = " (required)" if option.required else ""
        rows.append(f"| `{_cell(names + value)}` | {_cell(option.help)}{default}{needed} |\n")
    return "".join(rows)


def _name(parameter: Any) -> str:
    return max(parameter.opts, key=len).removeprefix("--")


def _metavar(parameter: Any) -> str:
    if parameter.param_type_name == "argument" and not parameter.required:
        return f"[{(parameter.metavar or parameter.name.upper()).strip('[]')}]"
    if parameter.metavar:
        return str(parameter.metavar)
    choices = getattr(parameter.type_descriptor.annotation, "__members__", None)
    if choices:
        return "|".join(member.value for member in choices.values())
    return str(parameter.name).upper()


def _cell(text: str | None) -> str:
    return (text or "").replace("|", r"\|")


if __name__ == "__main__":
    DOCUMENT.write_text(render(), encoding="utf-8")
