"""What reaches a drive boots on an emulated Pico; ``jouleloop flash`` on an emulated target."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serial.tools.list_ports_common import ListPortInfo
from typer.testing import CliRunner

from host.cli import app
from host.emulator import EmulatedBoard
from host.flash import Program, TimeLimits, carry_out, plan_flash
from host.target import parse_target
from toolchain.board import load_board
from toolchain.build import Image, build_image, uf2
from toolchain.errors import IdentityError, InputError

Bench = Any
FIXTURES = Path(__file__).parents[1] / "firmware" / "fixtures"
PICO = load_board("pico")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("built")
    (folder / "model.json").write_text(json.dumps({"sha256": "5a010203" + "00" * 28}))
    sources = [FIXTURES / "engine_count.c"]
    return build_image(PICO, folder, folder / "image", engine_sources=sources)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "state"
    monkeypatch.setenv("JOULELOOP_STATE", str(folder))
    yield folder


@pytest.mark.emulator
@pytest.mark.firmware
def test_what_the_drive_got_boots(bench: Bench, image: Image, tmp_path: Path) -> None:
    board = bench.plug(None)
    emulated: list[EmulatedBoard] = []

    def power_on() -> None:
        """What lies in the fake board's flash, on an emulated one at the same USB port."""
        board.leave_bootsel()
        file = tmp_path / "dump.uf2"
        address, data = uf2.read(image.program)
        held = bytes(board.flash[: len(data)])
        file.write_bytes(uf2.write(held, address, PICO.image.uf2_family_id or 0))
        emulated.append(EmulatedBoard("pico", file))
        port = ListPortInfo(emulated[0].port)
        assert PICO.usb is not None
        port.vid, port.pid = PICO.usb.vendor_id, PICO.usb.product_id
        port.serial_number, port.location = emulated[0].chip_id, f"{board.location}:1.0"
        bench.more_ports.append(port)

    board.start = power_on
    try:
        plan = plan_flash(parse_target("pico"), Program.of(image, PICO), machine=bench.machine)
        done = carry_out(plan, machine=bench.machine, limits=TimeLimits(back_s=20.0))
        assert done.identity.image_sha256 == image.image_sha256
        assert done.identity.chip_id == emulated[0].chip_id
        alone = tmp_path / "alone" / "firmware.uf2"
        alone.parent.mkdir()
        alone.write_bytes(image.program.read_bytes())
        assert Program.read(alone, PICO).image is None
        Program.read(alone, PICO).check(done.identity)
        other = uf2.write(bytes(4096), 0x1000_0000, PICO.image.uf2_family_id or 0)
        alone.write_bytes(other)
        with pytest.raises(IdentityError, match="is not what"):
            Program.read(alone, PICO).check(done.identity)
    finally:
        for process in emulated:
            process.close()


@pytest.mark.emulator
@pytest.mark.firmware
def test_an_emulated_board_is_written_once(image: Image, state: Path, tmp_path: Path) -> None:
    run = CliRunner()
    command = ["flash", "pico@emulator", "--image", str(image.program)]
    planned = run.invoke(app, [*command, "--dry-run"])
    assert planned.exit_code == 0 and "copy firmware.uf2 to" in planned.stdout
    assert not state.exists()
    first = json.loads(run.invoke(app, [*command, "--json"]).stdout)
    assert first["written"] and first["image_sha256"] == image.image_sha256
    again = json.loads(run.invoke(app, [*command, "--json"]).stdout)
    assert not again["written"] and again["image_sha256"] == image.image_sha256
    assert "nothing: " in run.invoke(app, [*command, "--dry-run"]).stdout
    method = run.invoke(app, [*command, "--method", "msc"])
    assert isinstance(method.exception, InputError)


@pytest.mark.firmware
def test_the_newest_runs_image_of_the_board_is_taken(image: Image, tmp_path: Path) -> None:
    from host.chain.flashing import newest_run

    for age, name in enumerate(("new", "old")):
        folder = tmp_path / name / "build"
        shutil.copytree(image.program.parent, folder)
        os.utime(folder / "image.json", (1e9 - age, 1e9 - age))
    assert newest_run("pico", tmp_path).name == "new"
    record = tmp_path / "new" / "build" / "image.json"
    record.write_text(record.read_text().replace('"board": "pico"', '"board": "other"'))
    assert newest_run("pico", tmp_path).name == "old"


def test_an_image_of_another_board_is_refused(image: Image) -> None:
    with pytest.raises(InputError, match="was built for pico, not for native"):
        Program.read(image.program, load_board("native"))


def test_bad_options() -> None:
    run = CliRunner()
    both = run.invoke(app, ["flash", "pico", "--out", "x", "--image", "y.uf2"])
    assert isinstance(both.exception, InputError)
    absent = run.invoke(app, ["flash", "pico", "--image", "absent.uf2"])
    assert isinstance(absent.exception, InputError) and "absent.uf2" in str(absent.exception)
