"""Joulescope JS110 and JS220: current, voltage and IN0 as streams of one sample clock.

``pyjoulescope-driver`` speaks to the instrument and publishes blocks of samples, each with the
number of its first sample, so a lost block shows as a jump.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np

from host.meter.gate import Samples, measure_window, pulses
from host.meter.host_meter import HostMeter
from host.meter.meter import MeterDescription, Reading
from host.metrics import Provenance
from toolchain.errors import LinkError, MeasurementError, MissingDependencyError
from toolchain.protocol import WindowReply

SAMPLE_RATE_HZ = 200_000
RANGES_A = {
    "js110": (10.0, 2.0, 0.18, 0.018, 1.8e-3, 1.8e-4, 1.8e-5),
    "js220": (10.0, 0.18, 0.018, 1.8e-3, 1.8e-4, 1.8e-5),
}
"""Full scale of each current range in A, by the code in the range's stream."""
OFF_CODE = 7
"""From this range code on, the instrument has switched the current off or has no sample."""
CODE_BITS = 14
"""Of the converter of either model, at least."""
PADDING_BITS = 7
"""At most, behind the samples of a block of bits."""
TAIL_SAMPLES = 20
PATIENCE_S = 2.0
POLL_S = 0.02
REMOVED = "@/!remove"
STREAMS = ("i", "v", "gpi/0", "i/range")
"""Current, voltage, IN0 and current range: ``s/<name>/ctrl`` and ``s/<name>/!data``."""


class Joulescope(HostMeter):
    """A Joulescope in the board's supply, the board's gate pin on IN0.

    Args:
        serial: of the instrument; None for the only one that is plugged in.
        gain_limit: relative, from a certificate; None for the table's.
        driver: makes the driver; None for ``pyjoulescope_driver.Driver``.
    """

    def __init__(
        self,
        serial: str | None = None,
        *,
        gain_limit: float | None = None,
        driver: Callable[[], Any] | None = None,
    ) -> None:
        super().__init__("joulescope", gain_limit)
        self._serial = serial
        self._make_driver = driver
        self._driver: Any = None
        self._path = ""
        self._blocks: dict[str, list[_Block]] = {}
        self._listening = threading.Event()
        self._removed = threading.Event()

    @property
    def edge_s(self) -> float:
        """Half a sample at either end."""
        return 1.0 / SAMPLE_RATE_HZ

    def __enter__(self) -> Self:
        """Open it; this interrupts the board's supply for a moment.

        Raises:
            MissingDependencyError: ``pyjoulescope-driver`` is not installed.
            LinkError: it is not there, or cannot be opened.
        """
        self._driver = (self._make_driver or _installed_driver())()
        try:
            self._path = self._find()
            self._driver.open(self._path, "defaults")
            self._driver.publish(f"{self._path}/h/fs", SAMPLE_RATE_HZ)
            if self._model == "js220":
                self._driver.publish(f"{self._path}/s/i/range/mode", "auto")
            self._driver.subscribe(REMOVED, ["pub"], self._on_removed)
            for name in STREAMS:
                self._driver.subscribe(f"{self._path}/s/{name}/!data", ["pub"], self._on_data)
                self._driver.publish(f"{self._path}/s/{name}/ctrl", 1)
        except (RuntimeError, TimeoutError) as error:
            self._driver.finalize()
            raise LinkError(
                f"the Joulescope {self._path or '(none)'} cannot be opened: {error}",
                hint="close the Joulescope program, and check the permissions of the USB device",
            ) from error
        except LinkError:
            self._driver.finalize()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release it."""
        self._listening.clear()
        with suppress(RuntimeError, TimeoutError):
            for name in STREAMS:
                self._driver.publish(f"{self._path}/s/{name}/ctrl", 0)
            self._driver.close(self._path)
        self._driver.finalize()

    def _find(self) -> str:
        paths: list[str] = [
            path
            for path in self._driver.device_paths()
            if path.split("/")[1] in RANGES_A
            and (self._serial is None or path.split("/")[2] == self._serial)
        ]
        if len(paths) != 1:
            asked = "" if self._serial is None else f" with serial number {self._serial}"
            raise LinkError(
                f"{len(paths)} Joulescopes{asked} are there: {', '.join(paths) or 'none'}",
                hint="plug it in, or name one: joulescope:SERIAL",
            )
        return paths[0]

    @property
    def _model(self) -> str:
        return self._path.split("/")[1]

    def describe(self) -> MeterDescription:
        """Which Joulescope it is."""
        return MeterDescription(
            kind=f"joulescope {self._model}",
            serial=self._path.split("/")[2],
            provenance=Provenance.MEASURED,
            sample_rate_hz=SAMPLE_RATE_HZ,
            range_a=RANGES_A[self._model][0],
            resolution=f"2^-{CODE_BITS} of the range of each sample",
            gate="IN0",
            accuracy=self._accuracy,
            settings={},
        )

    def arm(self) -> None:
        """Keep its samples from now on, and wait for the first of each stream.

        Raises:
            MeasurementError: it is gone, or silent.
        """
        self._blocks = {name: [] for name in STREAMS}
        self._listening.set()
        deadline = time.monotonic() + PATIENCE_S
        while not all(self._blocks.values()):
            self._check_present()
            if time.monotonic() > deadline:
                silent = [name for name, blocks in self._blocks.items() if not blocks]
                raise MeasurementError(
                    f"the Joulescope {self._path} sent nothing of {', '.join(silent)} in "
                    f"{PATIENCE_S:g} s",
                    hint="unplug it and plug it in again; the same command goes on from there",
                )
            time.sleep(POLL_S)

    def read(self, reply: WindowReply) -> Reading:
        """What was measured while IN0 was high.

        Raises:
            MeasurementError: it is gone.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not self._complete() and time.monotonic() < deadline:
            self._check_present()
            time.sleep(POLL_S)
        self._check_present()
        self._listening.clear()
        return measure_window(self._samples())

    def _complete(self) -> bool:
        """Whether the gate has fallen, and every stream is past that."""
        tracks = self._tracks()
        if len(tracks) < len(STREAMS):
            return False
        gate = tracks["gpi/0"]
        found = pulses(gate.values > 0)
        if not found:
            return False
        needed = gate.start + (found[-1].end + TAIL_SAMPLES) * gate.step
        return all(track.end >= needed for track in tracks.values())

    def _tracks(self) -> dict[str, _Track]:
        """Streams by name, those that have samples."""
        return {name: _track(list(blocks)) for name, blocks in self._blocks.items() if blocks}

    def _samples(self) -> Samples:
        tracks = self._tracks()
        current = tracks["i"]
        first = max(track.start for track in tracks.values())
        last = min(track.end for track in tracks.values())
        numbers = np.arange(current.start, current.end, current.step)
        numbers = numbers[(numbers >= first) & (numbers < last)]
        at = {name: track.at(numbers) for name, track in tracks.items()}
        amps, volts = at["i"][0], at["v"][0]
        codes = at["i/range"][0].astype(np.int64)
        ranges_a = np.array(RANGES_A[self._model])
        full_a = ranges_a[np.clip(codes, 0, len(ranges_a) - 1)]
        lost = ~np.isfinite(amps) | ~np.isfinite(volts)
        for _, gaps in at.values():
            lost |= gaps
        off = codes >= OFF_CODE
        return Samples(
            time_s=(numbers - first) / self._blocks["i"][0].rate_hz,
            current_a=np.nan_to_num(amps),
            voltage_v=np.nan_to_num(volts),
            gate=at["gpi/0"][0] > 0,
            step_a=full_a / 2**CODE_BITS,
            lost=lost & ~off,
            saturated=off | (np.abs(np.nan_to_num(amps)) >= ranges_a[0]),
        )

    def _check_present(self) -> None:
        if self._removed.is_set():
            raise MeasurementError(
                f"the Joulescope {self._path} broke off",
                hint="plug it in again; the same command goes on from there",
            )

    def _on_removed(self, topic: str, value: str) -> None:
        if value == self._path:
            self._removed.set()

    def _on_data(self, topic: str, value: dict[str, Any]) -> None:
        """Keep a block; the driver calls this from a thread of its own."""
        if not self._listening.is_set():
            return
        name = topic.removeprefix(f"{self._path}/s/").removesuffix("/!data")
        values, padding = value["data"], 0
        if name.startswith("gpi"):
            values, padding = np.unpackbits(values, bitorder="little"), PADDING_BITS
        step, rate_hz = value["decimate_factor"], value["sample_rate"]
        self._blocks[name].append(_Block(value["sample_id"], step, rate_hz, values, padding))


