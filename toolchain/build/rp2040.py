"""What the RP2040 can do of what a board file asks, and where its image lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from toolchain.board import Board, core_voltage_v
from toolchain.build import elf
from toolchain.errors import BoardFileError

XOSC_HZ = 12_000_000
"""Crystal of every board with this chip that the boot ROM's USB works on (datasheet 2.16.1)."""

VCO_HZ = range(750_000_000, 1_600_000_001)
"""Range of the PLL's oscillator (datasheet 2.18.2.1)."""

MOST_HZ = 200_000_000
"""Above the specified 133 MHz, and what the port is written for: at it, the flash is read at its
50 MHz limit, and the core gets 1.15 V."""

FLASH_BASE = 0x1000_0000
RAM_BYTES = 264 * 1024
PINS = 30

_UART_FUNCTION_PINS = {0: {"tx": (0, 12, 16, 28), "rx": (1, 13, 17, 29)}}
_UART_FUNCTION_PINS[1] = {"tx": (4, 8, 20, 24), "rx": (5, 9, 21, 25)}


@dataclass(frozen=True)
class Pll:
    """Dividers of the system PLL: 12 MHz * fbdiv / (postdiv1 * postdiv2)."""

    fbdiv: int
    postdiv1: int
    postdiv2: int


def solve_pll(clock_hz: int) -> Pll:
    """Dividers for a core clock, with the highest oscillator frequency (least jitter).

    Raises:
        BoardFileError: no setting gives exactly this clock, or it is not whole MHz, which the
            firmware's clock check needs.
    """
    settings = [
        Pll(fbdiv, postdiv1, postdiv2)
        for fbdiv in range(320, 15, -1)
        if XOSC_HZ * fbdiv in VCO_HZ
        for postdiv1 in range(7, 0, -1)
        for postdiv2 in range(postdiv1, 0, -1)
        if XOSC_HZ * fbdiv == clock_hz * postdiv1 * postdiv2
    ]
    if not settings or clock_hz % 1_000_000:
        raise BoardFileError(
            f"cpu.clock_hz {clock_hz}: the PLL cannot make it from {XOSC_HZ} Hz as whole MHz",
            hint="use a clock like 48, 125 or 133 MHz",
        )
    if clock_hz > MOST_HZ:
        raise BoardFileError(
            f"cpu.clock_hz {clock_hz} is above {MOST_HZ}, which neither the flash's reads nor the "
            "core's voltage are set up for",
            hint="use at most 200 MHz; above 133 MHz is outside of the chip's specification",
        )
    return settings[0]


def config(board: Board) -> dict[str, int | str]:
    """What ``jl_config.h`` tells this chip's port, beside what it tells every port.

    Raises:
        BoardFileError: the chip cannot do what the board file says.
    """
    check_board(board)
    pll = solve_pll(board.cpu.clock_hz)
    values: dict[str, int | str] = {
        "JL_PLL_FBDIV": pll.fbdiv,
        "JL_PLL_POSTDIV1": pll.postdiv1,
        "JL_PLL_POSTDIV2": pll.postdiv2,
        # Steps of 50 mV from 0.85 V at 6 (datasheet 2.10.6).
        "JL_VREG_VSEL": 6 + round((core_voltage_v(board.chip, board.cpu.clock_hz) - 0.85) / 0.05),
        "JL_UART_BAUD": board.link.baud,
    }
    link = {"INDEX": board.link.uart, "TX_PIN": board.link.tx_pin, "RX_PIN": board.link.rx_pin}
    return values | {f"JL_UART_{name}": value for name, value in link.items() if value is not None}


def flash_image(elf_path: Path, flash_bytes: int) -> bytes:
    """Seal an ELF file's second-stage boot, and give its bytes as they lie in flash.

    Raises:
        BuildError: it has none, or something outside of the flash.
    """
    elf.seal_boot2(elf_path)
    return elf.flash_image(elf_path, FLASH_BASE, flash_bytes)


def check_board(board: Board) -> None:
    """Check that the chip has what the board file says.

    Raises:
        BoardFileError: a pin without the function it is given, a pin given twice, more RAM than
            the chip has, an instance that does not exist, or a clock that the PLL cannot make.
    """
    solve_pll(board.cpu.clock_hz)
    if board.memory.ram_bytes > RAM_BYTES:
        raise BoardFileError(
            f"memory.ram_bytes {board.memory.ram_bytes} is more than the RP2040's {RAM_BYTES}"
        )
    link = board.link
    if link.uart is None or link.tx_pin is None or link.rx_pin is None:
        raise BoardFileError(f"board {board.name!r}: link.uart, tx_pin and rx_pin must be given")
    if link.uart not in _UART_FUNCTION_PINS:
        raise BoardFileError(f"link.uart {link.uart}: the RP2040 has UART 0 and 1")
    used = {"link.tx_pin": link.tx_pin, "link.rx_pin": link.rx_pin}
    for role, pin in (("tx", link.tx_pin), ("rx", link.rx_pin)):
        possible = _UART_FUNCTION_PINS[link.uart][role]
        if pin not in possible:
            raise BoardFileError(
                f"link.{role}_pin {pin} is no {role.upper()} pin of UART {link.uart}; "
                f"possible: {', '.join(map(str, possible))} (datasheet 2.19.2)"
            )
    if board.meter is not None:
        meter = board.meter
        for role, pin, lane in (("sda", meter.sda_pin, 0), ("scl", meter.scl_pin, 1)):
            if pin >= PINS or pin % 4 != 2 * meter.i2c + lane:
                raise BoardFileError(
                    f"meter.{role}_pin {pin} is no {role.upper()} pin of I2C {meter.i2c}; "
                    f"possible: {2 * meter.i2c + lane} and every fourth after it (datasheet 2.19.2)"
                )
            used[f"meter.{role}_pin"] = pin
        used["meter.gate_pin"] = meter.gate_pin
    for name, pin in used.items():
        others = [other for other, taken in used.items() if taken == pin and other != name]
        if pin >= PINS or others:
            raise BoardFileError(
                f"{name} {pin} is "
                + (f"also {others[0]}" if others else f"no GPIO of the RP2040 (0-{PINS - 1})")
            )
