"""A board that resets in the middle of a replay, behind a serial adapter that stays open."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from host.emulator.rp2040 import EmulatedPico
from host.link import BoardClient, Identity
from host.replay.budget import EnergyBudget
from host.replay.closed_loop import _decide_day
from host.replay.journal import Day
from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.compile import compile_model, kernels_for_core
from toolchain.compile.synthetic import reference_network
from toolchain.errors import IdentityError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

WIDTHS = (6, 8, 3)
NO_BUDGET = EnergyBudget(None, 1e-9)
DAYS = [40, 1, 150, 7]
FORCE_RESET = 1 << 31


class Silence:
    """The host's clock: only a line on which nothing comes any more takes time."""

    passed_s = 0.0

    def monotonic(self) -> float:
        return self.passed_s


silence = Silence()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("host.link.line.time", silence)


class Adapter:
    """The UART of an emulated Pico that can be reset, or exchanged for another one."""

    def __init__(self, flash: bytes) -> None:
        self.timeout: float | None = None
        self.flash = flash
        self.received = bytearray()
        self.resets_in: int | None = None
        self.insert("first")

    def insert(self, serial: str) -> None:
        """Put another board in its place."""
        self.pico = EmulatedPico(load_board("pico"), self.flash, serial, self.received.append)

    def write(self, data: bytes, /) -> int:
        if self.resets_in is not None:
            self.resets_in -= 1
            if self.resets_in < 0:
                self.resets_in = None
                self.pico._mcu.watchdog.write_uint32(0x00, FORCE_RESET)
        self.pico.feed(data)
        return len(data)

    @property
    def in_waiting(self) -> int:
        return len(self.received)

    def read(self, size: int = 1, /) -> bytes:
        while not self.received and not self.pico.idle:
            self.pico.run()
        if not self.received:
            silence.passed_s += self.timeout or 0.0
        data = bytes(self.received[:size])
        del self.received[:size]
        return data

    def reset_input_buffer(self) -> None:
        self.received.clear()

    def close(self) -> None:
        """The adapter stays open."""


@pytest.fixture(scope="module")
def flash(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder: Path = tmp_path_factory.mktemp("reset")
    board = load_board("pico")
    model = reference_network(WIDTHS, np.random.default_rng(3))
    compile_model(model, folder / "model", kernels=kernels_for_core(board.cpu.core))
    return build_image(board, folder / "model", folder / "build").bin.read_bytes()


@pytest.fixture
def adapter(flash: bytes) -> Iterator[Adapter]:
    yield Adapter(flash)


class ManyFrames(BoardClient):
    """A client that sends several frames a day, also after it has greeted the board again."""

    def hello(self, tries: int = 4) -> Identity:
        identity = super().hello(tries)
        self.max_payload = 200
        return identity


def greeted(adapter: Adapter) -> BoardClient:
    client = ManyFrames(adapter, "adapter", reopen=lambda: adapter)
    client.hello()
    client.set_budget(NO_BUDGET.request)
    return client


def decided(client: BoardClient, on_day=lambda day: None) -> list[Day]:
    rng = np.random.default_rng(0)
    days = []
    for day, count in enumerate(DAYS):
        inputs = rng.integers(-128, 128, (count, WIDTHS[0])).astype(np.int8)
        masks = np.ones((count, WIDTHS[-1]), bool)
        on_day(day)
        days.append(_decide_day(client, day, inputs, masks, NO_BUDGET))
    return days


@pytest.mark.parametrize(
    "before_write",
    [2, *(pytest.param(write, marks=pytest.mark.long) for write in (0, 1, 4))],
)
def test_rows_and_bytes_are_those_of_a_board_that_never_reset(
    adapter: Adapter, flash: bytes, before_write: int
) -> None:
    expected = decided(greeted(Adapter(flash)))

    def disturb(day: int) -> None:
        if day == 2:
            adapter.resets_in = before_write

    client = greeted(adapter)
    assert decided(client, disturb) == expected
    assert adapter.resets_in is None, "the board was not reset"
    assert client.hello().reset_cause == "requested"


def test_another_board_with_the_same_image_is_not_taken_for_the_first(adapter: Adapter) -> None:
    def exchange(day: int) -> None:
        if day == 2:
            adapter.insert("second")

    with pytest.raises(IdentityError, match="chip_id"):
        decided(greeted(adapter), exchange)