@dataclass(frozen=True, eq=False)
class _Block:
    """Samples of one message: number of the first, step to the next, and their clock."""

    start: int
    step: int
    rate_hz: float
    values: np.ndarray
    padding: int
    """Values at its end that may be none."""


@dataclass(frozen=True, eq=False)
class _Track:
    """One stream put together; ``gaps`` is true where values had to be invented."""

    start: int
    step: int
    values: np.ndarray
    gaps: np.ndarray

    @property
    def end(self) -> int:
        """Number of the first sample after it."""
        return self.start + len(self.values) * self.step

    def at(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Values and gaps at sample numbers inside the track."""
        index = (numbers - self.start) // self.step
        return self.values[index], self.gaps[index]


def _track(blocks: list[_Block]) -> _Track:
    """Blocks in order, each cut or filled up to where the next begins.

    Bits come in bytes, the last of a block not always full: which of them are samples, only the
    beginning of the next block tells. Where that is later, or there is none, none of them counts.
    """
    start, step = blocks[0].start, blocks[0].step
    values, gaps = [], []
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        kept = block.values.astype(np.float64)
        sure = max(0, len(kept) - block.padding)
        room = sure if following is None else (following.start - block.start) // step
        kept = kept[: room if room <= len(kept) else sure]
        missing = room - len(kept)
        values.append(np.concatenate([kept, np.full(missing, kept[-1] if len(kept) else 0.0)]))
        gaps.append(np.arange(room) >= len(kept))
    return _Track(start, step, np.concatenate(values), np.concatenate(gaps))


def _installed_driver() -> Callable[[], Any]:
    try:
        from pyjoulescope_driver import Driver
    except ImportError as error:
        raise MissingDependencyError(
            "a Joulescope needs the package pyjoulescope-driver",
            hint="pip install 'jouleloop[joulescope]'",
        ) from error
    driver: Callable[[], Any] = Driver
    return driver
