"""Energy windows: what the board does in them, how long, and how often.

The rules follow EEMBC's and MLPerf Tiny's (FACTS.md section 4): a warm-up that is not counted, at
least ten iterations, five windows. Which of them count, :mod:`host.replay.judging` says.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from host.link import BoardClient, Identity, decide_rows
from host.meter import Meter, Reading, Recording
from host.metrics import EnergyWindow, WindowName
from host.replay.judging import MIN_RESOLUTIONS, RanWindow, judge_windows
from toolchain.errors import BoardFaultError, InputError, MeasurementError
from toolchain.protocol import (
    ErrorCode,
    Mode,
    WindowKind,
    WindowMeter,
    WindowReply,
    WindowRequest,
)

MIN_ITERATIONS = 10
"""Of a window that counts something, at least."""
WARM_UP_DECISIONS = 10
"""Before the windows of a mode, and twice as many, which tell how long one takes."""
ROOM = 1.1
"""Windows are made so much longer than those that would just do."""
MOST_LENGTHENED = 1000.0
"""A state that draws so little that windows would have to be longer still is refused instead."""
SLEEP_S = 0.5
"""Of a window of sleep, at least: falling asleep and waking up are in it, too."""
WAKE_SLEEP_S = 5e-3
"""Of each sleep in a window of wake-ups: long enough to be asleep, short enough to wake often."""
LINK_TRIAL_BYTES = 512
MOST_LINK_BYTES = 100_000

WINDOW_NAMES: dict[WindowKind, WindowName] = {
    WindowKind.IDLE: "idle",
    WindowKind.INFERENCE: "inference",
    WindowKind.SLEEP: "sleep",
    WindowKind.WAKE: "wake",
    WindowKind.LINK: "link",
}
DECISIONS = (WindowKind.IDLE, WindowKind.INFERENCE)
"""What the energy of a decision needs. Idle first: a board that decides draws no less, so what is
long enough for idle windows is long enough for the others."""
ALL_KINDS = (*DECISIONS, WindowKind.SLEEP, WindowKind.WAKE, WindowKind.LINK)
"""What all power states need."""
REFUSALS = (ErrorCode.METER, ErrorCode.CLOCK, ErrorCode.COVERAGE, ErrorCode.LINE)
"""What the board itself refuses a window for."""


@dataclass(frozen=True)
class WindowPlan:
    """How windows are bounded.

    Attributes:
        window_s: shortest time of one window, in s of the board's clock.
        repeats: windows of each kind.
        kinds: of windows, in this order.
    """

    window_s: float
    repeats: int = 5
    kinds: tuple[WindowKind, ...] = DECISIONS


def measure_windows(
    client: BoardClient,
    identity: Identity,
    meter: Meter,
    inputs: np.ndarray,
    masks: np.ndarray,
    modes: Sequence[Mode],
    plan: WindowPlan,
) -> list[EnergyWindow]:
    """Run, measure and judge the windows of a plan; see :func:`run_windows`.

    Returns:
        All windows, the refused ones with their reason.

    Raises:
        InputError: the meter is a recording, which is read after the run.
        MeasurementError: the meter is gone.
        BoardFaultError: the board cannot do one of the kinds.
    """
    if isinstance(meter, Recording):
        raise InputError(
            f"the recording {meter.file} can only be read after the run",
            hint="use --meter trace:FILE with 'bench' or 'replay', and another meter here",
        )
    ran = run_windows(client, identity, meter, inputs, masks, modes, plan)
    return judge_windows(ran, meter.describe(), identity.clock_hz)


def run_windows(
    client: BoardClient,
    identity: Identity,
    meter: Meter,
    inputs: np.ndarray,
    masks: np.ndarray,
    modes: Sequence[Mode],
    plan: WindowPlan,
    on_window: Callable[[RanWindow], None] = lambda window: None,
) -> list[RanWindow]:
    """Run warm-ups and ``plan.repeats`` windows of each kind; of inference, in each mode.

    Args:
        client: the open link.
        identity: what answered.
        meter: open.
        inputs: (n, n_in) states to cycle through, as the network takes them; must fit one frame.
        masks: (n, n_actions) bool.
        modes: that are measured; their warm-up says how many decisions make a window.
        plan: lengths and repeats.
        on_window: is given every window as soon as it has been run.

    Raises:
        MeasurementError: the meter is gone.
        BoardFaultError: the board cannot do one of the kinds.
    """
    runner = _Runner(client, meter, on_window)
    shortest_s = max(plan.window_s, ROOM * MIN_RESOLUTIONS * meter.edge_s)
    shortest_s = min(shortest_s, meter.longest_s)
    rows = decide_rows(inputs, masks)
    for kind in plan.kinds:
        if kind is WindowKind.INFERENCE:
            for mode in modes:
                # No meter is needed to count cycles, and these are too short for some.
                short = WindowRequest(
                    kind, mode, WindowMeter.HOST, WARM_UP_DECISIONS, 0, len(inputs), rows
                )
                request = runner.decisions(short, shortest_s, identity.clock_hz)
                runner.run(replace(request, meter=meter.bounded_by), plan.repeats)
        else:
            request = WindowRequest(kind, Mode.FULL, meter.bounded_by, 0, 0, 0)
            least_s = min(SLEEP_S, meter.longest_s) if kind is WindowKind.SLEEP else 0.0
            request = runner.state(request, max(shortest_s, least_s))
            runner.run(request, plan.repeats)
            if kind is WindowKind.IDLE:
                shortest_s = max(shortest_s, request.duration_us * 1e-6)
    return runner.ran


@dataclass
class _Runner:
    """Runs windows on a board, and keeps them."""

    client: BoardClient
    meter: Meter
    on_window: Callable[[RanWindow], None]

    def __post_init__(self) -> None:
        self.ran: list[RanWindow] = []

    def run(self, request: WindowRequest, repeats: int) -> None:
        """Run and measure windows that count."""
        for _ in range(repeats):
            self._measure(request)

    def warm_up(self, request: WindowRequest) -> WindowReply:
        """Run one that does not count."""
        begun_us = self.client.status().uptime_us
        reply = self.client.window(request)
        self._keep(request, reply, begun_us, warm_up=True)
        return reply

    def decisions(self, short: WindowRequest, shortest_s: float, clock_hz: int) -> WindowRequest:
        """A window of so many decisions that it lasts long enough."""
        # A window has cycles besides its decisions, which the difference of two does not.
        longer = self.warm_up(replace(short, iterations=2 * short.iterations)).cycles
        shorter = self.warm_up(short).cycles
        if longer <= shorter:
            raise MeasurementError(
                f"{2 * short.iterations} decisions took {longer} cycles, {short.iterations} took "
                f"{shorter}: a clock that does not run evenly",
                hint="run it again; if it stays so, the board's clock cannot be used",
            )
        iterations = math.ceil(shortest_s * clock_hz * short.iterations / (longer - shorter))
        return replace(short, iterations=max(MIN_ITERATIONS, iterations))

    def state(self, request: WindowRequest, shortest_s: float) -> WindowRequest:
        """A window without decisions, long enough for what the board draws in it."""
        request = _lasting(request, shortest_s)
        trial = self._measure(request, warm_up=True)
        if request.kind == WindowKind.LINK and trial.elapsed_us:
            bytes_per_s = trial.iterations / (trial.elapsed_us * 1e-6)
            request = replace(request, iterations=math.ceil(shortest_s * bytes_per_s))
        reading = trial.reading
        usable = reading is not None and not reading.refusals and reading.energy_j > 0
        if usable and reading is not None and self.meter.accumulates:
            short_by = ROOM * MIN_RESOLUTIONS * reading.digit_j / reading.energy_j
            if request.kind == WindowKind.LINK:  # its trial was of another length
                short_by *= trial.iterations / request.iterations
            request = _longer(request, min(MOST_LENGTHENED, max(1.0, short_by)))
        return request

    def _measure(self, request: WindowRequest, *, warm_up: bool = False) -> RanWindow:
        begun_us = self.client.status().uptime_us
        self.meter.arm()
        try:
            reply = self.client.window(request)
        except BoardFaultError as error:
            if error.code not in REFUSALS:
                raise
            return self._keep(request, None, begun_us, warm_up=warm_up, fault=error.message)
        reading = self.meter.read(reply)
        return self._keep(request, reply, begun_us, warm_up=warm_up, reading=reading)

    def _keep(
        self,
        request: WindowRequest,
        reply: WindowReply | None,
        begun_us: int,
        *,
        reading: Reading | None = None,
        warm_up: bool = False,
        fault: str = "",
    ) -> RanWindow:
        kind = WindowKind(request.kind)
        window = RanWindow(
            kind=WINDOW_NAMES[kind],
            mode=Mode(request.mode).name.lower() if kind is WindowKind.INFERENCE else "",
            asked=request.iterations,
            asked_us=request.duration_us,
            iterations=0 if reply is None else reply.iterations,
            elapsed_us=0 if reply is None else reply.elapsed_us,
            cycles=0 if reply is None else reply.cycles,
            warm_up=warm_up,
            reading=reading,
            fault=fault,
            begun_us=begun_us,
        )
        self.ran.append(window)
        self.on_window(window)
        return window


def _lasting(request: WindowRequest, shortest_s: float) -> WindowRequest:
    """The request for a first window of a state."""
    if request.kind == WindowKind.WAKE:
        count = max(MIN_ITERATIONS, math.ceil(shortest_s / WAKE_SLEEP_S))
        return replace(request, iterations=count, duration_us=round(WAKE_SLEEP_S * 1e6))
    if request.kind == WindowKind.LINK:
        return replace(request, iterations=LINK_TRIAL_BYTES)
    return replace(request, duration_us=math.ceil(shortest_s * 1e6))


def _longer(request: WindowRequest, factor: float) -> WindowRequest:
    if request.kind == WindowKind.LINK:
        count = min(MOST_LINK_BYTES, math.ceil(request.iterations * factor))
        return replace(request, iterations=count)
    if request.kind == WindowKind.WAKE:
        return replace(request, iterations=math.ceil(request.iterations * factor))
    return replace(request, duration_us=math.ceil(request.duration_us * factor))
