"""Building: what comes out, that it is the same every time, and what is said when it fails."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import shutil
import struct
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from toolchain.board import load_board
from toolchain.build import Image, boot2, build_image, elf, load_image, size, sources, uf2
from toolchain.errors import BoardFileError, BuildError, InputError, MissingDependencyError
from toolchain.protocol import Engine

MODEL_SHA256 = "ab" * 32

ENGINE = """
#include "jl_inference.h"
#include "jl_protocol.h"
static int8_t input[4], output[2];
static const jl_inference_info info = {.engine = JL_ENGINE_AOT, .n_inputs = 4, .n_outputs = 2};
int jl_inference_init(void) { return JL_OK; }
const jl_inference_info *jl_inference_describe(void) { return &info; }
void *jl_inference_input(void) { return input; }
const void *jl_inference_output(void) { return output; }
int jl_inference_invoke(void) { output[0] = (int8_t)(input[0] + EXTRA); return JL_OK; }
"""


def engine_file(folder: Path, extra: str = "1", more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "engine.c"
    path.write_text(ENGINE.replace("EXTRA", extra) + more)
    return path


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    (folder / "model.json").write_text(json.dumps({"sha256": MODEL_SHA256}))
    return folder


@pytest.fixture(scope="module")
def built(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("first")
    source = engine_file(folder / "source")
    return build_image(load_board("pico"), model_dir, folder / "out", engine_sources=[source])


def elf_sections(path: Path) -> dict[str, tuple[int, int]]:
    with path.open("rb") as file:
        return {
            section.name: (section["sh_addr"], section["sh_size"])
            for section in ELFFile(file).iter_sections()
            if section["sh_flags"] & 2
        }


@pytest.mark.firmware
def test_an_image_is_a_uf2_that_a_pico_accepts(built: Image):
    data = built.uf2.read_bytes()
    blocks = [data[i : i + 512] for i in range(0, len(data), 512)]
    for number, block in enumerate(blocks):
        address, payload_bytes, index, total, family = struct.unpack_from("<5I", block, 12)
        assert (address, payload_bytes) == (0x1000_0000 + 256 * number, 256)
        assert (index, total, family) == (number, len(blocks), 0xE48BFF56)
    address, image = uf2.read(built.uf2, 0xE48BFF56)
    flash = built.bin.read_bytes()
    assert image[: len(flash)] == flash
    assert boot2.is_sealed(image)
    # The vector table: a stack at the end of SRAM, and a reset handler in flash, in Thumb state.
    stack, reset = struct.unpack_from("<2I", image, 0x100)
    assert stack == 0x2004_2000
    assert 0x1000_0100 < reset < 0x1000_0000 + len(flash) and reset & 1


@pytest.mark.firmware
def test_the_size_report_adds_up_to_the_elf(built: Image):
    sections = elf_sections(built.elf)
    report = built.size
    in_ram = sum(n for address, n in sections.values() if address >= 0x2000_0000)
    assert report.ram_static + report.stack == in_ram
    stored = sum(n for name, (_, n) in sections.items() if name not in (".bss", ".stack"))
    assert report.flash_bytes == stored
    # The file in flash is that, and the gaps that alignment leaves.
    assert 0 <= len(built.bin.read_bytes()) - stored < 64
    assert report.stack == 4096
    assert report.network_memory == "sram"
    assert sections[".network"] == (0x2000_0000, report.network)
    assert json.loads((built.elf.parent / "size.json").read_text()) == report.as_json()


@pytest.mark.firmware
def test_the_same_inputs_give_the_same_bytes_in_another_folder(
    built: Image, model_dir: Path, tmp_path: Path
):
    other_model = tmp_path / "elsewhere" / "model"
    shutil.copytree(model_dir, other_model)
    again = build_image(
        load_board("pico"),
        other_model,
        tmp_path / "a rather different" / "out",
        engine_sources=[engine_file(tmp_path / "another source folder")],
    )
    assert again.image_sha256 == built.image_sha256
    for name in ("elf", "bin", "uf2"):
        assert getattr(again, name).read_bytes() == getattr(built, name).read_bytes(), name


@pytest.mark.firmware
def test_no_path_of_this_machine_is_in_the_image(built: Image):
    data = built.elf.read_bytes()
    for folder in (built.elf.parent, sources.FIRMWARE_DIR.parent, Path.home()):
        assert str(folder).encode() not in data
    spec = importlib.util.find_spec("ziglang")
    assert spec is not None and spec.origin is not None
    assert str(Path(spec.origin).parent).encode() not in data


@pytest.mark.firmware
def test_every_input_changes_the_identity(built: Image, model_dir: Path, tmp_path: Path):
    source = engine_file(tmp_path, extra="2")
    pico = load_board("pico")
    other_code = build_image(pico, model_dir, tmp_path / "code", engine_sources=[source])
    slow = pico.model_copy(update={"cpu": pico.cpu.model_copy(update={"clock_hz": 48_000_000})})
    other_board = build_image(slow, model_dir, tmp_path / "board", engine_sources=[source])
    in_flash = build_image(
        pico, model_dir, tmp_path / "flash", engine_sources=[source], network_memory="flash"
    )
    identities = {image.image_sha256 for image in (built, other_code, other_board, in_flash)}
    assert len(identities) == 4
    # The network really runs from where the report says.
    assert in_flash.size.network_memory == "flash"
    address, _ = elf_sections(in_flash.elf)[".network"]
    assert 0x1000_0100 <= address < 0x1100_0000


@pytest.mark.firmware
def test_a_second_build_in_the_same_folder_is_the_same(model_dir: Path, tmp_path: Path):
    pico = load_board("pico")
    source = engine_file(tmp_path / "source")
    first = build_image(pico, model_dir, tmp_path / "out", engine_sources=[source])
    before = first.bin.read_bytes()
    engine_file(tmp_path / "source", extra="77")
    changed = build_image(pico, model_dir, tmp_path / "out", engine_sources=[source])
    assert changed.bin.read_bytes() != before
    engine_file(tmp_path / "source")
    back = build_image(pico, model_dir, tmp_path / "out", engine_sources=[source])
    assert back.bin.read_bytes() == before


@pytest.mark.firmware
def test_an_image_is_loaded_as_it_was_built(built: Image):
    assert load_image(built.elf.parent) == built
    assert built.model_sha256 == MODEL_SHA256
    assert (built.engine, built.board) == (Engine.AOT, "pico")
    assert built.compiler.startswith("zig ")


@pytest.mark.firmware
@pytest.mark.parametrize("name", ["firmware.uf2", "firmware.bin", "firmware.elf"])
def test_a_file_that_was_changed_since_is_refused(built: Image, tmp_path: Path, name: str):
    copy = tmp_path / "copy"
    shutil.copytree(built.elf.parent, copy, ignore=shutil.ignore_patterns("cmake*"))
    data = bytearray((copy / name).read_bytes())
    data[300] ^= 1
    (copy / name).write_bytes(data)
    with pytest.raises(InputError, match=name):
        load_image(copy)


@pytest.mark.parametrize(
    "record", [None, "", "[]", "{}", '{"schema": 1}', '{"schema": 99}', '{"schema": 1, "files": 3}']
)
def test_a_folder_without_an_image_is_refused(tmp_path: Path, record: str | None):
    if record is not None:
        (tmp_path / "image.json").write_text(record)
    with pytest.raises(InputError, match=r"image\.json"):
        load_image(tmp_path)


@pytest.mark.firmware
def test_a_compiler_error_is_quoted_and_the_log_named(model_dir: Path, tmp_path: Path):
    pico, out_dir = load_board("pico"), tmp_path / "out"
    build_image(pico, model_dir, out_dir, engine_sources=[engine_file(tmp_path)])
    source = engine_file(tmp_path, more="int broken(void) { return undeclared; }\n")
    with pytest.raises(BuildError, match="undeclared") as caught:
        build_image(pico, model_dir, out_dir, engine_sources=[source])
    # The image that lay there before is not this one.
    with pytest.raises(InputError):
        load_image(out_dir)
    log = out_dir / "build.log"
    assert str(log) in str(caught.value)
    assert "undeclared" in log.read_text()


@pytest.mark.firmware
def test_a_warning_is_an_error(model_dir: Path, tmp_path: Path):
    source = engine_file(tmp_path, more="static int nobody_calls_this(void) { return 1; }\n")
    with pytest.raises(BuildError, match="nobody_calls_this"):
        build_image(load_board("pico"), model_dir, tmp_path / "out", engine_sources=[source])


@pytest.mark.firmware
def test_a_missing_symbol_is_named(model_dir: Path, tmp_path: Path):
    source = engine_file(tmp_path)
    source.write_text(source.read_text().replace("int jl_inference_invoke", "int jl_other"))
    with pytest.raises(BuildError, match="jl_inference_invoke"):
        build_image(load_board("pico"), model_dir, tmp_path / "out", engine_sources=[source])


BIG_WEIGHTS = """
const int8_t weights[{bytes}] = {{1}};
const int8_t *jl_use(int i);
const int8_t *jl_use(int i) {{ return &weights[i]; }}
"""


def big_engine(folder: Path, weight_bytes: int) -> Path:
    path = engine_file(folder, extra="*jl_use(input[1])")
    text = path.read_text()
    split = text.index("int jl_inference_invoke")
    path.write_text(text[:split] + BIG_WEIGHTS.format(bytes=weight_bytes) + text[split:])
    return path


@pytest.mark.firmware
def test_a_network_that_does_not_fit_sram_runs_from_flash_and_the_report_says_so(
    model_dir: Path, tmp_path: Path
):
    source = big_engine(tmp_path, 270_000)
    image = build_image(load_board("pico"), model_dir, tmp_path / "out", engine_sources=[source])
    assert image.size.network_memory == "flash"
    assert image.size.network >= 270_000
    assert image.size.ram_static < 40_000  # so the weights are not in it
    with pytest.raises(BuildError, match="SRAM"):
        build_image(
            load_board("pico"),
            model_dir,
            tmp_path / "out",
            engine_sources=[source],
            network_memory="sram",
        )


@pytest.mark.firmware
def test_a_network_beyond_the_flash_is_refused_with_the_figures(model_dir: Path, tmp_path: Path):
    source = big_engine(tmp_path, 3_000_000)
    with pytest.raises(BuildError, match=r"FLASH.*overflowed by \d+ bytes"):
        build_image(load_board("pico"), model_dir, tmp_path / "out", engine_sources=[source])


@pytest.mark.firmware
def test_variables_beyond_the_ram_are_refused_with_the_figures(model_dir: Path, tmp_path: Path):
    source = engine_file(tmp_path, more="int8_t arena[300000]; int8_t *p(void);\n")
    text = source.read_text().replace("input[0] + 1", "arena[input[0] + 128]")
    source.write_text("#include <stdint.h>\nextern int8_t arena[300000];\n" + text)
    with pytest.raises(BuildError, match=r"SRAM.*overflowed by \d+ bytes"):
        build_image(load_board("pico"), model_dir, tmp_path / "out", engine_sources=[source])


@pytest.mark.firmware
def test_a_smaller_board_refuses_what_it_cannot_hold(built: Image):
    for change, message in (
        ({"flash_limit": 1000}, r"of flash, the board has 1000"),
        ({"ram_limit": 1000}, r"of RAM, the board has 1000"),
    ):
        with pytest.raises(BuildError, match=message):
            size.check_limits(dataclasses.replace(built.size, **change))


def test_an_engine_without_code_for_the_chip_is_refused(
    tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(
        sources.ENGINE_FOLDERS, Engine.FLOAT, lambda chip: ("engine/float", f"engine/none/{chip}")
    )
    with pytest.raises(BuildError, match=r"engine 'float'.*engine/none/rp2040.*'rp2040'"):
        build_image(load_board("pico"), model_dir, tmp_path, engine=Engine.FLOAT)


@pytest.mark.firmware
def test_a_program_for_another_core_is_refused(built: Image, tmp_path: Path):
    elf.check_core(built.elf, "cortex-m0plus")
    # An attribute section of its own making: Tag_CPU_arch (6) of v7E-M (13).
    data = bytearray(built.elf.read_bytes())
    at = data.index(b"aeabi\0")
    attributes = bytes(data[at : at + 64])
    (position,) = [i for i in range(64) if attributes[i : i + 2] in (b"\x06\x0b", b"\x06\x0c")]
    data[at + position + 1] = 13
    other = tmp_path / "other.elf"
    other.write_bytes(data)
    with pytest.raises(BuildError, match=r"architecture \[13\].*cortex-m0plus"):
        elf.check_core(other, "cortex-m0plus")


def test_a_chip_without_a_port_is_refused(tmp_path: Path, model_dir: Path):
    board = load_board("pico").model_copy(update={"chip": "z80"})
    with pytest.raises(BuildError, match=r"z80.*\n.*rp2040"):
        build_image(board, model_dir, tmp_path)


def test_a_board_without_a_family_is_refused(tmp_path: Path, model_dir: Path):
    pico = load_board("pico")
    board = pico.model_copy(update={"image": pico.image.model_copy(update={"uf2_family_id": None})})
    with pytest.raises(BoardFileError, match="uf2_family_id"):
        build_image(board, model_dir, tmp_path)


@pytest.mark.parametrize("content", [None, "{", "{}", '{"sha256": "12"}', '{"sha256": 5}', "[]"])
def test_a_model_folder_without_its_identity_is_refused(tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / "model.json").write_text(content)
    with pytest.raises(InputError, match=r"model\.json"):
        build_image(load_board("pico"), tmp_path, tmp_path / "out")


def test_a_model_folder_without_its_code_is_refused(model_dir: Path, tmp_path: Path):
    with pytest.raises(InputError, match=r"jl_model\.c"):
        build_image(load_board("pico"), model_dir, tmp_path / "out")


@pytest.mark.parametrize("package", ["ziglang", "cmake", "ninja"])
def test_a_missing_wheel_is_named(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str
):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else found(name)
    )
    with pytest.raises(MissingDependencyError, match=package):
        build_image(
            load_board("pico"),
            model_dir,
            tmp_path / "out",
            engine_sources=[engine_file(tmp_path)],
        )


def test_gcc_that_is_not_there_is_named(
    model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="arm-none-eabi-gcc"):
        build_image(
            load_board("pico"),
            model_dir,
            tmp_path / "out",
            compiler="gcc",
            engine_sources=[engine_file(tmp_path)],
        )


@pytest.mark.firmware
@pytest.mark.skipif(
    shutil.which("arm-none-eabi-gcc") is None, reason="arm-none-eabi-gcc is not on the PATH"
)
def test_gcc_builds_the_same_sources(model_dir: Path, tmp_path: Path, built: Image):
    image = build_image(
        load_board("pico"),
        model_dir,
        tmp_path / "out",
        compiler="gcc",
        engine_sources=[engine_file(tmp_path)],
    )
    assert boot2.is_sealed(image.bin.read_bytes())
    assert image.image_sha256 != built.image_sha256
    assert "gcc" in image.compiler
