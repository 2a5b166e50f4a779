"""Nordic Power Profiler Kit II: its samples carry the gate on one of the eight logic inputs.

Commands, calibration and conversion are ``ppk2-api``'s. What this module adds is what a window
needs: the 6-bit counter in every sample, which shows lost ones, and codes at the converter's end.
A sample is a little-endian word: 14 bits of code, 3 of range, at 18 a counter of 6, at 24 the
logic inputs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import serial
from serial.tools import list_ports

from host.meter.gate import Samples, measure_window, pulses
from host.meter.host_meter import HostMeter
from host.meter.meter import MeterDescription, Reading
from host.metrics import Provenance
from toolchain.errors import InputError, LinkError, MeasurementError, MissingDependencyError
from toolchain.protocol import WindowReply

if TYPE_CHECKING:
    from ppk2_api.ppk2_api import PPK2_API

SAMPLE_RATE_HZ = 100_000
SAMPLE_BYTES = 4
CODE_MASK, RANGE_SHIFT, RANGE_MASK = 0x3FFF, 14, 0x7
COUNTER_SHIFT, COUNTER_MASK = 18, 0x3F
LOGIC_SHIFT = 24
TOP_RANGE = 4
RANGE_A = 1.0
VOLTS = (0.8, 5.0)
CHANNELS = 8

SETTLED_SAMPLES = 200
"""Before a window: low ones that prove the gate, and that the conversion's filter settles on."""
TAIL_SAMPLES = 20
"""After a window: low ones that prove that the gate has fallen."""
SATURATED_SHARE = 1e-3
"""Of a window, that may be at a lower range's end while the instrument changes to a higher one."""
PATIENCE_S = 2.0
"""Longest silence of an instrument that measures, and delay of its samples."""
QUIET_S = 0.02
POLL_S = 0.002
METADATA_TRIES = 3
POWER_SETTLES_S = 1.0
"""From switching the board's supply until its firmware answers."""

Mode = Literal["ampere", "source"]


