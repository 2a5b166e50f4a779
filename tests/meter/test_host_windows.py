"""Windows that a meter on the host bounds, on a board whose gate pin it sees.

The board is the firmware's POSIX port, which has no pin: the tests raise the emulated instrument's
logic input for as long as the board says that its window took.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from host.chain.windows import RUN_FILE, run_kept
from host.flash import open_target
from host.link import BoardClient, Identity
from host.meter import Ppk2, Recording
from host.metrics import Provenance, power_states
from host.replay import (
    ALL_KINDS,
    RanWindow,
    WindowPlan,
    check_windows,
    judge_windows,
    measure_windows,
    run_windows,
)
from host.replay import windows as running
from host.target import parse_target
from toolchain.build import Image, build_image
from toolchain.compile import compile_model
from toolchain.compile.synthetic import reference_network
from toolchain.errors import InputError, MeasurementError
from toolchain.protocol import Mode, WindowKind, WindowReply, WindowRequest

pytestmark = pytest.mark.firmware

VOLT = 5.0
INPUTS = np.zeros((4, 6), dtype=np.int8)
MASKS = np.ones((4, 3), dtype=bool)
IDLE_A, SLEEP_A = 0.010, 0.001
"""What the tests have the board draw while nothing happens."""
EACH_J = {WindowKind.INFERENCE: 1e-7, WindowKind.WAKE: 1e-4}
"""What they have an iteration take, however long this machine makes it."""
DECISIONS = 20_000
"""Of a window at least: some 20 ms here."""
CONVERTER = 0.01
"""A step of the PPK2's converter is below this share of any of these currents."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    root = tmp_path_factory.mktemp("native")
    data = reference_network((6, 9, 3), np.random.default_rng(1))
    compiled = compile_model(data, root / "c", name="m", kernels="portable")
    return build_image(parse_target("native").board, compiled.folder, root / "b")


@pytest.fixture
def board(
    image: Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[BoardClient, Identity]]:
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    # A process may be held up and be woken late, as no board is. Decisions that were held up in the
    # warm-up would make windows of so few that they are too short to be measured.
    monkeypatch.setattr("host.replay.windows.WARM_UP_DECISIONS", DECISIONS)
    asked = running._Runner.decisions

    def at_least(*given) -> WindowRequest:
        request = asked(*given)
        return replace(request, iterations=max(DECISIONS, request.iterations))

    monkeypatch.setattr(running._Runner, "decisions", at_least)
    monkeypatch.setattr("host.replay.judging.TIMER_SLACK_S", 1.0)
    with open_target(parse_target("native"), image) as (client, identity):
        yield client, identity


def _wire(client: BoardClient, instrument, change: Callable[[int, float], float] | None = None):
    """Raise the instrument's input in every window; ``change`` may falsify how long."""
    window, calls = client.window, iter(range(10_000))

    def seen(request: WindowRequest) -> WindowReply:
        reply = window(request)
        seconds = reply.elapsed_us * 1e-6
        instrument.current_a = SLEEP_A if request.kind == WindowKind.SLEEP else IDLE_A
        if reply.iterations:
            energy_j = EACH_J[WindowKind(request.kind)] * reply.iterations
            instrument.current_a = energy_j / (VOLT * seconds)
        instrument.play(seconds if change is None else change(next(calls), seconds))
        return reply

    client.window = seen  # type: ignore[method-assign]


def test_power_states_by_a_ppk2(board, make_ppk2, monkeypatch: pytest.MonkeyPatch) -> None:
    client, identity = board
    monkeypatch.setattr("host.replay.windows.SLEEP_S", 0.1)
    fake = make_ppk2()
    with Ppk2(fake.port, volt=VOLT) as meter:
        _wire(client, fake)
        # A pseudo-terminal takes what is sent at once, so there are no windows of sending.
        kinds = tuple(kind for kind in ALL_KINDS if kind is not WindowKind.LINK)
        plan = WindowPlan(0.02, repeats=2, kinds=kinds)
        windows = measure_windows(client, identity, meter, INPUTS, MASKS, [Mode.FULL], plan)
    assert [w.reason for w in windows] == [""] * len(windows)
    check_windows(windows)
    assert [w.kind for w in windows[::2]] == ["idle", "inference", "sleep", "wake"]
    states = power_states(windows, Provenance.MEASURED)
    assert states.idle_w.value == pytest.approx(VOLT * IDLE_A, rel=CONVERTER)
    wake_up_w = states.wake_up_j.value / 0.1  # one of them is in every window of sleep
    assert states.sleep_w.value == pytest.approx(VOLT * SLEEP_A - wake_up_w, rel=CONVERTER)
    assert states.inference_j.value == pytest.approx(EACH_J[WindowKind.INFERENCE], rel=CONVERTER)
    assert states.link_j_per_byte is None
    slept_s = np.median([w.elapsed_s / w.iterations for w in windows if w.kind == "wake"])
    window_s = min(w.elapsed_s for w in windows if w.kind == "sleep")
    net_j = EACH_J[WindowKind.WAKE] - VOLT * SLEEP_A * slept_s
    assert states.wake_up_j.value == pytest.approx(net_j / (1 - slept_s / window_s), rel=0.05)
    # 15 % of current and 2 % of voltage, uniform: the table's assumptions.
    gain = np.hypot(0.15, 0.02) / np.sqrt(3)
    assert states.idle_w.uncertainty == pytest.approx(states.idle_w.value * gain, rel=0.02)


