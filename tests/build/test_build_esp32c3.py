"""The ESP32-C3's image: what of a board file it refuses, where it lies, and what the ROM loads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from esptool.bin_image import LoadFirmwareImage

from toolchain.board import Board, at_clock, load_board
from toolchain.build import Image, build_image, config_header, esp32c3
from toolchain.build.elf import symbols
from toolchain.errors import BoardFileError, BuildError, InputError
from toolchain.protocol import Engine

FIXTURES = Path(__file__).resolve().parents[1] / "firmware" / "fixtures"
IRAM, DRAM = 0x4038_0000, 0x3FC8_0000
ROM_BEGINS = 0x3FCC_AE00
"""What lies from here on is the boot ROM's own while it loads an image."""


def board_with(**sections: dict[str, Any]) -> Board:
    data = load_board("esp32c3").model_dump(by_alias=True)
    for name, change in sections.items():
        data[name] = (data[name] or {}) | change
    return Board.model_validate(data)


USB = {"vendor_id": 1, "product_id": 2, "manufacturer": "a", "product": "b"}
IMPOSSIBLE = {
    "a clock that the PLL cannot make": ({"cpu": {"clock_hz": 120_000_000}}, "120000000"),
    "more RAM than the ROM leaves": ({"memory": {"ram_bytes": 400_000}}, "400000"),
    "a flash of no size": ({"memory": {"flash_bytes": 3_000_000}}, "3000000"),
    "a pin of the flash": ({"meter": {"sda_pin": 12}}, "meter.sda_pin 12"),
    "a pin of the USB": ({"meter": {"gate_pin": 18}}, "meter.gate_pin 18"),
    "a pin beyond the last": ({"link": {"tx_pin": 22}}, "link.tx_pin 22"),
    "two roles for a pin": ({"meter": {"gate_pin": 21}}, "link.tx_pin 21 is also meter.gate_pin"),
    "another UART": ({"link": {"uart": 1}}, "link.uart"),
    "another bus": ({"meter": {"i2c": 1}}, "meter.i2c 1"),
    "names on USB": ({"usb": USB}, r"\[usb\]|USB"),
}


@pytest.mark.parametrize(("change", "named"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_what_the_chip_cannot_do_is_refused(change: dict[str, dict[str, Any]], named: str):
    with pytest.raises(BoardFileError, match=named):
        config_header.render(board_with(**change), bytes(32))


def test_the_configuration_names_pins_and_clock():
    text = config_header.render(at_clock(load_board("esp32c3"), 80_000_000), bytes(32))
    for line in ("JL_CLOCK_HZ 80000000u", "JL_UART_TX_PIN 21u", "JL_CYCLES_EXACT 1u"):
        assert f"#define {line}\n" in text


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return build(tmp_path_factory.mktemp("esp32c3"))


def build(folder: Path, **options: Any) -> Image:
    (folder / "model.json").write_text(json.dumps({"sha256": "5a" * 32}))
    engine = [FIXTURES / "engine_fault.c"]
    return build_image(
        load_board("esp32c3"), folder, folder / "image", engine_sources=engine, **options
    )


@pytest.mark.firmware
def test_the_rom_loads_all_of_the_program_into_free_ram(image: Image):
    assert image.bin is not None and image.program == image.bin and image.uf2 is None
    loaded = LoadFirmwareImage("esp32c3", str(image.bin))
    assert loaded.checksum == loaded.calculate_checksum()
    assert loaded.entrypoint == symbols(image.elf, ["jl_reset"])["jl_reset"]
    taken: set[int] = set()
    for segment in loaded.segments:
        base = IRAM if segment.addr >= IRAM else DRAM
        offset = segment.addr - base
        place = range(offset, offset + len(segment.data))
        assert DRAM + place.stop <= ROM_BEGINS
        assert taken.isdisjoint(place), "code and data share SRAM: both buses lead to the same"
        taken.update(place)
    memory = {segment.addr: bytes(segment.data) for segment in loaded.segments}
    with image.elf.open("rb") as file:
        for section in ELFFile(file).iter_sections("SHT_PROGBITS"):
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC and section["sh_size"]:
                at = section["sh_addr"]
                start, data = max((a, d) for a, d in memory.items() if a <= at)
                assert data[at - start : at - start + section["sh_size"]] == section.data()
    packed = b"".join(memory.values())
    assert bytes.fromhex(image.image_sha256) in packed


@pytest.mark.firmware
def test_all_of_the_program_is_counted_as_ram(image: Image):
    size = image.size
    assert size.text == size.rodata == 0 and size.network_memory == "sram"
    assert image.bin is not None
    headers = 24 + 8 * 3 + 16 + 32
    assert 0 <= image.bin.stat().st_size - size.flash_bytes <= headers + 16
    assert size.ram_static > size.flash_bytes


@pytest.mark.firmware
def test_the_image_does_not_depend_on_where_it_is_built(image: Image, tmp_path: Path):
    again = build(tmp_path)
    assert image.bin is not None and again.bin is not None
    assert again.image_sha256 == image.image_sha256
    assert again.bin.read_bytes() == image.bin.read_bytes()


@pytest.mark.firmware
def test_the_chips_own_gcc_builds_it_too(tmp_path: Path):
    if shutil.which("riscv64-unknown-elf-gcc") is None:
        pytest.skip("riscv64-unknown-elf-gcc is not on the PATH")
    assert build(tmp_path, compiler="gcc").compiler.startswith("riscv64-unknown-elf-gcc")


def test_a_network_cannot_run_from_this_chips_flash(tmp_path: Path):
    with pytest.raises(InputError, match="flash on chip esp32c3"):
        build(tmp_path, network_memory="flash")


def test_what_is_no_program_is_not_packed(tmp_path: Path):
    broken = tmp_path / "firmware.elf"
    broken.write_bytes(b"\x7fELF")
    with pytest.raises(BuildError, match=r"firmware\.elf"):
        esp32c3.flash_image(broken, 4 << 20)


def test_the_engine_that_needs_a_library_is_refused(tmp_path: Path):
    (tmp_path / "model.json").write_text(json.dumps({"sha256": "5a" * 32}))
    with pytest.raises(InputError, match="tflm does not run on chip esp32c3"):
        build_image(load_board("esp32c3"), tmp_path, tmp_path / "image", engine=Engine.TFLM)
