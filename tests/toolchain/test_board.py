from pathlib import Path

import pytest

from host.target import parse_target
from toolchain.board import BOARDS_DIR, at_clock, load_board, read_board_file, with_shunt
from toolchain.errors import BoardFileError, TargetError

PICO = (BOARDS_DIR / "pico" / "board.toml").read_text()


def test_pico() -> None:
    board = load_board("pico")
    assert board.cpu.clock_hz == 125_000_000
    assert board.meter is not None
    assert board.meter.current_lsb_a == pytest.approx(0.5e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "clock_hz = 125_000_000",
            "clock_mhz = 125",
            r"cpu\.clock_hz: is missing; cpu\.clock_mhz: there is no such key",
        ),
        ("clock_hz = 125_000_000", "clock_hz = -1", r"cpu\.clock_hz: .*greater than 0.*-1"),
        ("schema = 1", "schema = 7", "schema: .*7"),
        ("schema = 1", "", "schema: is missing\n"),
        ("shunt_ohm = 0.015", "shunt_ohm = 0", r"meter\.shunt_ohm"),
        ('kind = "ina228"', 'kind = "ina999"', r"meter\.kind: .*ina999"),
        ("vendor_id = 0x2E8A", "vendor_id = 0x12E8A", r"usb\.vendor_id: .*77450"),
        ('product = "Jouleloop Pico"', 'product = "a\\"b"', r"usb\.product"),
        (
            "budget_j_per_decision_cycle = 4e-5",
            "budget_j_per_decision_cycle = 0",
            r"energy_saving\.budget_j_per_decision_cycle: .*greater than 0",
        ),
        ("[cpu]", "[cpu", "cannot be read"),
    ],
)
def test_a_bad_board_file_names_the_key_and_the_value(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    file = tmp_path / "board.toml"
    assert old in PICO
    file.write_text(PICO.replace(old, new))
    with pytest.raises(BoardFileError, match=message) as caught:
        read_board_file(file)
    assert caught.value.hint


def test_an_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(BoardFileError, match=r"unknown board 'picasso'; known boards: .*pico"):
        parse_target("picasso@emulator")


def test_targets() -> None:
    assert parse_target("pico@emulator").emulated
    assert parse_target("pico@/dev/ttyUSB0").where == "/dev/ttyUSB0"
    assert parse_target("pico@rfc2217://lab:4000").where == "rfc2217://lab:4000"
    assert str(parse_target("pico@emulator")) == "pico@emulator"
    assert str(parse_target("pico@emulator+usb")) == "pico@emulator+usb"
    usb = parse_target("pico@emulator+usb")
    assert usb.emulated and usb.usb and not parse_target("pico@emulator").usb
    assert usb.individual == "pico@emulator"
    plugged = parse_target("pico")
    assert str(plugged) == "pico" and not plugged.where and not plugged.emulated
    for where in ("e660583883724a32", "60:55:F9:F5:2B:70", "1-1.2"):
        target = parse_target(f"pico@{where}")
        assert (target.where, target.at_port, str(target)) == (where, False, f"pico@{where}")


@pytest.mark.parametrize(
    "text", ["pico@", "pico@emulater", "pico@lab:4000", "pico@1-", "native@/dev/ttyACM0"]
)
def test_a_target_without_a_place_is_refused(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    assert caught.value.hint is not None


def test_a_board_at_another_clock_keeps_its_books_by_that_clock() -> None:
    pico = load_board("pico")
    slow = at_clock(pico, 48_000_000)
    assert slow.cpu.clock_hz == 48_000_000
    assert slow.cost_model is not None and pico.cost_model is not None
    # 1 nJ a cycle at 25 mA and 125 MHz; at 48 MHz 1.5 + 23.5 * 0.384 = 10.524 mA.
    assert slow.cost_model.energy_j_per_cycle == pytest.approx(5 * 0.010524 / 48e6)
    assert pico.cost_model.energy_j_per_cycle == 1e-9
    again = at_clock(slow, 125_000_000)
    assert again.cost_model is not None
    assert again.cost_model.energy_j_per_cycle == pytest.approx(1e-9)


@pytest.mark.parametrize(("clock_hz", "outside"), [(133_000_000, False), (200_000_000, True)])
def test_a_clock_above_the_makers_is_labelled(clock_hz: int, outside: bool) -> None:
    target = parse_target("pico@emulator", clock_hz=clock_hz)
    assert target.board.cpu.clock_hz == clock_hz
    identity = {"clock_hz": clock_hz, "board": "pico"}
    assert target.labelled(identity) == identity | {"outside_specification": outside}


def test_a_process_has_no_clock_to_set() -> None:
    with pytest.raises(BoardFileError, match="48000000 Hz"):
        parse_target("native", clock_hz=48_000_000)


# 0.262144 A stay where they drop less than 40 mV.
@pytest.mark.parametrize(("ohm", "amperes"), [(0.01, 0.262144), (0.1, 0.262144), (1.0, 0.04)])
def test_another_shunt_keeps_the_meters_range(ohm: float, amperes: float) -> None:
    meter = with_shunt(load_board("pico"), ohm).meter
    assert meter is not None
    assert (meter.shunt_ohm, meter.max_current_a) == (ohm, pytest.approx(amperes))
    assert ohm * meter.max_current_a <= 0.04


@pytest.mark.parametrize("ohm", [0.0, -0.1, float("nan"), float("inf")])
def test_a_shunt_that_is_none_is_refused(ohm: float) -> None:
    with pytest.raises(BoardFileError, match="no resistance"):
        with_shunt(load_board("pico"), ohm)


@pytest.mark.parametrize(
    ("ohm", "message"),
    [
        (100.0, "a shunt of 100 ohm, must be 0.0001 to 4 ohm"),
        (1e-9, "a shunt of 1e-09 ohm, must be"),
        (0.1 / 3, "is not whole microohm"),
    ],
)
def test_a_shunt_that_no_meter_can_use_is_refused_before_anything_is_built(
    ohm: float, message: str
) -> None:
    with pytest.raises(BoardFileError, match=message):
        with_shunt(load_board("pico"), ohm)


def test_a_board_without_a_meter_has_no_shunt() -> None:
    with pytest.raises(BoardFileError, match=r"has no \[meter\]"):
        with_shunt(load_board("native"), 0.1)
