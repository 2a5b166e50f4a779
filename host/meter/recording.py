"""A recorded trace: any other instrument that can write current, voltage and gate as a table.

The trace has the gate's pulses of all windows of a run in order, warm-ups included. It is read
after the windows have run, so the instrument may be stopped and its file saved at leisure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.csv

from host.meter.gate import Samples, measure_pulse, pulses
from host.meter.host_meter import HostMeter
from host.meter.meter import MeterDescription, Reading
from host.metrics import Provenance
from toolchain.errors import InputError, MeasurementError
from toolchain.protocol import WindowReply

COLUMNS = ("time_s", "current_a", "voltage_v", "gate")
HEADER_ROWS = 1
GAP = 1.5
"""A step longer than this many usual ones is a place where samples were lost."""
MOST_V = 60.0
MOST_A = 100.0
"""Beyond these a column is more likely of another unit than of a microcontroller."""
LENGTHS_SHOWN = 8


class Recording(HostMeter):
    """A trace file: CSV with a header of ``time_s,current_a,voltage_v,gate``, one row a sample.

    Args:
        file: where it is, or will be once the windows have run.
        gain_limit: relative, of the instrument; None for the table's assumption.
        range_a: largest current that the instrument can show; samples at it are refused.
        step_a: its last digit in A; None for the smallest difference between two samples.

    Raises:
        InputError: one of these cannot be.
    """

    def __init__(
        self,
        file: Path,
        *,
        gain_limit: float | None = None,
        range_a: float | None = None,
        step_a: float | None = None,
    ) -> None:
        super().__init__("trace", gain_limit)
        for name, given in (("range", range_a), ("step", step_a)):
            if given is not None and not 0 < given <= MOST_A:
                raise InputError(
                    f"a {name} of {given} A, must be above 0 and at most {MOST_A:g} A",
                    hint=f"give it in A, such as {name}={'0.5' if name == 'range' else '1e-6'}, or "
                    "leave it out",
                )
        self.file = file
        self._range_a = range_a
        self._step_a = step_a
        self._loaded: Samples | None = None
        self._sha256 = ""

    @property
    def edge_s(self) -> float:
        """0: how densely the instrument samples is in its file."""
        return 0.0

    def __enter__(self) -> Self:
        """Nothing is opened: the instrument records by itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing is open."""

    def arm(self) -> None:
        """The instrument records by itself."""

    def read(self, reply: WindowReply) -> Reading | None:
        """None: the trace is read after all windows."""
        return None

    def describe(self) -> MeterDescription:
        """What the trace says of its instrument.

        Raises:
            InputError: as :meth:`load`.
        """
        samples = self.load()
        return MeterDescription(
            kind="trace",
            serial="",
            provenance=Provenance.MEASURED,
            sample_rate_hz=1.0 / float(np.median(np.diff(samples.time_s))),
            range_a=self._range_a if self._range_a is not None else MOST_A,
            resolution=f"{float(samples.step_a[0]):.3g} A",
            gate="column gate",
            accuracy=self._accuracy,
            settings={"file": self.file.name, "sha256": self._sha256},
        )

    def load(self) -> Samples:
        """The validated samples.

        Raises:
            InputError: the file cannot be read, or a row cannot be right.
        """
        if self._loaded is None:
            try:
                data = self.file.read_bytes()
            except OSError as error:
                raise InputError(f"{self.file} cannot be read: {error.strerror}") from error
            self._sha256 = hashlib.sha256(data).hexdigest()
            table = _read_table(data, self.file)
            self._loaded = _validated(table, self.file, self._range_a, self._step_a)
        return self._loaded

    def require_after(self, when: datetime) -> None:
        """Refuse a file that was written before the windows were run.

        Args:
            when: they were run, UTC.

        Raises:
            MeasurementError: it is not there, or it is older.
        """
        if not self.file.exists():
            raise MeasurementError(
                f"the windows are run; {self.file} with their recording is not there yet",
                hint="save the recording there and run the same command again; the board is not "
                "needed for that",
            )
        written = datetime.fromtimestamp(self.file.stat().st_mtime, UTC)
        if written < when:
            raise MeasurementError(
                f"{self.file} was written at {written:%Y-%m-%d %H:%M:%S} UTC, before the windows "
                f"were run ({when:%Y-%m-%d %H:%M:%S} UTC)",
                hint="save this run's recording there (if another clock dated it: touch it), and "
                "run the same command again",
            )

    def readings(self, elapsed_s: Sequence[float]) -> list[Reading]:
        """One reading a window, in order.

        Args:
            elapsed_s: of every window that was run, by the board's timer.

        Raises:
            InputError: the file cannot be read.
            MeasurementError: it has another number of pulses than there were windows.
        """
        samples = self.load()
        found = pulses(samples.gate)
        cut = int(samples.gate[0]) + int(samples.gate[-1])
        if cut or len(found) != len(elapsed_s):
            beside = f" and {cut} that the file's ends cut off" if cut else ""
            lengths = [samples.time_s[p.end] - samples.time_s[p.first] for p in found]
            raise MeasurementError(
                f"{self.file} has {len(found)} pulses of the gate{beside}, the board ran "
                f"{len(elapsed_s)} windows (the file's, in s: {_first(lengths)}; the board's: "
                f"{_first(elapsed_s)})",
                hint="record from before the first window until after the last, warm-ups and "
                "all; if an earlier attempt is in the file, cut it off",
            )
        return [measure_pulse(samples, pulse) for pulse in found]


def _first(lengths_s: Sequence[float]) -> str:
    shown = ", ".join(f"{length:.4g}" for length in lengths_s[:LENGTHS_SHOWN])
    return shown + (", ..." if len(lengths_s) > LENGTHS_SHOWN else "")


def _read_table(data: bytes, file: Path) -> pa.Table:
    try:
        table = pa.csv.read_csv(
            pa.py_buffer(data),
            read_options=pa.csv.ReadOptions(use_threads=False),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(COLUMNS, pa.float64()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        raise InputError(
            f"{file} cannot be read: {error} (rows are counted with the header as the first)",
            hint="one row a sample: time_s,current_a,voltage_v,gate, numbers with a point",
        ) from error
    if sorted(table.column_names) != sorted(COLUMNS):
        raise InputError(
            f"{file} has the columns {', '.join(table.column_names)}; expected are "
            f"{', '.join(COLUMNS)}",
            hint="rename them, and convert to s, A and V; gate is 0 or 1",
        )
    if table.num_rows < 2:
        raise InputError(f"{file} has {table.num_rows} samples", hint="record the windows")
    return table


def _validated(table: pa.Table, file: Path, range_a: float | None, step_a: float | None) -> Samples:
    columns = {name: table[name].to_numpy() for name in COLUMNS}
    time_s, current_a = columns["time_s"], columns["current_a"]
    checks = [(name, ~np.isfinite(values), "is no number") for name, values in columns.items()]
    checks += [
        ("time_s", np.diff(time_s, prepend=-np.inf) <= 0, "is not after the one before, in s"),
        ("current_a", np.abs(current_a) > MOST_A, f"is beyond {MOST_A:g} A: is the unit A?"),
        (
            "voltage_v",
            (columns["voltage_v"] < 0) | (columns["voltage_v"] > MOST_V),
            f"is not within 0 to {MOST_V:g} V: is the unit V?",
        ),
        ("gate", ~np.isin(columns["gate"], (0.0, 1.0)), "is neither 0 nor 1"),
    ]
    for name, wrong, what in checks:
        if wrong.any():
            row = int(np.argmax(wrong))
            raise InputError(
                f"{file}, row {row + 1 + HEADER_ROWS}: {name} {columns[name][row]:g} {what}",
                hint="rows are counted with the header as the first",
            )
    if step_a is None:
        step_a = _smallest_step(current_a)
    steps_s = np.diff(time_s)
    lost = np.zeros(len(time_s), dtype=bool)
    lost[1:] = steps_s > GAP * np.median(steps_s)
    beyond = np.zeros(len(time_s), dtype=bool)
    if range_a is not None:
        beyond = np.abs(current_a) >= range_a
    return Samples(
        time_s=time_s,
        current_a=current_a,
        voltage_v=columns["voltage_v"],
        gate=columns["gate"] == 1.0,
        step_a=np.full(len(time_s), step_a),
        lost=lost,
        saturated=beyond,
    )


def _smallest_step(current_a: np.ndarray) -> float:
    """The last digit that a column was written with: the smallest difference of two values."""
    steps = np.diff(np.unique(current_a))
    return float(steps.min()) if len(steps) else 0.0
