"""The host's client and the firmware (POSIX port), on a line that is bad on purpose."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from host.emulator import NativeBoard
from host.link import BoardClient, Line, Transport, open_port
from host.link.framing import DELIMITER, decode

pytestmark = pytest.mark.firmware

SOAK = Path(__file__).parents[1] / "soak" / "soak_link.py"
FRAMES = 10_000


@pytest.fixture(scope="module")
def soak_link() -> ModuleType:
    spec = importlib.util.spec_from_file_location("jouleloop_soak_link", SOAK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def program(soak_link, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return soak_link.build_board(tmp_path_factory.mktemp("board"))


def test_no_row_is_wrong_lost_or_executed_twice(soak_link, program: Path) -> None:
    # Timing decides how often a frame is repeated, so every fault must be all but certain to come.
    done = soak_link.soak(program, FRAMES, seed=5, rates=soak_link.Rates(cut=3e-3))
    assert done["frames"] >= FRAMES
    for fault in ("flip", "drop", "duplicate", "insert", "truncate", "split", "delay", "cut"):
        assert done.get(f"{fault}s", 0) > 0, f"{fault}: every fault must have happened"
    assert done["retries"] > 0
    assert done["reconnects"] > 0


def test_a_good_line_needs_no_retry(soak_link, program: Path) -> None:
    none = soak_link.Rates(0, 0, 0, 0, 0, 0, 0, 0)
    done = soak_link.soak(program, 500, seed=5, rates=none)
    assert done["reconnects"] == 0
    assert done["rows"] > 0


@pytest.mark.firmware
@pytest.mark.emulator
def test_the_second_chip_keeps_to_the_same_rules(soak_link, tmp_path: Path) -> None:
    rates = soak_link.Rates(flip=5e-4, drop=5e-4, delay=0)
    program = soak_link.build_board(tmp_path, "esp32c3")
    done = soak_link.soak(program, 80, seed=2, rates=rates, name="esp32c3")
    assert done["flips"] > 0 and done["drops"] > 0 and done["retries"] > 0


@pytest.mark.parametrize("forgets", [False, True])
def test_a_window_that_forgets_the_oldest_is_caught(
    soak_link, program: Path, monkeypatch: pytest.MonkeyPatch, forgets: bool
) -> None:
    """The fault that the soak once found: a request that was answered made room for another."""
    if forgets:
        monkeypatch.setattr(Line, "_has_room", lambda self, flights, *_: len(flights) < 3)
    with NativeBoard(program) as board:
        transport = OneIsLost(open_port(board.port, 115_200))
        client = BoardClient(transport, board.port, baud=10_000_000)
        client.line.tries = 1000
        client.line.grace_s = 0.02
        client.hello()
        client.max_payload = 160  # several frames a batch
        inputs = np.zeros((120, soak_link.N_INPUTS), np.int8)
        transport.loses_next = True
        outputs, _ = client.infer(inputs, soak_link.N_OUTPUTS)
    assert transport.lost_replies == 1
    if forgets:
        with pytest.raises(AssertionError, match="run once"):
            soak_link.check_runs(outputs, inputs, before=0, batch=1)
    else:
        soak_link.check_runs(outputs, inputs, before=0, batch=1)


@dataclass
class OneIsLost:
    """A transport that loses one request's first reply, and its repetitions for a while.

    Only when six other requests have been written, or twenty repetitions were lost, may a
    repetition pass: by then a host that forgets its oldest request has made the board forget it.
    """

    inner: Transport
    loses_next: bool = False
    lost_replies: int = 0
    _victim: bytes = b""
    _repetitions: int = 0
    _others: int = 0
    _received: bytearray = field(default_factory=bytearray)

    @property
    def timeout(self) -> float | None:
        return self.inner.timeout

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        self.inner.timeout = value

    @property
    def in_waiting(self) -> int:
        return self.inner.in_waiting

    def write(self, data: bytes, /) -> int:
        request = data.strip(DELIMITER)
        if self.loses_next and request:
            self._victim, self.loses_next = request, False
        elif request == self._victim:
            self._repetitions += 1
            if self._others < 6 and self._repetitions < 20:
                return len(data)
        else:
            self._others += 1
        self.inner.write(data)
        return len(data)

    def read(self, size: int = 1, /) -> bytes:
        """Whole frames only, so that a reply can be told and lost."""
        self._received += self.inner.read(size)
        end = self._received.rfind(DELIMITER) + 1
        frames, self._received = bytes(self._received[:end]), self._received[end:]
        kept = [f for f in frames.split(DELIMITER) if f and not self._is_lost(f)]
        return b"".join(frame + DELIMITER for frame in kept)

    def reset_input_buffer(self) -> None:
        self._received.clear()
        self.inner.reset_input_buffer()

    def close(self) -> None:
        self.inner.close()

    def _is_lost(self, encoded: bytes) -> bool:
        if self.lost_replies or not self._victim:
            return False
        lost = decode(encoded).sequence == decode(self._victim).sequence
        self.lost_replies += lost
        return lost
