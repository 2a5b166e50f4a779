"""The clock that the firmware makes for its core, and physical time behind it."""

from __future__ import annotations

import pytest
from rp2040py.rp2040 import RP2040

from host.emulator.clock_tree import PLL_LOCK_S, ClockTree
from host.emulator.wall_clock import WallClock
from toolchain.errors import TargetError
from toolchain.protocol import (
    DecideRequest,
    HelloRequest,
    Mode,
    WindowKind,
    WindowMeter,
    WindowRequest,
)

ROWS = b"".join(bytes([3]) + turns.to_bytes(4, "little") for turns in (1, 100, 3_000))
DECIDE = DecideRequest(3, 0, 0, ROWS)
INFERENCE = WindowRequest(WindowKind.INFERENCE, Mode.FULL, WindowMeter.BOARD, 150, 0, 3, ROWS)
IDLE = WindowRequest(WindowKind.IDLE, Mode.FULL, WindowMeter.HOST, 0, 50_000, 0)


@pytest.fixture(scope="module")
def decided() -> dict[int, bytes]:
    """Replies to one DECIDE, by clock."""
    return {}


@pytest.mark.firmware
@pytest.mark.emulator
@pytest.mark.parametrize("mhz", [125, 48, 133, 200])
def test_decisions_and_their_cycles_are_the_same_and_their_time_is_not(
    bench, decided: dict[int, bytes], mhz: int
) -> None:
    board = bench("ina226", mhz=mhz)
    assert board.ask(HelloRequest()).clock_hz == mhz * 1_000_000
    assert board.pico.core_hz == mhz * 1e6
    assert board.pico.core_v == pytest.approx(1.15 if mhz > 133 else 1.10)
    decided[mhz] = board.ask(DECIDE).tail
    assert len(set(decided.values())) == 1, "the clock changed a decision or its cycles"

    reply = board.window(INFERENCE)
    assert abs(reply.elapsed_us - reply.cycles / mhz) <= 2
    assert abs(board.gated()[0] * 1e6 - reply.elapsed_us) < 10
    # The meter sees the current of that clock.
    model = board.board.emulator
    running_a = model.awake_a(mhz * 1e6, board.pico.core_v, running=True)
    assert reply.shunt_voltage * 2.5e-6 / 0.1 == pytest.approx(running_a, abs=25e-6)

    reply = board.window(IDLE)
    assert 50_000 <= reply.elapsed_us < 50_050
    assert board.pico._uart.baud_rate == pytest.approx(115_200, rel=0.005)


@pytest.mark.firmware
@pytest.mark.emulator
def test_a_slower_clock_costs_more_energy_for_the_same_work(bench) -> None:
    """The sleeping current is spent for longer."""
    joules = {}
    for mhz in (48, 125):
        board = bench("ina226", mhz=mhz)
        board.window(INFERENCE)
        seconds, amperes = board.gated()
        joules[mhz] = seconds * amperes * 5.0
    assert 1.02 < joules[48] / joules[125] < 1.2


def test_currents_of_the_pico_by_hand(bench) -> None:
    model = bench().board.emulator
    assert model.awake_a(125e6, 1.10, running=True) == pytest.approx(25.0e-3)
    # 1.5 mA + (25 - 1.5) mA * 48 / 125
    assert model.awake_a(48e6, 1.10, running=True) == pytest.approx(10.524e-3)
    # 1.5 mA + (20 - 1.5) mA * 200 / 125 * 1.15 / 1.10
    assert model.awake_a(200e6, 1.15, running=False) == pytest.approx(32.445e-3, rel=1e-4)
    assert model.asleep_a(0) == pytest.approx(1.5e-3)


