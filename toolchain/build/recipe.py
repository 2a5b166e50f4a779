"""What CMake is told: the sources of one image, its generated headers and where its memory is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from toolchain.board import Board
from toolchain.build import config_header, elf, protocol_header, size
from toolchain.build.cmake import CmakeBuild
from toolchain.build.sources import SourceSet, image_sha256
from toolchain.build.tflm import TflmTree
from toolchain.build.tools import Compiler
from toolchain.errors import BuildError
from toolchain.protocol import Engine

RUNTIME_ALLOWANCE_BYTES = 8 * 1024
"""Room kept in SRAM for the compiler's arithmetic when deciding where the network goes."""

_NO_SHA256 = bytes(32)


@dataclass(frozen=True)
class Recipe:
    """One image, up to its ELF file.

    Attributes:
        board: the board file.
        engine: what computes the network.
        sources: what is compiled.
        compiler: by what.
        out_dir: where the generated headers, CMake's folder and the log go.
        headers: further generated headers of the engine, by name.
        cxx: C++ compiler, where the engine needs one.
        tflm: the tree that is linked, where the engine needs it.
    """

    board: Board
    engine: Engine
    sources: SourceSet
    compiler: Compiler
    out_dir: Path
    headers: Mapping[str, str] = field(default_factory=dict)
    cxx: Path | None = None
    tflm: TflmTree | None = None

    @property
    def cmake(self) -> CmakeBuild:
        """CMake's folder for this compiler."""
        folder = self.out_dir / f"cmake-{self.compiler.name}"
        return CmakeBuild(folder, self.out_dir / "build.log", self.compiler)

    def configure(self, network_memory: size.NetworkMemory) -> bytes:
        """Write the generated headers and CMake's folder; returns the image's identity."""
        settings = {
            "compiler": self.compiler.version,
            "engine": self.engine.name,
            "memory": self.board.memory.model_dump_json(),
            "network_memory": network_memory,
        }
        if self.tflm is not None:
            settings |= self.tflm.identity()
        headers = {
            "jl_protocol.h": protocol_header.render(),
            "jl_config.h": config_header.render(self.board, _NO_SHA256),
            **self.headers,
        }
        identity = image_sha256(self.sources, headers, settings)
        headers["jl_config.h"] = config_header.render(self.board, identity)
        generated_dir = self.out_dir / "generated"
        generated_dir.mkdir(parents=True, exist_ok=True)
        for name, text in headers.items():
            (generated_dir / name).write_text(text, encoding="utf-8")
        self.cmake.configure(self._variables(generated_dir, network_memory))
        return identity

    def link(self) -> Path:
        """Build the configured image; returns the ELF file in CMake's folder."""
        self.cmake.build("firmware")
        return self.cmake.folder / "firmware.elf"

    def network_fits_sram(self) -> bool:
        """An upper bound from the object files, before unused sections are dropped."""
        self.cmake.build("jl_core")
        self.cmake.build("jl_network")
        network = elf.total_bytes(self.cmake.objects("jl_network"), lambda _: True)
        core = elf.total_bytes(
            self.cmake.objects("jl_core"),
            lambda section: section.name.startswith((".data", ".bss", ".time_critical")),
        )
        stack = self.board.memory.stack_bytes
        return network + core + RUNTIME_ALLOWANCE_BYTES + stack <= self.board.memory.ram_bytes

    def _variables(self, generated_dir: Path, network_memory: str) -> dict[str, str]:
        memory = self.board.memory
        # What debug information calls the folders, so that no path of this machine gets into it.
        names = self.sources.folders() | {
            generated_dir: "generated",
            self.compiler.path.parent: "compiler",
        }
        variables = {
            "JL_CHIP": self.board.chip,
            "JL_GENERATED_DIR": _absolute(generated_dir),
            "JL_NETWORK_SOURCES": _cmake_list(map(_absolute, self.sources.network)),
            "JL_NETWORK_INCLUDES": _cmake_list(map(_absolute, self.sources.includes)),
            "JL_NETWORK_MEMORY": network_memory,
            "JL_FLASH_BYTES": str(memory.flash_bytes),
            "JL_RAM_BYTES": str(memory.ram_bytes),
            "JL_STACK_BYTES": str(memory.stack_bytes),
        }
        if self.tflm is not None:
            names[self.tflm.root] = "tflm"
            variables["JL_TFLM_LIBRARY"] = _absolute(self.tflm.library)
            variables["JL_TFLM_INCLUDES"] = _cmake_list(map(_absolute, self.tflm.includes))
        if self.cxx is not None:
            variables["JL_GXX"] = str(self.cxx)
        variables["JL_PREFIX_MAPS"] = _cmake_list(
            f"{_absolute(folder)}={name}" for folder, name in names.items()
        )
        return variables


def _absolute(path: Path) -> str:
    return path.resolve().as_posix()


def _cmake_list(items: Iterable[str]) -> str:
    texts = list(items)
    for text in texts:
        if ";" in text:
            raise BuildError(f"{text}: CMake cannot take a path with a semicolon")
    return ";".join(texts)
