"""Another board on the same open port: what it answers is never taken for the first one's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from host.emulator import NativeBoard
from host.link import BoardClient, Transport, open_port
from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.compile import compile_model
from toolchain.compile.synthetic import reference_network
from toolchain.errors import BoardFaultError, IdentityError
from toolchain.protocol import ErrorCode

pytestmark = pytest.mark.firmware

WIDTHS = (6, 4, 3)
ROWS = np.zeros((4, WIDTHS[0]), np.int8)
MASKS = np.ones((4, WIDTHS[-1]), bool)


@dataclass
class Adapter:
    """A serial adapter that stays in the host while the wires go to another board."""

    inner: Transport

    @property
    def timeout(self) -> float | None:
        return self.inner.timeout

    @timeout.setter
    def timeout(self, value: float | None) -> None:
        self.inner.timeout = value

    @property
    def in_waiting(self) -> int:
        return self.inner.in_waiting

    def write(self, data: bytes, /) -> int | None:
        return self.inner.write(data)

    def read(self, size: int = 1, /) -> bytes:
        return self.inner.read(size)

    def reset_input_buffer(self) -> None:
        self.inner.reset_input_buffer()

    def close(self) -> None:
        """The adapter stays."""


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of the same shape."""
    made = []
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp("swapped")
        model = reference_network(WIDTHS, np.random.default_rng(seed))
        compile_model(model, folder / "model")
        made.append(build_image(load_board("native"), folder / "model", folder / "build").program)
    return made


@pytest.fixture(params=["fresh", "greeted by another host"])
def swapped(
    request: pytest.FixtureRequest, programs: list[Path]
) -> Iterator[tuple[BoardClient, Adapter, Transport]]:
    """A client that has greeted the first board, its adapter, and the line of the second board."""
    first, second = programs
    with NativeBoard(first, serial="first") as a, NativeBoard(second, serial="second") as b:
        if request.param != "fresh":
            other = BoardClient(open_port(b.port, 115_200), b.port)
            other.hello()
            other.decide(ROWS, MASKS, period=1)
            other.close()
        adapter = Adapter(open_port(a.port, 115_200))
        line = open_port(b.port, 115_200)
        client = BoardClient(adapter, "adapter", reopen=lambda: adapter)
        client.hello()
        client.decide(ROWS, MASKS, period=1)
        yield client, adapter, line
        adapter.inner.close()


def test_the_other_board_answers_nothing_and_is_not_taken_for_the_first(
    swapped: tuple[BoardClient, Adapter, Transport],
) -> None:
    client, adapter, line = swapped
    adapter.inner.close()
    adapter.inner = line
    for ask in (
        lambda: client.decide(ROWS, MASKS, period=2),
        lambda: client.decide(ROWS, MASKS, period=1, decided=len(ROWS)),
        lambda: client.infer(ROWS, WIDTHS[-1]),
        client.status,
    ):
        with pytest.raises(BoardFaultError, match="reset, flashed again or swapped") as caught:
            ask()
        assert caught.value.code == ErrorCode.SESSION
    with pytest.raises(IdentityError, match=r"chip_id|model|image"):
        client.reconnect(1.0)


def test_the_same_board_goes_on_after_a_new_greeting(
    swapped: tuple[BoardClient, Adapter, Transport],
) -> None:
    client, adapter, line = swapped
    first = adapter.inner
    adapter.inner = line
    with pytest.raises(BoardFaultError):
        client.status()
    adapter.inner = first
    before = client.traffic.messages
    client.reconnect(1.0)
    assert len(client.decide(ROWS, MASKS, period=2).actions) == len(ROWS)
    assert client.traffic.messages == before + 4
