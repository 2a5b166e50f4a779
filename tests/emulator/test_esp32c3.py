"""The firmware's ESP32-C3 port on the emulated chip: lines, interrupts, faults, meter, time."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from host.emulator.emulators import emulator_of
from host.emulator.esp32c3 import EmulatedEsp32c3
from host.emulator.meters import METERS
from host.link.framing import Frame, decode, encode
from toolchain import protocol as wire
from toolchain.board import Board, load_board, with_shunt
from toolchain.build import Image, build_image
from toolchain.build.elf import symbols
from toolchain.errors import InputError

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

FIXTURES = Path(__file__).resolve().parents[1] / "firmware" / "fixtures"
ILLEGAL_INSTRUCTION = 2  # mcause, RISC-V privileged architecture 3.1.15
SHUNT_OHM = 0.1
BOARD = with_shunt(load_board("esp32c3"), SHUNT_OHM)
WINDOW_US = 80_000
"""A little more than the INA219's longest conversion."""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("engine")
    (folder / "model.json").write_text(json.dumps({"sha256": "5a" * 32}))
    engine = [FIXTURES / "engine_fault.c"]
    return build_image(BOARD, folder, folder / "image", engine_sources=engine)


def fitted(meter: str) -> Board:
    board = BOARD
    assert board.meter is not None
    return board.model_copy(update={"meter": board.meter.model_copy(update={"kind": meter})})


class Chip:
    """An emulated board in this process."""

    def __init__(self, image: Image, meter: str = "ina219", *, metered: bool = True) -> None:
        self.uart = bytearray()
        assert image.bin is not None
        self.board = EmulatedEsp32c3(
            fitted(meter), image.bin, "test", self.uart.append, metered=metered
        )
        self.settle()  # what comes in before the UART is up is lost

    def settle(self) -> None:
        """Run until only a host could make anything happen."""
        self.board.run()
        for _ in range(5000):
            if self.board.idle:
                return
            self.board.run()
        raise AssertionError("the board does not come to rest")

    def ask(self, message: wire.Message) -> bytes:
        self.uart.clear()
        self.board.feed(encode(Frame(message.TYPE, 1, 1, message.encode())))
        self.settle()
        return decode(bytes(self.uart).strip(b"\0")).payload

    def hello(self) -> wire.HelloReply:
        return wire.HelloReply.decode(self.ask(wire.HelloRequest()))

    def window(self, kind: wire.WindowKind, **asked: int) -> wire.WindowReply:
        zeros = dict.fromkeys(("mode", "meter", "iterations", "duration_us", "count"), 0)
        request = wire.WindowRequest(kind=kind, tail=b"", **zeros | asked)
        return wire.WindowReply.decode(self.ask(request))


def mean_a(window: wire.WindowReply) -> float:
    return window.shunt_voltage * 10e-6 / SHUNT_OHM


def test_hello_names_chip_and_meter(image: Image):
    chip = Chip(image)
    reply = chip.hello()
    assert reply.chip_id == chip.board.chip_id and reply.chip_id[:2] == b"\0\0"
    assert reply.board.rstrip(b"\0") == b"esp32c3" and reply.clock_hz == 160_000_000
    assert reply.meter == wire.MeterKind.INA219
    assert reply.reset_cause == wire.ResetCause.POWER_ON
    assert reply.image_sha256.hex() == image.image_sha256


def test_a_board_that_waits_for_its_host_stands_still(image: Image):
    chip = Chip(image)
    then_s, executed = chip.board.now_s(), chip.board.cycles()
    for _ in range(20):
        chip.board.run()
    assert (chip.board.now_s(), chip.board.cycles()) == (then_s, executed)


def test_a_reply_takes_its_time_on_the_line(image: Image):
    chip = Chip(image)
    then_s = chip.board.now_s()
    chip.hello()
    sent = len(chip.uart)
    byte_s = 10 / 115_200
    # The request's 13 bytes come in one after the other, the reply's go out so.
    assert chip.board.now_s() - then_s >= (sent + 13) * byte_s * 0.95


