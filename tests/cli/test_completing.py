"""What the shell offers: targets, run folders, policies; in a real Bash as well."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from serial.tools import list_ports

from host.cli import completing
from host.flash.methods import methods_of
from host.meter import parse_meter
from host.target import parse_target
from toolchain.board import board_names, load_board
from toolchain.compile import KERNEL_SETS
from toolchain.policy.training import Algorithm


def values(offers: list[tuple[str, str]]) -> list[str]:
    return [value for value, _ in offers]


def test_targets_are_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    usb = load_board("pico").usb
    assert usb is not None
    pico = SimpleNamespace(
        vid=usb.vendor_id,
        pid=usb.product_id,
        serial_number="E660583883724A32",
        device="/dev/ttyACM0",
        description="Pico",
    )
    adapter = SimpleNamespace(
        vid=0x1A86, pid=0x7523, serial_number=None, device="/dev/ttyUSB0", description="CH340"
    )
    monkeypatch.setattr(list_ports, "comports", lambda: [pico, adapter])
    offered = values(completing.targets(""))
    assert {"pico", "pico@emulator", "pico@emulator+usb", "esp32c3@emulator", "native"} <= {
        *offered
    }
    assert "pico@E660583883724A32" in offered
    assert "esp32c3@/dev/ttyUSB0" not in offered
    offered += values(completing.targets("esp32c3@"))
    assert "esp32c3@/dev/ttyUSB0" in offered
    for target in offered:
        parse_target(target)
    assert values(completing.targets("pico@em")) == ["pico@emulator", "pico@emulator+usb"]


def test_what_is_offered_exists() -> None:
    assert values(completing.boards("")) == board_names()
    assert set(values(completing.KERNELS(""))) == set(KERNEL_SETS)
    for meter in ("board", "none"):
        assert meter in values(completing.METERS(""))
        parse_meter(meter)
    methods = {m for name in board_names() for m in methods_of(load_board(name))}
    assert set(offered("flash", "method")) == methods
    assert set(offered("train", "algorithm")) == set(Algorithm)


def offered(command: str, option: str) -> list[str]:
    import typer

    from host import cli

    group = typer.main.get_command(cli.app)
    (found,) = [p for p in group.commands[command].params if p.name == option]  # type: ignore[attr-defined]
    return [item.value for item in found.shell_complete(None, "")]


def test_run_folders_and_policies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("runs/mine", "runs/other", "elsewhere/deep"):
        Path(name).mkdir(parents=True)
    for name in ("runs/mine", "elsewhere/deep"):
        (Path(name) / "manifest.json").touch()
    Path("policy.tflite").touch()
    assert values(completing.run_folders("")) == ["runs/mine", "elsewhere/", "runs/"]
    assert values(completing.run_folders("runs/")) == ["runs/mine", "runs/other/"]
    assert values(completing.run_folders("elsewhere/de")) == ["elsewhere/deep"]
    assert values(completing.run_folders("absent/x")) == []
    assert values(completing.runs("")) == ["mine"]
    assert values(completing.runs("runs/")) == ["runs/mine", "runs/other/"]
    assert values(completing.policies("bid")) == ["bid_price"]
    assert values(completing.policies("pol")) == ["policy.tflite"]
    assert "runs/mine" in values(completing.policies(""))


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this machine")
@pytest.mark.parametrize(
    ("words", "reply"),
    [
        (["jouleloop", "benc"], ["bench"]),
        (["jouleloop", "bench", "pico", "@", "em"], ["emulator", "emulator+usb"]),
        (["jouleloop", "hil", "esp32c3", "@", "emulator", "pico", "@", "emulator+"], None),
        (["jouleloop", "score", "bid"], ["bid_price"]),
        (["jouleloop", "bench", "pico", "@", "emulator", "--preset", "q"], ["quick"]),
    ],
)
def test_in_bash(words: list[str], reply: list[str] | None, tmp_path: Path) -> None:
    """Bash splits words at an @; the script and the words are those of a real one."""
    program = tmp_path / "jouleloop"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -m host.cli \"$@\"\n")
    program.chmod(0o755)
    # Bash complains of a locale that is not installed.
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "LC_ALL": "C"}
    script = subprocess.run(
        ["jouleloop"],
        env={**environment, "_JOULELOOP_COMPLETE": "source_bash"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    quoted = " ".join(f"'{word}'" for word in words)
    asked = (
        f"{script}\nCOMP_WORDS=({quoted})\nCOMP_CWORD={len(words) - 1}\n"
        '_jouleloop_completion jouleloop\nprintf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    ran = subprocess.run(
        ["bash", "--norc", "-c", asked],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.split() == (reply or ["emulator+usb"])
    assert not ran.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script(shell: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "host.cli"],
        env={**os.environ, "_JOULELOOP_COMPLETE": f"source_{shell}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "jouleloop" in ran.stdout


def test_completion_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom host.cli import completing\ncompleting.targets('')\n"
        "completing.policies('')\n"
        "print([m for m in ('numpy', 'pydantic', 'scipy') if m in sys.modules])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
