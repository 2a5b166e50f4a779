"""The command line as such: its help, examples, options, exit codes, and what it imports."""

from __future__ import annotations

import inspect
import json
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from host import cli
from host.cli import document
from host.cli.exits import ExitCode, exit_code
from host.presets import BASELINE_NAMES
from toolchain import errors

HEAVY = (
    *("numpy", "pydantic", "scipy", "pyarrow", "networkx", "jinja2", "plotly", "numba"),
    *("tensorflow", "serial", "esptool", "gymnasium"),
)
GROUP = typer.main.get_command(cli.app)
COMMANDS: dict[str, Any] = GROUP.commands  # type: ignore[attr-defined]
FUNCTIONS = {f.__name__.rstrip("_"): f for group in cli.COMMANDS.values() for f in group}


def examples() -> Iterator[Any]:
    for name, command in FUNCTIONS.items():
        for line in cli.examples(command)[1]:
            yield pytest.param(name, line, id=line.removeprefix("jouleloop "))


@pytest.fixture
def main(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs ``jouleloop``; returns exit code, stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["jouleloop", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return run


def test_help_lists_every_command_in_its_group(main) -> None:
    code, out, _ = main("--help")
    assert code == ExitCode.DONE
    places = [out.index(f" {group} ─") for group in cli.COMMANDS]
    assert places == sorted(places)
    for group, place in zip(cli.COMMANDS, places, strict=True):
        end = out.index("╰", place)
        for command in cli.COMMANDS[group]:
            assert f"│ {command.__name__.rstrip('_')} " in out[place:end]
    assert set(FUNCTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_and_json(name: str) -> None:
    options = {option for p in COMMANDS[name].params for option in p.opts}
    assert {"--json", "--quiet", "--debug", "--no-color"} <= options
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(cli.app, [name, "--help"]).output
    text, lines = cli.examples(FUNCTIONS[name])
    assert lines
    assert text.partition("\n")[0] in shown
    for line in lines:  # each by itself, not run together
        assert line in [x.strip() for x in shown.splitlines()]


@pytest.mark.parametrize(("name", "line"), list(examples()))
def test_examples_are_commands_that_exist(name: str, line: str) -> None:
    program, given, *arguments = shlex.split(line)
    assert (program, given) == ("jouleloop", name)
    COMMANDS[name].make_context(name, arguments)  # raises where an option does not exist


def test_an_example_that_is_none_is_found() -> None:
    with pytest.raises(Exception, match="--nonsense"):
        COMMANDS["bench"].make_context("bench", ["pico@emulator", "--nonsense"])


def test_what_the_help_imports() -> None:
    """Start-up is a matter of what is imported; a time would depend on the machine."""
    program = (
        "import sys\nfrom host import cli\nsys.argv = ['jouleloop', *sys.argv[1:]]\n"
        "try:\n    cli.main()\nexcept SystemExit as left:\n    assert not left.code\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    for arguments, typers in (
        (["--help"], ["[]"]),
        (["--version"], ["[]"]),
        (["bench", "--help"], ["[]", "['pydantic']"]),  # which Typer asks for an option's type
    ):
        ran = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
        )
        assert ran.stderr.strip() in typers, arguments


def raising(error: BaseException):
    def command(*given: object, **options: object) -> None:
        raise error

    return command


TREE = [e for e in vars(errors).values() if inspect.isclass(e)]


@pytest.mark.parametrize(
    ("error", "code"),
    [(e("what"), 2 if issubclass(e, errors.InputError) else 1) for e in TREE]
    + [
        (PermissionError(13, "Permission denied", "/runs"), 1),
        (OSError(28, "No space left on device"), 1),
        (ZeroDivisionError("division"), 70),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_every_error_ends_without_a_traceback(
    main, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    monkeypatch.setattr("host.doctor.list_boards", raising(error))
    left, out, err = main("boards")
    assert (left, out) == (code, "")
    assert exit_code(error) == code
    assert "Traceback" not in err
    if code != ExitCode.INTERRUPTED:
        assert err.startswith("error: ")
        assert str(error) in err
        assert main("boards", "--quiet")[2] == err  # errors are said in any case
        assert ("--debug" in err) == (code == ExitCode.DEFECT)
        for arguments in (["--debug", "boards"], ["boards", "--debug"]):
            left, _, err = main(*arguments)
            assert left == code
            assert "Traceback" in err
            assert "in command" in err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["bench"], ["bench", "pico", "--nonsense"], ["report"]]
)
def test_usage_errors(main, arguments: list[str]) -> None:
    code, out, err = main(*arguments)
    assert code == ExitCode.USAGE
    assert not out
    assert err
    assert "Traceback" not in err


def test_an_invalid_measurement_of_hil(main, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.hil.hil", raising(errors.MeasurementError("no clock")))
    code, out, err = main("hil", "pico@emulator")
    assert (code, out) == (ExitCode.INVALID, "")
    assert err == "error: no clock\n"


def test_the_exit_codes_are_those_of_hil() -> None:
    from host.hil import command

    assert ExitCode.DONE == command.EXIT_PASS
    assert ExitCode.ERROR == command.EXIT_REGRESSION
    assert ExitCode.USAGE == command.EXIT_USAGE
    assert ExitCode.INVALID == command.EXIT_INVALID


def test_quiet_leaves_results_alone(main, tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    loud = main("generate", "--preset", "quick", "--out", out)
    assert "generate" in loud[2]
    quiet = main("generate", "--out", out, "--force", "--quiet", "--json")
    assert quiet[0] == ExitCode.DONE
    assert quiet[2] == ""
    assert json.loads(quiet[1])["ran"]
    assert main("-q", "generate", "--out", out)[2] == ""
    assert main("generate", "--out", out)[2]  # of one command only


def test_no_colours_but_on_a_terminal() -> None:
    """As in ``jouleloop ... 2>&1 | cat``."""
    for arguments in (["boards"], ["report"], ["bench"], ["--help"]):
        ran = subprocess.run(
            [sys.executable, "-m", "host.cli", *arguments], capture_output=True, check=False
        )
        assert ran.stdout + ran.stderr
        assert b"\x1b" not in ran.stdout + ran.stderr


def test_no_color_is_respected(main, monkeypatch: pytest.MonkeyPatch) -> None:
    from host.cli import output

    monkeypatch.delenv("NO_COLOR", raising=False)
    main("boards", "--json")
    assert not output.messages.no_color
    main("boards", "--json", "--no-color")
    assert output.messages.no_color
    assert output.results().no_color
    monkeypatch.setenv("NO_COLOR", "1")
    main("boards", "--json")
    assert output.messages.no_color


def test_progress_where_somebody_watches() -> None:
    from io import StringIO

    from toolchain.progress import bars, working

    terminal, file = StringIO(), StringIO()
    console = Console(file=terminal, force_terminal=True, width=60)
    with working(console, "optimum [of all]"), bars(console) as bar:
        bar.add_task("replay", total=3)
        bar.refresh()
    assert "optimum [of all]" in terminal.getvalue()
    assert "replay" in terminal.getvalue()
    with working(Console(file=file), "optimum"), bars(Console(file=file)) as bar:
        bar.add_task("replay", total=3)
    assert file.getvalue() == "optimum ...\n"
    with working(Console(file=file, quiet=True), "baselines"):
        pass
    assert file.getvalue() == "optimum ...\n"


@pytest.mark.emulator
def test_ctrl_c_ends_with_130_and_goes_on(tmp_path: Path) -> None:
    """A stage that is interrupted leaves the folder as it was before it."""
    command = [sys.executable, "-m", "host.cli", "train", "--out", str(tmp_path)]
    generate = [*command[:3], "generate", "--preset", "quick", "--out", str(tmp_path)]
    assert subprocess.run(generate, capture_output=True, check=False).returncode == 0
    before = (tmp_path / "manifest.json").read_bytes()
    # What runs in the background of a script ignores Ctrl-C, and so would this process.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("train ..."):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(60) == ExitCode.INTERRUPTED
    assert "Traceback" not in rest
    assert "goes on from there" in rest
    assert (tmp_path / "manifest.json").read_bytes() == before


def test_the_document_is_what_the_commands_say() -> None:
    text = document.DOCUMENT.read_text(encoding="utf-8")
    assert text == document.render(), "run: python -m host.cli.document"


def test_names_that_stand_twice() -> None:
    from toolchain.environment import BASELINES

    assert tuple(BASELINES) == BASELINE_NAMES