class CoreClock:
    """rp2040py's clock, moved by hand: 8 ns a cycle."""

    def __init__(self) -> None:
        self.nanos = 0.0
        self.alarms: list[CoreAlarm] = []

    def create_alarm(self, callback) -> CoreAlarm:
        self.alarms.append(CoreAlarm(self, callback))
        return self.alarms[-1]

    def cycles(self, count: int) -> None:
        end = self.nanos + 8 * count
        while True:
            due = [alarm for alarm in self.alarms if alarm.due is not None and alarm.due <= end]
            if not due:
                break
            first = min(due, key=lambda alarm: alarm.due)
            self.nanos, first.due = first.due, None
            first.callback()
        self.nanos = end


class CoreAlarm:
    def __init__(self, clock: CoreClock, callback) -> None:
        self.clock = clock
        self.callback = callback
        self.due: float | None = None

    def schedule(self, delta_nanos: float) -> None:
        self.due = self.clock.nanos + delta_nanos

    def cancel(self) -> None:
        self.due = None


def test_physical_time_is_cycles_over_the_clock_of_the_moment() -> None:
    core = CoreClock()
    wall = WallClock(core)
    core.cycles(125)
    assert wall.micros == pytest.approx(1.0)
    wall.set_core_hz(48e6)
    core.cycles(48)
    assert wall.micros == pytest.approx(2.0)
    wall.set_core_hz(200e6)
    core.cycles(1_000)
    assert wall.micros == pytest.approx(7.0)


def test_an_alarm_keeps_its_time_when_the_clock_changes_under_it() -> None:
    core = CoreClock()
    wall = WallClock(core)
    fired: list[float] = []
    wall.create_alarm(lambda: fired.append(wall.micros)).schedule(100_000)
    cancelled = wall.create_alarm(lambda: fired.append(-1.0))
    cancelled.schedule(50_000)
    core.cycles(1_250)  # 10 us
    cancelled.cancel()
    wall.set_core_hz(12e6)
    core.cycles(12 * 89)  # up to 99 us
    assert fired == []
    wall.set_core_hz(200e6)
    core.cycles(201)
    assert fired == [pytest.approx(100.0)]
    assert wall.armed == set()


PLL_PWR, PLL_FBDIV, PLL_PRIM, PLL_CS = 0x4, 0x8, 0xC, 0x0
CLK_SYS_CTRL, CLK_REF_CTRL = 0x3C, 0x30


def powered_tree() -> tuple[ClockTree, RP2040]:
    """A chip that runs from its crystal, with its PLL set to 125 MHz and just powered."""
    mcu = RP2040()
    tree = ClockTree(mcu, WallClock(mcu.clock))
    tree.write_uint32(CLK_REF_CTRL, 2)
    pll = tree.plls["sys"]
    pll.write_uint32(PLL_FBDIV, 125)
    pll.write_uint32(PLL_PRIM, 6 << 16 | 2 << 12)
    pll.write_uint32(PLL_PWR, 0)
    return tree, mcu


def test_a_pll_gives_no_clock_before_it_has_locked() -> None:
    tree, mcu = powered_tree()
    assert tree.core_hz == 12e6
    assert not tree.plls["sys"].read_uint32(PLL_CS) >> 31
    with pytest.raises(TargetError, match="stopped the clock"):
        tree.write_uint32(CLK_SYS_CTRL, 1)
    tree, mcu = powered_tree()
    mcu.clock.tick(PLL_LOCK_S * 1e9 * 12 / 125)  # that long at 12 MHz
    assert tree.plls["sys"].read_uint32(PLL_CS) >> 31
    tree.write_uint32(CLK_SYS_CTRL, 1)
    assert tree.core_hz == 125e6
    assert mcu.clk_sys == 125_000_000


def test_a_pll_that_the_core_runs_from_cannot_be_stopped_unnoticed() -> None:
    tree, mcu = powered_tree()
    mcu.clock.tick(PLL_LOCK_S * 1e9)
    tree.write_uint32(CLK_SYS_CTRL, 1)
    with pytest.raises(TargetError, match="stopped the clock"):
        tree.plls["sys"].write_uint32(PLL_PWR, 0x2D)