def test_a_fault_resets_the_board_which_tells_of_it(image: Image):
    chip = Chip(image)
    chip.hello()
    then_s = chip.board.now_s()
    request = wire.InferRequest(count=1, tail=b"\x03")
    chip.uart.clear()
    chip.board.feed(encode(Frame(request.TYPE, 1, 2, request.encode())))
    chip.settle()
    assert chip.uart == b"", "a reply from before the reset"
    reply = chip.hello()
    assert reply.reset_cause == wire.ResetCause.FAULT
    assert reply.fault_cause == wire.FaultCause.EXCEPTION
    assert reply.fault_status == ILLEGAL_INSTRUCTION
    marks = symbols(image.elf, ("jl_inference_invoke",))
    start = marks["jl_inference_invoke"]
    assert start <= reply.fault_pc < start + 256
    assert chip.board.now_s() > then_s, "time goes on over a reset"
    request = wire.InferRequest(count=1, tail=b"\x00")
    assert wire.InferReply.decode(chip.ask(request)).count == 1


def test_a_stack_that_is_used_up_resets_the_board(image: Image):
    chip = Chip(image)
    chip.hello()
    request = wire.InferRequest(count=1, tail=b"\x04")
    chip.board.feed(encode(Frame(request.TYPE, 1, 2, request.encode())))
    chip.settle()
    assert chip.hello().fault_cause == wire.FaultCause.STACK


def test_the_watchdog_is_armed_for_eight_seconds_and_fed(image: Image):
    chip = Chip(image)
    watchdog = chip.board._watchdog
    chip.hello()
    fed = watchdog.feeds
    assert chip.board.now_s() + 7.9 < watchdog.due_s < chip.board.now_s() + 8.1
    window = chip.window(wire.WindowKind.IDLE, duration_us=10_000_000)
    assert window.elapsed_us >= 10_000_000, "an idle window longer than the timeout is whole"
    assert watchdog.feeds > fed
    assert chip.hello().reset_cause == wire.ResetCause.POWER_ON


def test_a_program_that_turns_for_ever_is_reset(image: Image):
    chip = Chip(image)
    chip.hello()
    request = wire.InferRequest(count=1, tail=b"\x02")
    chip.board.feed(encode(Frame(request.TYPE, 1, 2, request.encode())))
    for _ in range(5):
        chip.board.run()
    fed = chip.board._watchdog.feeds
    chip.board.run()
    assert chip.board._watchdog.feeds == fed, "a loop that gets nowhere feeds the watchdog"
    # Eight seconds take minutes to emulate: the stage is made as short as it has lasted.
    chip.board._core.write(0x6001_F050, [1])
    chip.uart.clear()
    chip.settle()
    assert chip.uart == b"", "a board that starts anew says nothing"
    reply = chip.hello()
    assert reply.reset_cause == wire.ResetCause.WATCHDOG
    assert reply.fault_cause == wire.FaultCause.NONE
    request = wire.InferRequest(count=1, tail=b"\x00")
    assert wire.InferReply.decode(chip.ask(request)).count == 1


def test_a_core_that_waits_with_nothing_to_wake_it_is_reset(image: Image):
    chip = Chip(image)
    chip.hello()
    then_s = chip.board.now_s()
    assert chip.board.idle
    chip.board._core.write(0x6002_3000, [1 << 31 | 1 << 30])  # the system timer without comparators
    assert not chip.board.idle
    chip.settle()
    assert 7.5 < chip.board.now_s() - then_s < 8.1
    assert chip.hello().reset_cause == wire.ResetCause.WATCHDOG