def test_a_bad_window_is_refused_and_kept_and_the_others_count(board, make_ppk2) -> None:
    client, identity = board
    fake = make_ppk2()

    def change(call: int, seconds: float) -> float:
        # Calls 0 and 1 are the warm-up of the decisions.
        fake.drop = slice(300, 310) if call == 2 else None
        fake.saturated_range = 4 if call == 3 else None
        return seconds / 2 if call == 4 else seconds

    with Ppk2(fake.port, volt=VOLT) as meter:
        _wire(client, fake, change)
        plan = WindowPlan(0.02, repeats=7, kinds=(WindowKind.INFERENCE,))
        windows = measure_windows(client, identity, meter, INPUTS, MASKS, [Mode.FULL], plan)
    reasons = [window.reason for window in windows]
    assert reasons[0] == "samples were lost in 1 place inside the window"
    assert "are beyond the meter's range" in reasons[1]
    assert "the gate was high for" in reasons[2] and "the board's timer says" in reasons[2]
    assert reasons[3:] == [""] * 4


def test_what_was_run_is_kept_when_the_meter_disappears(
    board, make_ppk2, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, identity = board
    fake = make_ppk2()
    monkeypatch.setattr("host.chain.windows.Mode", [Mode.FULL])  # the image has no fallback

    def change(call: int, seconds: float) -> float:
        if call == 3:  # the trial and two idle windows were before
            fake.unplug()
            return 0.0
        return seconds

    with Ppk2(fake.port, volt=VOLT) as meter:
        _wire(client, fake, change)
        with pytest.raises(MeasurementError, match="broke off") as gone:
            run_kept(tmp_path, client, identity, meter, (INPUTS, MASKS), 0.02)
        description = meter.describe()
    assert "the same command goes on" in str(gone.value)
    kept = json.loads((tmp_path / RUN_FILE).read_text())
    assert kept["ended"] is None
    ran = [RanWindow.from_dict(window) for window in kept["windows"]]
    assert [(window.kind, window.warm_up) for window in ran] == [
        ("idle", True),
        ("idle", False),
        ("idle", False),
    ]
    windows = judge_windows(ran, description, identity.clock_hz)
    assert [window.accepted for window in windows] == [True, True]
    assert client.status().frames_received > 0  # the board is none the worse for it


def test_a_trace_is_read_after_all_windows(board, trace) -> None:
    client, identity = board
    later = Recording(Path("not-there-yet.csv"))
    plan = WindowPlan(0.02, repeats=2)
    with pytest.raises(InputError, match="only be read after the run"):
        measure_windows(client, identity, later, INPUTS, MASKS, [Mode.FULL], plan)
    ran = run_windows(client, identity, later, INPUTS, MASKS, [Mode.FULL], plan)
    elapsed_s = [window.elapsed_us * 1e-6 for window in ran]
    assert [window.reading for window in ran] == [None] * len(ran)
    recording = Recording(trace(elapsed_s, rate_hz=1e6), step_a=1e-5)
    readings = recording.readings(elapsed_s)
    read = [
        RanWindow(**{**vars(window), "reading": reading})
        for window, reading in zip(ran, readings, strict=True)
    ]
    windows = judge_windows(read, recording.describe(), identity.clock_hz)
    assert [w.kind for w in windows] == ["idle"] * 2 + ["inference"] * 2
    assert [w.reason for w in windows[:2]] == ["", ""]
    # This machine's speed varies, so what a decision takes at 0.1 W may be spread too wide.
    assert all(w.accepted or "are spread by" in w.reason for w in windows[2:])
    assert windows[0].power_w == pytest.approx(0.1, rel=1e-3)
