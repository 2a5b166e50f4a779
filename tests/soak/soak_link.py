"""A host and a board on a line that is bad on purpose.

    python tests/soak/soak_link.py --frames 1000000 --seed 1

The board is the firmware's POSIX port, with ``--board`` an emulated one. Between it and the host's
client, bytes are flipped, dropped, duplicated and inserted, writes are truncated, what was read
comes in parts or so late that its request has been repeated, what was written arrives only with
the next write, and the line is cut. The board's network numbers its runs, so every reply says which
execution it comes from: a row that is wrong, lost, executed twice or counted twice is seen at once.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from host.emulator import EmulatedBoard, NativeBoard
from host.link import BoardClient, Transport, open_port
from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.errors import LinkError

ENGINE = Path(__file__).parents[1] / "firmware" / "fixtures" / "engine_count.c"
EMULATED_GRACE_S = 0.3
"""That an emulated board may take beyond its line's time before a request is repeated."""
MODEL_SHA256 = "5a010203" + "00" * 28
N_INPUTS, N_OUTPUTS = 2, 6


@dataclass(frozen=True)
class Rates:
    """How often faults befall a byte; truncation and cuts: a write; splits: a read; delay: both."""

    flip: float = 1e-4
    drop: float = 1e-4
    duplicate: float = 1e-4
    insert: float = 1e-4
    truncate: float = 2e-3
    split: float = 2e-2
    delay: float = 2e-3
    cut: float = 2e-4


@dataclass
class FaultyTransport:
    """A transport with faults, both ways.

    Attributes:
        inner: the real one.
        rng: decides.
        rates: how often.
        injected: what was done, by name.
        latest_s: s that a delayed read waits at most.
    """

    inner: Transport
    rng: np.random.Generator
    rates: Rates
    injected: Counter[str] = field(default_factory=Counter)
    latest_s: float = 0.1
    timeout: float | None = None
    _held: bytearray = field(default_factory=bytearray)
    _held_until: float = 0.0
    _unsent: bytes = b""

    @property
    def in_waiting(self) -> int:
        if time.monotonic() < self._held_until:
            return 0
        return len(self._held) + self.inner.in_waiting

    def write(self, data: bytes, /) -> int:
        if self._happens("cut"):
            raise OSError("the line was cut")
        spoiled = self._spoil(data)
        if len(spoiled) > 1 and self._happens("truncate"):
            spoiled = spoiled[: int(self.rng.integers(len(spoiled)))]
        spoiled, self._unsent = self._unsent + spoiled, b""
        if self._happens("delay"):
            self._unsent = spoiled
        else:
            self.inner.write(spoiled)
        return len(data)

    def read(self, size: int = 1, /) -> bytes:
        timeout_s = self.timeout or 0.0
        late_s = self._held_until - time.monotonic()
        if late_s > 0:
            time.sleep(min(late_s, timeout_s))
            return b""
        waiting = self.inner.in_waiting
        if waiting or not self._held:
            self.inner.timeout = timeout_s
            self._held += self._spoil(self.inner.read(max(size, waiting)))
        n = len(self._held)
        if n and self._happens("delay"):
            self._held_until = time.monotonic() + self.rng.uniform(0, self.latest_s)
            return b""
        if n > 1 and self._happens("split"):
            n = int(self.rng.integers(1, n))
        given = bytes(self._held[:n])
        del self._held[:n]
        return given

    def reset_input_buffer(self) -> None:
        self._held.clear()
        self._held_until = 0.0
        self.inner.reset_input_buffer()

    def close(self) -> None:
        self.inner.close()

    def _happens(self, fault: str) -> bool:
        if self.rng.random() >= getattr(self.rates, fault):
            return False
        self.injected[fault] += 1
        return True

    def _spoil(self, data: bytes) -> bytes:
        kinds = ("flip", "drop", "duplicate", "insert")
        spoiled = bytearray(data)
        for kind in kinds:
            for _ in range(int(self.rng.binomial(len(data), getattr(self.rates, kind)))):
                if not spoiled:
                    break
                at = int(self.rng.integers(len(spoiled)))
                if kind == "flip":
                    spoiled[at] ^= 1 << int(self.rng.integers(8))
                elif kind == "drop":
                    del spoiled[at : at + int(self.rng.integers(1, 9))]
                elif kind == "duplicate":
                    end = at + int(self.rng.integers(1, 200))
                    spoiled[at:at] = spoiled[at:end]
                else:
                    spoiled[at:at] = self.rng.bytes(int(self.rng.integers(1, 9)))
                self.injected[kind] += 1
        return bytes(spoiled)


