"""Start and stop the process that is a board: an emulated one, or the firmware's POSIX port."""

from __future__ import annotations

import hashlib
import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from toolchain.errors import LinkTimeoutError, TargetError
from toolchain.places import PACKAGES_DIR

START_TIMEOUT_S = 30.0


class BoardProcess:
    """A board that is a running process; a context manager.

    Args:
        command: what to run; it announces itself with one JSON line on stdout.
        environment: variables beside this process' own.

    Attributes:
        port: device path of its line's pseudo-terminal, to open with pyserial.
        usb_port: that of its USB serial line; None when nothing is plugged in.
        chip_id: the unique id that the firmware will report, in hex.

    Raises:
        TargetError: it refused the image, or cannot run.
        LinkTimeoutError: it did not come up in time.
    """

    def __init__(self, command: Sequence[str | Path], environment: Mapping[str, str]) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **environment},
                # Ctrl-C is for the host, which ends the board when it has kept what it has.
                process_group=0,
            )
        except OSError as error:
            raise TargetError(
                f"{command[0]} cannot be run: {error.strerror}",
                hint="build the image on this machine, and leave out --no-flash",
            ) from error
        try:
            announcement = self._announcement()
        except BaseException:
            self.close()
            raise
        self.port: str = announcement["port"]
        self.usb_port: str | None = announcement.get("usb_port")
        self.chip_id: str = announcement["chip_id"]

    def _announcement(self) -> dict[str, str]:
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], START_TIMEOUT_S)
        if not ready:
            raise LinkTimeoutError(
                f"the board did not start within {START_TIMEOUT_S:.0f} s",
                hint="run it again when this machine is less busy",
            )
        line = self._process.stdout.readline()
        if not line:
            raise TargetError(
                f"the board ended at once with code {self._process.wait()}",
                hint="look at what it said above; build the image again if it is another machine's",
            )
        message: dict[str, str] = json.loads(line)
        if "error" in message:
            raise TargetError(
                f"the emulator refused the image: {message['error']}", hint="build the image again"
            )
        return message

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def close(self) -> None:
        """Power off."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class EmulatedBoard(BoardProcess):
    """An emulated board.

    Args:
        board: name of the board file.
        image: the UF2 in its flash.
        serial: which individual it is; the flash's unique id follows from it.
        usb: plug in its USB socket as well.
        shunt_ohm: that is beside its meter; None for the board file's.
        meter: that is on its bus: ``ina219``, ``ina226``, ``ina228`` or ``none``; None for the
            board file's.
        cycles_per_instruction: that its emulator assumes; None for the board file's.
    """

    def __init__(
        self,
        board: str,
        image: Path,
        *,
        serial: str = "emulator",
        usb: bool = False,
        shunt_ohm: float | None = None,
        meter: str | None = None,
        cycles_per_instruction: float | None = None,
    ) -> None:
        command = [sys.executable, "-m", "host.emulator", board, str(image), "--serial", serial]
        if usb:
            command.append("--usb")
        if shunt_ohm is not None:
            command += ["--shunt", repr(shunt_ohm)]
        if meter is not None:
            command += ["--meter", meter]
        if cycles_per_instruction is not None:
            command += ["--cycles-per-instruction", repr(cycles_per_instruction)]
        python_path = _with_packages(os.environ.get("PYTHONPATH"))
        super().__init__(command, {"PYTHONPATH": python_path})


class NativeBoard(BoardProcess):
    """The firmware's POSIX port.

    Args:
        program: the image's ELF file, which is run.
        serial: which individual it is; its unique id follows from it.
    """

    def __init__(self, program: Path, *, serial: str = "native") -> None:
        chip_id = hashlib.sha256(serial.encode()).hexdigest()[:16]
        super().__init__([program], {"JOULELOOP_CHIP_ID": chip_id})


def _with_packages(python_path: str | None) -> str:
    """PYTHONPATH under which the child finds the same packages as this process."""
    root = str(PACKAGES_DIR)
    return root if not python_path else os.pathsep.join([root, python_path])