def test_a_watchdog_that_is_protected_is_not_fed(image: Image):
    chip = Chip(image)
    watchdog, core = chip.board._watchdog, chip.board._core
    fed = watchdog.feeds
    core.write(0x6001_F064, [0])
    core.write(0x6001_F060, [1])
    watchdog.follow()
    assert watchdog.feeds == fed
    core.write(0x6001_F064, [0x50D8_3AA1])
    core.write(0x6001_F060, [1])
    watchdog.follow()
    assert watchdog.feeds == fed + 1
    core.write(0x6001_F048, [0])
    watchdog.follow()
    assert watchdog.due_s is None


def test_windows_draw_what_the_board_file_says(image: Image):
    chip = Chip(image)
    chip.hello()
    model = load_board("esp32c3").emulator
    assert model is not None
    currents = model.current_a
    lsb_a = 10e-6 / SHUNT_OHM
    idle = chip.window(wire.WindowKind.IDLE, duration_us=WINDOW_US)
    assert mean_a(idle) == pytest.approx(currents.waiting.value, abs=lsb_a)
    assert idle.gate == 3, "the gate pin was not seen at both levels"
    assert WINDOW_US <= idle.elapsed_us < WINDOW_US + 100
    asleep = chip.window(wire.WindowKind.SLEEP, duration_us=WINDOW_US)
    # Going there and coming back are in it, 1.5 ms awake to look for a USB host.
    assert currents.sleeping.value <= mean_a(asleep) <= currents.sleeping.value * 1.15
    sent = chip.window(wire.WindowKind.LINK, iterations=1000)
    assert sent.elapsed_us == pytest.approx(1000 * 10 / 115_200 * 1e6, rel=0.01)


def test_a_pin_that_is_held_is_seen(image: Image):
    chip = Chip(image)
    chip.hello()
    chip.board.gate_stuck_at = False
    assert chip.window(wire.WindowKind.IDLE, duration_us=WINDOW_US).gate == 2


@pytest.mark.parametrize("meter", ["ina226", "ina228"])
def test_every_meter_is_told_apart_and_read(image: Image, meter: str):
    chip = Chip(image, meter)
    assert chip.hello().meter == wire.MeterKind[meter.upper()]
    described = wire.MeterReply.decode(chip.ask(wire.MeterRequest()))
    window = chip.window(wire.WindowKind.IDLE, duration_us=20_000)
    seconds = window.covered_us * 1e-6
    if meter == "ina228":
        energy_j = window.energy * described.energy_lsb_pj * 1e-12
        tolerance = 2 * described.energy_lsb_pj * 1e-12
    else:
        current_a = window.shunt_voltage * described.shunt_voltage_lsb_nv * 1e-9 / SHUNT_OHM
        energy_j = current_a * window.bus_voltage * described.bus_voltage_lsb_nv * 1e-9 * seconds
        tolerance = 0.01 * energy_j
    assert energy_j == pytest.approx(0.0215 * 5.0 * seconds, abs=tolerance)


def test_a_bus_without_a_meter(image: Image):
    chip = Chip(image, metered=False)
    assert chip.hello().meter == wire.MeterKind.NONE


def test_what_is_no_image_is_refused(image: Image, tmp_path: Path):
    assert image.bin is not None
    data = bytearray(image.bin.read_bytes())
    broken = tmp_path / "firmware.bin"
    for change in (data[:100], b"", data[:40] + bytes([data[40] ^ 1]) + data[41:]):
        broken.write_bytes(change)
        with pytest.raises(InputError, match=r"firmware\.bin"):
            EmulatedEsp32c3(load_board("esp32c3"), broken, "test", lambda byte: None)


def test_the_board_file_names_the_emulator(image: Image):
    assert set(METERS) == {"ina219", "ina226", "ina228"}
    assert emulator_of(load_board("pico")) is not emulator_of(load_board("esp32c3"))
    assert image.bin is not None
    with pytest.raises(InputError, match="USB"):
        emulator_of(load_board("esp32c3"))(
            load_board("esp32c3"), image.bin, "x", lambda byte: None, lambda data: None, True
        )
