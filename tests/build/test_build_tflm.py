"""What is said when TensorFlow Lite Micro is not there; these need neither it nor a compiler."""

from __future__ import annotations

from pathlib import Path

import pytest

from toolchain.board import load_board
from toolchain.build import build_image, tflm, tflm_arena
from toolchain.build.tflm import TflmTree, find_cxx, find_tflm
from toolchain.errors import InputError, MissingDependencyError
from toolchain.protocol import Engine

CORE = "cortex-m0plus"
DOWNLOADS = "tensorflow/lite/micro/tools/make/downloads"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree that looks whole: nothing in it is TensorFlow Lite Micro's."""
    root = tmp_path / "tree"
    for name in ("flatbuffers/include", "gemmlowp", "ruy"):
        (root / DOWNLOADS / name).mkdir(parents=True)
    header = root / "tensorflow/lite/micro/micro_interpreter.h"
    header.write_text("/* stands in */\n")
    return root


def add_library(root: Path, folder: str, content: bytes = b"!<arch>\n") -> Path:
    path = root / "gen" / folder / "lib" / tflm.LIBRARY
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return path


def refused(environment: dict[str, str]) -> str:
    with pytest.raises(MissingDependencyError) as caught:
        find_tflm(CORE, environment)
    assert caught.value.hint is not None
    return str(caught.value)


@pytest.mark.parametrize("environment", [{}, {"TFLM_ROOT": ""}])
def test_without_tflm_root_the_message_says_what_is_needed(environment):
    text = refused(environment)
    for word in ("TFLM_ROOT is not set", CORE, "arm-none-eabi-g++", "TFLM_LIB"):
        assert word in text


def test_a_tree_that_lacks_its_headers_or_downloads_is_named_with_them(tree: Path, tmp_path: Path):
    text = refused({"TFLM_ROOT": str(tmp_path / "nowhere")})
    assert "nowhere" in text and "micro_interpreter.h" in text and "flatbuffers" in text
    (tree / DOWNLOADS / "gemmlowp").rmdir()
    text = refused({"TFLM_ROOT": str(tree)})
    assert f"lacks {DOWNLOADS}/gemmlowp\n" in text


def test_a_tree_without_a_library_is_refused(tree: Path):
    assert f"no {tflm.LIBRARY}" in refused({"TFLM_ROOT": str(tree)})
    add_library(tree, "linux_x86_64_default_gcc")
    assert "linux_x86_64" in refused({"TFLM_ROOT": str(tree)})


def test_the_library_of_the_core_is_taken_and_two_are_one_too_many(tree: Path):
    add_library(tree, "linux_x86_64_default_gcc")
    expected = add_library(tree, f"cortex_m_generic_{CORE}_default_gcc")
    assert find_tflm(CORE, {"TFLM_ROOT": str(tree)}) == TflmTree(tree.resolve(), expected.resolve())
    other = add_library(tree, f"cortex_m_generic_{CORE}_release_gcc")
    text = refused({"TFLM_ROOT": str(tree)})
    assert "default_gcc" in text and "release_gcc" in text and "set TFLM_LIB" in text
    chosen = find_tflm(CORE, {"TFLM_ROOT": str(tree), "TFLM_LIB": str(other)})
    assert chosen.library == other.resolve()


def test_a_library_that_is_none_is_refused(tree: Path, tmp_path: Path):
    library = add_library(tree, CORE, b"\x7fELF....")
    assert "is not a static library" in refused({"TFLM_ROOT": str(tree)})
    text = refused({"TFLM_ROOT": str(tree), "TFLM_LIB": str(tmp_path / "absent.a")})
    assert "absent.a cannot be read" in text
    assert library.name not in text.splitlines()[0]


def test_the_library_and_every_header_are_part_of_the_identity(tree: Path):
    library = add_library(tree, CORE)
    found = TflmTree(tree, library)
    first = found.identity()
    (tree / DOWNLOADS / "gemmlowp" / "more.h").write_text("#define MORE 1\n")
    second = found.identity()
    library.write_bytes(b"!<arch>\nmore")
    third = found.identity()
    assert first["tflm_headers"] != second["tflm_headers"] == third["tflm_headers"]
    assert first["tflm_library"] == second["tflm_library"] != third["tflm_library"]


def test_a_compiler_without_cxx_or_its_library_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    gcc = tmp_path / "other-arm-gcc"
    with pytest.raises(MissingDependencyError, match=r"other-arm-g\+\+ is not installed"):
        find_cxx(gcc)
    # As the compiler itself does: what it does not find it prints as it was asked for.
    cxx = tmp_path / "other-arm-g++"
    cxx.write_text("#!/bin/sh\necho libstdc++_nano.a\n")
    cxx.chmod(0o755)
    with pytest.raises(MissingDependencyError, match=r"has no libstdc\+\+_nano\.a") as caught:
        find_cxx(gcc)
    assert "libstdc++-arm-none-eabi-newlib" in str(caught.value)


def test_zig_cannot_build_it(tmp_path: Path):
    (tmp_path / "model.json").write_text('{"sha256": "' + "ab" * 32 + '"}')
    with pytest.raises(InputError, match="zig was asked for"):
        build_image(
            load_board("pico"), tmp_path, tmp_path / "out", engine=Engine.TFLM, compiler="zig"
        )


def test_an_image_without_tflm_root_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("TFLM_ROOT", raising=False)
    (tmp_path / "model.json").write_text('{"sha256": "' + "ab" * 32 + '"}')
    with pytest.raises(MissingDependencyError, match="TFLM_ROOT is not set"):
        build_image(load_board("pico"), tmp_path, tmp_path / "out", engine=Engine.TFLM)
    assert not (tmp_path / "out").exists()


def test_the_engines_header_holds_the_arena():
    text = tflm_arena.config_header(1234, measure=False)
    assert "#define JL_TFLM_ARENA_BYTES 1234\n" in text
    assert "#define JL_TFLM_MEASURE_ARENA 0\n" in text
    assert "#define JL_TFLM_MEASURE_ARENA 1\n" in tflm_arena.config_header(1234, measure=True)
