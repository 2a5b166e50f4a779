"""What the ESP32-C3 can do of what a board file asks, and how its image is packed.

The image is one that the chip's boot ROM loads by itself: a header and segments that are copied to
SRAM, at the first address of the flash. There is no second-stage boot; nothing runs from flash.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

from toolchain.board import Board
from toolchain.errors import BoardFileError, BuildError

CHIP = "esp32c3"
"""What esptool calls the chip."""

CLOCKS_HZ = (80_000_000, 160_000_000)
"""That the PLL's dividers make (technical reference manual 6.2.4)."""

RAM_BYTES = 0x3FCC_AE00 - 0x3FC8_0000
"""SRAM below what the boot ROM's own variables and stack take while it loads an image."""

FLASH_SIZES = {2**n << 20: f"{2**n}MB" for n in range(5)}
"""By bytes; what the image's header can name."""

PINS = tuple(pin for pin in range(22) if not 11 <= pin <= 19)
"""GPIOs that are free: 11 to 17 are the flash's, 18 and 19 the USB's."""


def check_board(board: Board) -> None:
    """Check that the chip has what the board file says.

    Raises:
        BoardFileError: a clock that it cannot make, a pin that is taken, or more than it has.
    """
    if board.cpu.clock_hz not in CLOCKS_HZ:
        raise BoardFileError(
            f"cpu.clock_hz {board.cpu.clock_hz}: the ESP32-C3's PLL makes "
            f"{' or '.join(map(str, CLOCKS_HZ))}",
            hint="--clock takes 80 or 160 here",
        )
    if board.memory.ram_bytes > RAM_BYTES:
        raise BoardFileError(
            f"memory.ram_bytes {board.memory.ram_bytes} is more than the {RAM_BYTES} that the "
            "ESP32-C3's boot ROM leaves free"
        )
    if board.memory.flash_bytes not in FLASH_SIZES:
        raise BoardFileError(
            f"memory.flash_bytes {board.memory.flash_bytes} is no size of a flash; possible: "
            f"{', '.join(map(str, FLASH_SIZES))}"
        )
    if board.usb is not None:
        raise BoardFileError(
            f"board {board.name!r}: the ESP32-C3's USB controller has names of its own, which "
            "cannot be set",
            hint="leave out [usb]",
        )
    _check_pins(board)


def _check_pins(board: Board) -> None:
    link = board.link
    if link.uart != 0 or link.tx_pin is None or link.rx_pin is None:
        raise BoardFileError(f"board {board.name!r}: link.uart must be 0, with tx_pin and rx_pin")
    used = {"link.tx_pin": link.tx_pin, "link.rx_pin": link.rx_pin}
    if board.meter is not None:
        if board.meter.i2c != 0:
            raise BoardFileError(f"meter.i2c {board.meter.i2c}: the ESP32-C3 has I2C 0 alone")
        used |= {
            "meter.sda_pin": board.meter.sda_pin,
            "meter.scl_pin": board.meter.scl_pin,
            "meter.gate_pin": board.meter.gate_pin,
        }
    for name, pin in used.items():
        others = [other for other, taken in used.items() if taken == pin and other != name]
        if pin not in PINS or others:
            raise BoardFileError(
                f"{name} {pin} is "
                + (f"also {others[0]}" if others else "no free GPIO of the ESP32-C3")
                + f"; free: {', '.join(map(str, PINS))}"
            )


def config(board: Board) -> dict[str, int | str]:
    """What ``jl_config.h`` tells this chip's port, beside what it tells every port.

    Raises:
        BoardFileError: as :func:`check_board`.
    """
    check_board(board)
    assert board.link.tx_pin is not None and board.link.rx_pin is not None
    return {
        "JL_UART_BAUD": board.link.baud,
        "JL_UART_TX_PIN": board.link.tx_pin,
        "JL_UART_RX_PIN": board.link.rx_pin,
    }


def flash_image(elf_path: Path, flash_bytes: int) -> bytes:
    """The bytes that go into flash, from address 0 on: header, segments, checksum, SHA-256.

    Raises:
        BuildError: esptool refused the ELF file.
    """
    import esptool

    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            made = esptool.cmds.elf2image(
                elf_path.read_bytes(),
                CHIP,
                flash_freq="40m",
                flash_mode="dio",
                flash_size=FLASH_SIZES[flash_bytes],
            )
    except (esptool.FatalError, OSError) as error:
        raise BuildError(f"{elf_path}: esptool makes no image of it: {error}") from error
    if not isinstance(made, bytes):
        raise BuildError(f"{elf_path}: esptool made no image: {said.getvalue().strip()}")
    return made