class Ppk2(HostMeter):
    """A PPK2 in the board's supply.

    Args:
        port: device path; None for the only one that is plugged in.
        mode: ``ampere``: in the line of another supply; ``source``: it is the supply.
        volt: V of the supply, which a PPK2 does not measure.
        gate: logic input D0 to D7 that the board's gate pin is wired to.
        gain_limit: relative, from a certificate; None for the table's.

    Raises:
        InputError: a figure is out of range.
    """

    def __init__(
        self,
        port: str | None,
        *,
        volt: float,
        mode: Mode = "ampere",
        gate: int = 0,
        gain_limit: float | None = None,
    ) -> None:
        super().__init__("ppk2", gain_limit)
        if not VOLTS[0] <= volt <= VOLTS[1]:
            raise InputError(
                f"a supply of {volt} V, a PPK2 takes {VOLTS[0]} to {VOLTS[1]} V",
                hint="give the supply's voltage, such as ppk2,volt=5.0",
            )
        if not 0 <= gate < CHANNELS:
            raise InputError(f"no logic input D{gate}", hint="use gate=D0 to gate=D7")
        self._port = port
        self._mode = mode
        self._volt = volt
        self._gate = gate
        self._api: PPK2_API | None = None
        self._collector: _Collector | None = None

    @property
    def edge_s(self) -> float:
        """Half a sample at either end."""
        return 1.0 / SAMPLE_RATE_HZ

    def __enter__(self) -> Self:
        """Open it and set it up; in ``source`` mode this powers the board.

        Raises:
            MissingDependencyError: ``ppk2-api`` is not installed.
            LinkError: it is not there, or what is there is no PPK2.
        """
        try:
            from ppk2_api.ppk2_api import PPK2_API
        except ImportError as error:
            raise MissingDependencyError(
                "a PPK2 needs the package ppk2-api",
                hint="pip install 'jouleloop[ppk2]'",
            ) from error
        port = self._port or _only_port()
        self._port = port
        try:
            self._api = PPK2_API(port, timeout=1, write_timeout=1, exclusive=True)
            self._set_up(self._api)
        except (serial.SerialException, OSError) as error:
            self._release()
            raise LinkError(
                f"the PPK2 at {port} cannot be opened: {error}",
                hint="check the port's name and permissions, and that no other program has it",
            ) from error
        except LinkError:
            self._release()
            raise
        return self

    def _set_up(self, api: PPK2_API) -> None:
        api.stop_measuring()
        _drain(api)
        known = False
        for _ in range(METADATA_TRIES):
            with suppress(UnicodeDecodeError):
                known = bool(api.get_modifiers()) and api.modifiers["HW"] is not None
            if known:
                break
        if not known:
            raise LinkError(
                f"what answers at {self._port} is no PPK2",
                hint="name its port: ppk2:PORT,volt=V (a PPK2 has two; try the other one)",
            )
        if self._mode == "source":
            api.use_source_meter()
        else:
            api.use_ampere_meter()
        api.set_source_voltage(round(self._volt * 1000))
        api.toggle_DUT_power("ON")
        time.sleep(POWER_SETTLES_S if self._mode == "source" else 0.0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop it and release its port; the board's supply stays on."""
        self._end_collecting()
        self._release()

    def _release(self) -> None:
        if self._api is not None:
            with suppress(serial.SerialException, OSError):
                self._api.ser.close()
        self._api = None

    def describe(self) -> MeterDescription:
        """Which PPK2 it is."""
        found = next((p for p in list_ports.comports() if p.device == self._port), None)
        return MeterDescription(
            kind="ppk2",
            serial=(found.serial_number or "") if found is not None else "",
            provenance=Provenance.MEASURED,
            sample_rate_hz=SAMPLE_RATE_HZ,
            range_a=RANGE_A,
            resolution="a step of the 14-bit converter in the range of each sample",
            gate=f"logic input D{self._gate}",
            accuracy=self._accuracy,
            settings={"mode": self._mode, "supply_v": self._volt},
        )

    def arm(self) -> None:
        """Let it sample, and wait for the first samples.

        Raises:
            MeasurementError: it is gone, or silent.
        """
        api = self._opened()
        self._end_collecting()
        with self._guarded():
            _drain(api)
            api.start_measuring()
        self._collector = _Collector(api)
        self._collector.start()
        deadline = time.monotonic() + PATIENCE_S
        while self._collector.samples < SETTLED_SAMPLES:
            self._check_collector()
            if time.monotonic() > deadline:
                raise MeasurementError(
                    f"the PPK2 at {self._port} gave {self._collector.samples} samples in "
                    f"{PATIENCE_S:g} s",
                    hint="unplug it and plug it in again; the same command goes on from there",
                )
            time.sleep(POLL_S)

    def read(self, reply: WindowReply) -> Reading:
        """What was measured while the gate was high.

        Raises:
            MeasurementError: it is gone.
        """
        collector = self._collector
        if collector is None:
            raise MeasurementError("a window was read that no PPK2 was armed for")
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            self._check_collector()
            words = collector.words()
            found = pulses(self._gate_of(words))
            if found and len(words) >= found[-1].end + TAIL_SAMPLES:
                break
            time.sleep(10 * POLL_S)
        self._end_collecting()
        return measure_window(self._samples(collector.words()))

    def _gate_of(self, words: np.ndarray) -> np.ndarray:
        return (words >> (LOGIC_SHIFT + self._gate) & 1).astype(bool)

    def _samples(self, words: np.ndarray) -> Samples:
        """The samples around the window, converted."""
        api, gate = self._opened(), self._gate_of(words)
        high = np.flatnonzero(gate)
        if len(high):
            kept = slice(max(0, high[0] - SETTLED_SAMPLES), high[-1] + 1 + TAIL_SAMPLES)
            words, gate = words[kept], gate[kept]
        microamps, _ = api.get_samples(words.astype("<u4").tobytes()) if len(words) else ([], [])
        if len(microamps) != len(words):
            raise MeasurementError(
                f"ppk2-api converted {len(microamps)} of {len(words)} samples",
                hint="its calibration may be damaged: read it with Nordic's own program",
            )
        ranges = np.minimum(words >> RANGE_SHIFT & RANGE_MASK, TOP_RANGE)
        at_end = (words & CODE_MASK) == CODE_MASK
        brief = np.count_nonzero(at_end & gate) <= SATURATED_SHARE * np.count_nonzero(gate)
        counters = (words >> COUNTER_SHIFT & COUNTER_MASK).astype(np.int64)
        lost = np.zeros(len(words), dtype=bool)
        lost[1:] = np.diff(counters) % (COUNTER_MASK + 1) != 1
        steps = np.array([_step_a(api, str(r)) for r in range(TOP_RANGE + 1)])
        return Samples(
            time_s=np.arange(len(words)) / SAMPLE_RATE_HZ,
            current_a=np.asarray(microamps, dtype=np.float64) * 1e-6,
            voltage_v=np.full(len(words), self._volt),
            gate=gate,
            step_a=steps[ranges],
            lost=lost,
            saturated=at_end & ((ranges == TOP_RANGE) | (not brief)),
        )

    def _opened(self) -> PPK2_API:
        if self._api is None:
            raise MeasurementError("the PPK2 is not open")
        return self._api

    def _end_collecting(self) -> None:
        if self._collector is None:
            return
        if self._api is not None:
            self._api.stop_measuring()
        self._collector.end()
        self._collector = None

    def _check_collector(self) -> None:
        if self._collector is not None and self._collector.error is not None:
            raise self._gone(self._collector.error) from self._collector.error

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except (serial.SerialException, OSError, TypeError) as error:
            # pyserial raises TypeError where its port was closed meanwhile.
            raise self._gone(error) from error

    def _gone(self, error: BaseException) -> MeasurementError:
        return MeasurementError(
            f"the PPK2 at {self._port} broke off: {error}",
            hint="plug it in again; the same command goes on from there",
        )


class _Collector(threading.Thread):
    """Keeps everything that the instrument sends, as the port's own buffer is soon full."""

    def __init__(self, api: PPK2_API) -> None:
        super().__init__(daemon=True)
        self._api = api
        self._over = threading.Event()
        self._bytes = bytearray()
        self.error: BaseException | None = None

    @property
    def samples(self) -> int:
        """Whole ones so far."""
        return len(self._bytes) // SAMPLE_BYTES

    def words(self) -> np.ndarray:
        """(n,) uint32, the samples so far."""
        return np.frombuffer(bytes(self._bytes[: self.samples * SAMPLE_BYTES]), dtype="<u4")

    def run(self) -> None:
        try:
            while not self._over.is_set():
                chunk = self._api.get_data()
                self._bytes += chunk
                if not chunk:
                    time.sleep(POLL_S)
        except (serial.SerialException, OSError, TypeError) as error:
            self.error = error

    def end(self) -> None:
        """Stop reading."""
        self._over.set()
        self.join()


def _drain(api: PPK2_API) -> None:
    """Drop what is still on its way from an earlier measurement."""
    quiet_since = time.monotonic()
    deadline = quiet_since + PATIENCE_S
    while time.monotonic() < min(deadline, quiet_since + QUIET_S):
        if api.get_data():
            quiet_since = time.monotonic()
        time.sleep(POLL_S)


def _step_a(api: PPK2_API, range_name: str) -> float:
    """A per code of a range: the converter's step over the range's resistor, with its gains."""
    table = api.modifiers
    gain = table["GI"][range_name] * table["UG"][range_name]
    return abs(4 * api.adc_mult / table["R"][range_name] * gain)


def _only_port() -> str:
    ports = [port.device for port in list_ports.comports() if port.product == "PPK2"]
    if len(ports) != 1:
        raise LinkError(
            f"{len(ports)} PPK2 ports are there: {', '.join(ports) or 'none'}",
            hint="plug one in, or name its port: ppk2:PORT,volt=V",
        )
    return ports[0]
