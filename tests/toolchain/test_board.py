from pathlib import Path

import pytest

from host.target import parse_target
from toolchain.board import BOARDS_DIR, load_board, read_board_file
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
        ("clock_hz = 125_000_000", "clock_mhz = 125", "cpu.clock_"),
        ("clock_hz = 125_000_000", "clock_hz = -1", r"cpu\.clock_hz: .*greater than 0.*-1"),
        ("schema = 1", "schema = 7", "schema: .*7"),
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
    with pytest.raises(BoardFileError, match=message):
        read_board_file(file)


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


@pytest.mark.parametrize("text", ["pico", "pico@", "pico@emulater", "pico@lab:4000"])
def test_a_target_without_a_place_is_refused(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        parse_target(text)
    assert caught.value.hint is not None