def build_board(folder: Path, name: str = "native") -> Path:
    """The image whose network numbers its runs; returns the program."""
    (folder / "model.json").write_text(json.dumps({"sha256": MODEL_SHA256}))
    board = load_board(name)
    return build_image(board, folder, folder / "image", engine_sources=[ENGINE]).program


def soak(
    program: Path,
    frames: int,
    seed: int,
    rates: Rates = Rates(),
    on_progress: Callable[[int], None] = lambda frames: None,
    name: str = "native",
) -> dict[str, int | float]:
    """Exchange frames with a board of this name until there were so many; returns what was done.

    Raises:
        AssertionError: a row was wrong, lost, or executed or counted twice.
    """
    rng = np.random.default_rng(seed)
    injected: Counter[str] = Counter()
    started = time.monotonic()
    native = name == "native"
    with NativeBoard(program) if native else EmulatedBoard(name, program) as board:

        def connect() -> Transport:
            return FaultyTransport(open_port(board.port, 115_200), rng, rates, injected)

        baud = 10_000_000 if native else 115_200
        client = BoardClient(connect(), board.port, baud=baud, reopen=connect)
        client.line.tries = 1000
        client.line.grace_s = 0.02 if native else EMULATED_GRACE_S
        identity = _persistent(client)
        assert identity.chip_id == board.chip_id
        client.max_payload = 160  # several frames a batch
        runs = 0  # executions that the board has told of
        rows = reconnects = 0
        batch = 0
        while client.traffic.messages < frames:
            batch += 1
            count = int(rng.integers(1, 120))
            inputs = rng.integers(-128, 128, (count, N_INPUTS)).astype(np.int8)
            masks = rng.random((count, N_OUTPUTS)) < 0.5
            masks[np.arange(count), rng.integers(0, N_OUTPUTS, count)] = True
            deciding = bool(rng.random() < 0.5)
            try:
                if deciding:
                    made = client.decide(inputs, masks, period=batch)
                    expected = _decisions(runs, inputs, masks)
                    assert (made.actions == expected).all(), f"batch {batch}: wrong decisions"
                else:
                    outputs, _ = client.infer(inputs, N_OUTPUTS)
                    check_runs(outputs, inputs, runs, batch)
            except LinkError as error:
                if "cut" not in str(error):
                    raise
                reconnects += 1
                _persistent(client)
                runs = _runs_so_far(client)
                continue
            runs += count
            rows += count
            on_progress(client.traffic.messages)
        assert _runs_so_far(client) == runs + 1, "the board has executed other rows than were asked"
    return {
        "frames": client.traffic.messages,
        "rows": rows,
        "retries": client.traffic.retries,
        "reconnects": reconnects,
        "seconds": round(time.monotonic() - started, 1),
        **{f"{name}s": n for name, n in sorted(injected.items())},
    }


def _persistent(client: BoardClient):
    """HELLO, over a line that may lose all its tries and be cut meanwhile."""
    while True:
        try:
            return client.hello()
        except LinkError:
            client.close()
            assert client.reopen is not None
            client.line.transport = client.reopen()


def _runs_so_far(client: BoardClient) -> int:
    """The number of the run that answers this question."""
    while True:
        try:
            outputs, _ = client.infer(np.zeros((1, N_INPUTS), np.int8), N_OUTPUTS)
        except LinkError:
            _persistent(client)
        else:
            return int(outputs[0, :4].astype(np.uint8).copy().view("<u4")[0])


def check_runs(outputs: np.ndarray, inputs: np.ndarray, before: int, batch: int) -> None:
    """Every row ran once. INFER has no order, so a lost frame may run after a later one."""
    assert (outputs[:, 4:6] == inputs).all(), f"batch {batch}: a row is another's"
    numbers = np.ascontiguousarray(outputs[:, :4]).view(np.uint8).view("<u4").ravel()
    expected = np.arange(before + 1, before + len(inputs) + 1)
    assert (np.sort(numbers) == expected).all(), f"batch {batch}: not every row was run once"


def _decisions(before: int, inputs: np.ndarray, masks: np.ndarray) -> np.ndarray:
    numbers = np.arange(before + 1, before + len(inputs) + 1, dtype="<u4")
    outputs = np.column_stack([numbers.view(np.int8).reshape(-1, 4), inputs]).astype(np.int64)
    return np.where(masks, outputs, -1000).argmax(axis=1)


def main() -> int:
    """Entry of the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--board", default="native", help="native, or one with an emulator")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jouleloop-") as folder:
        program = build_board(Path(folder), arguments.board)
        done = soak(program, arguments.frames, arguments.seed, name=arguments.board)
        print(json.dumps(done))
    return 0


if __name__ == "__main__":
    sys.exit(main())
