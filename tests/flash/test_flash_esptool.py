"""The boot ROM's loader: calls are checked against esptool's own signatures, no chip is here."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest
from esptool import FatalError, cmds

from host.flash import Program, TimeLimits, flashers_of
from host.plugged import Machine, PluggedBoard
from toolchain.board import load_board
from toolchain.errors import FlashError, InputError

BOARD = load_board("esp32c3")
PORT = "/dev/ttyUSB7"
CONTENT = bytes(range(256)) * 40


class Loader:
    """A chip in its boot ROM's loader, as far as esptool asks it."""

    def __init__(self, name: str = "ESP32-C3") -> None:
        self.CHIP_NAME = name
        self.flash: dict[int, bytes] = {}
        self.done: list[str] = []
        self.closed = False
        self._port = SimpleNamespace(close=self.close)

    def close(self) -> None:
        self.closed = True

    def change_baud(self, baud: int) -> None:
        self.done.append(f"baud {baud}")


@pytest.fixture
def loader(monkeypatch: pytest.MonkeyPatch) -> Loader:
    chip = Loader()

    def detect(port: str, baud: int) -> Loader:
        assert (port, baud) == (PORT, 115_200)
        return chip

    def write(esp: Any, content: list[tuple[int, bytes]]) -> None:
        assert esp is chip
        chip.flash |= dict(content)
        chip.done.append("write")

    def verify(esp: Any, content: list[tuple[int, bytes]]) -> None:
        chip.done.append("verify")
        if chip.flash != dict(content):
            raise FatalError("Verification failed.")

    replies: dict[str, Any] = {
        "detect_chip": detect,
        "run_stub": lambda esp: esp,
        "attach_flash": lambda esp: chip.done.append("attach"),
        "write_flash": write,
        "verify_flash": verify,
        "reset_chip": lambda esp, mode: chip.done.append(mode),
    }
    for name, reply in replies.items():
        real = getattr(cmds, name)
        monkeypatch.setattr(cmds, name, create_autospec(real, side_effect=reply))
    return chip


@pytest.fixture
def program(tmp_path: Path) -> Program:
    file = tmp_path / "firmware.bin"
    file.write_bytes(CONTENT)
    return Program(file, BOARD)


def write(program: Program) -> None:
    (flasher,) = flashers_of(BOARD)
    flasher.write(PluggedBoard(BOARD, port=PORT), program, Machine(), TimeLimits())


def test_the_image_is_written_at_the_first_address_verified_and_started(
    loader: Loader, program: Program
):
    write(program)
    assert loader.flash == {0: CONTENT}
    assert loader.done == ["baud 460800", "attach", "write", "verify", "hard-reset"]
    assert loader.closed


def test_another_chip_is_not_written(loader: Loader, program: Program):
    loader.CHIP_NAME = "ESP32-S3"
    with pytest.raises(FlashError, match="ESP32-S3 answers"):
        write(program)
    assert not loader.flash and loader.closed


def test_a_flash_that_is_not_what_was_written_is_told(
    loader: Loader, program: Program, monkeypatch: pytest.MonkeyPatch
):
    def forget(esp: Any, content: list[tuple[int, bytes]]) -> None:
        loader.flash = {0: b""}

    monkeypatch.setattr(cmds, "write_flash", forget)
    with pytest.raises(FlashError, match="Verification failed"):
        write(program)
    assert "hard-reset" not in loader.done and loader.closed


def test_a_port_that_nothing_answers_on_is_told(program: Program, tmp_path: Path):
    (flasher,) = flashers_of(BOARD)
    nowhere = PluggedBoard(BOARD, port=str(tmp_path / "nothing"))
    with pytest.raises(FlashError, match="esptool failed"):
        flasher.write(nowhere, program, Machine(), TimeLimits())


def test_the_plan_says_what_would_be_done(program: Program):
    (flasher,) = flashers_of(BOARD)
    assert flasher.method == "esptool"
    plan = flasher.plan(program)
    assert f"{len(CONTENT):,} bytes" in plan and "0x0" in plan
    assert flasher.obstacle(PluggedBoard(BOARD, port=PORT), Machine()) is None
    assert "esp32c3@/dev/ttyUSB0" in str(flasher.obstacle(PluggedBoard(BOARD), Machine()))


def test_other_methods_are_not_this_chips():
    with pytest.raises(InputError, match="use one of esptool"):
        flashers_of(BOARD, "msc")
