"""Leases: one process a board, whoever has it is named, and the dead hold nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from host import cli
from host.doctor.ports import PortState, ask
from host.flash.state import flash_in_use
from host.lease import board_key, lease, lock_folder
from host.plugged import Machine
from host.target import parse_target
from toolchain.errors import PortBusyError

HOLD = """
import sys, time
from host.lease import lease
from host.target import parse_target
with lease(parse_target(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("JOULELOOP_LOCKS", str(tmp_path / "locks"))
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))


@pytest.fixture
def holder():
    """Another process that holds the emulated board."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, "pico@emulator"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_held_board_is_waited_for_and_its_holder_named_until_it_dies(holder):
    heard = []
    with (
        pytest.raises(PortBusyError, match=f"process {holder.pid} of .*waited 0.3 s") as busy,
        lease(parse_target("pico@emulator+usb"), wait_s=0.3, on_wait=heard.append),
    ):
        pytest.fail("two processes have the board")
    assert "import sys, time" in str(busy.value), "the command line is told"
    assert heard and f"process {holder.pid}" in heard[0]
    with lease(parse_target("pico@/dev/ttyACM0")):
        pass  # another board is free
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    started = time.monotonic()
    with lease(parse_target("pico@emulator"), wait_s=10):
        assert time.monotonic() - started < 5
        (who,) = [f for f in lock_folder().glob("*.json") if f.stat().st_size]
        assert json.loads(who.read_text())["pid"] == os.getpid()
    assert who.stat().st_size == 0


def test_all_users_may_write_the_files(holder):
    assert lock_folder().stat().st_mode & 0o7777 == 0o1777
    modes = {file.stat().st_mode & 0o777 for file in lock_folder().iterdir()}
    assert modes == {0o666}


def test_a_board_is_one_by_whatever_name(tmp_path):
    device = tmp_path / "ttyACM0"
    device.touch()
    (tmp_path / "by-id").symlink_to(device)
    port = SimpleNamespace(
        device=str(device),
        vid=0x2E8A,
        pid=0x000A,
        serial_number="E66038B713596B2F",
        location="1-1.2:1.0",
    )
    machine = Machine(mounts=tmp_path / "none", usb=tmp_path, serial_ports=lambda: [port])
    names = ("", f"@{device}", f"@{tmp_path / 'by-id'}", "@E66038B713596B2F", "@1-1.2")
    keys = {board_key(parse_target(f"pico{name}"), machine) for name in names}
    assert keys == {"usb 1-1.2"}
    assert board_key(parse_target("pico@/dev/ttyUSB9"), machine) == "port /dev/ttyUSB9"
    assert board_key(parse_target("pico@socket://lab:1"), machine) == "port socket://lab:1"
    emulated = {board_key(parse_target(t), machine) for t in ("pico@emulator", "pico@emulator+usb")}
    assert len(emulated) == 1 and str(tmp_path / "state") in emulated.pop()


def test_ports_leaves_a_held_board_alone(tmp_path):
    """Asking it would begin a session of its own, and the holder's would be over."""
    device = tmp_path / "ttyACM0"
    device.touch()
    port = SimpleNamespace(
        device=str(device), vid=None, pid=None, serial_number=None, location=None, product=None
    )
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, f"pico@{device}"], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        (answer,) = ask([port])
        process.kill()
    assert answer.state is PortState.BUSY
    assert f"{device} is in use by process {process.pid} of" in answer.detail


@pytest.mark.parametrize(
    "arguments",
    [
        ("bench", "{}"),
        ("compare", "{}"),
        ("calibrate", "{}"),
        ("flash", "{}"),
        ("replay", "{}", "--out", "run"),
        ("profile", "{}", "--model", "m.tflite"),
        ("infer", "{}", "--model", "m.tflite", "--inputs", "x.npy", "--out", "y.npy"),
    ],
)
def test_a_command_names_who_has_the_board_and_touches_nothing(
    tmp_path, monkeypatch, capfd, arguments
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    target = f"pico@{tmp_path / 'ttyACM0'}"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, target], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "held\n"
        words = [word.format(target) for word in arguments]
        monkeypatch.setattr(sys, "argv", ["jouleloop", *words, "--lease-wait", "0.2"])
        with pytest.raises(SystemExit) as left:
            cli.main()
        process.kill()
    assert left.value.code == 1
    said = capfd.readouterr().err
    assert f"waiting for {target}: process {process.pid} of" in said
    assert f"is in use by process {process.pid}" in said and "waited 0.2 s" in said
    assert not any((tmp_path / "run").iterdir()) and not (tmp_path / "runs").exists()


def test_two_commands_start_one_emulated_board_one_after_the_other(tmp_path):
    """Its flash is one file, which the other has read before this one writes it."""
    target = parse_target("pico@emulator")
    with flash_in_use(target):
        script = (
            "from host.flash.state import flash_in_use\n"
            "from host.target import parse_target\n"
            "target = parse_target('pico@emulator')\n"
            "print('ready', flush=True)\n"
            "with flash_in_use(target):\n"
            "    print('mine', flush=True)\n"
        )
        other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(1)
    with other:
        assert other.stdout.readline() == "mine\n"


def test_a_flash_that_nobody_lets_go_of_is_no_reason_to_wait_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("host.flash.state.STARTING_S", 0.2)
    target = parse_target("pico@emulator")
    busy = pytest.raises(PortBusyError, match=r"in use for 0\.2 s by another process")
    with flash_in_use(target), busy, flash_in_use(target):
        pytest.fail("two have it")
