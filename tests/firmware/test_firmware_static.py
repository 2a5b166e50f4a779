"""What the linked program cannot do, whatever is asked of it: allocate, or call itself."""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path

import capstone
import networkx as nx
import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.compile import compile_model, kernels_for_core
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network

pytestmark = pytest.mark.firmware

ALLOCATORS = {"malloc", "calloc", "realloc", "free", "_sbrk", "sbrk", "_Znwj", "_ZdlPv"}
THUMB = 1


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Pico's image of network M."""
    folder = tmp_path_factory.mktemp("static")
    board = load_board("pico")
    model = reference_network(REFERENCE_SHAPES["M"], np.random.default_rng(0))
    compile_model(model, folder / "model", kernels=kernels_for_core(board.cpu.core))
    return build_image(board, folder / "model", folder / "build").elf


def functions(elf: ELFFile) -> dict[str, tuple[int, int]]:
    """Start and end of every function."""
    found = {}
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_size"]:
            start = symbol["st_value"] & ~THUMB
            found[symbol.name] = (start, start + symbol["st_size"])
    return found


def constants(elf: ELFFile) -> list[tuple[int, bool]]:
    """Where code ($t) and constants between code ($d) begin, by address."""
    marks = {}
    for symbol in elf.get_section_by_name(".symtab").iter_symbols():
        if symbol.name[:2] in ("$t", "$d"):
            marks[symbol["st_value"] & ~THUMB] = symbol.name.startswith("$d")
    return sorted(marks.items())


def calls(elf: ELFFile) -> nx.DiGraph:
    """Who calls whom by name; calls through a pointer are not in it."""
    decoder = capstone.Cs(capstone.CS_ARCH_ARM, capstone.CS_MODE_THUMB | capstone.CS_MODE_MCLASS)
    decoder.detail = True
    decoder.skipdata = True
    spans = functions(elf)
    marks = constants(elf)
    places = [place for place, _ in marks]
    graph = nx.DiGraph()
    graph.add_nodes_from(spans)
    starts = {start: name for name, (start, _) in spans.items()}
    for section in elf.iter_sections():
        base, size = section["sh_addr"], section["sh_size"]
        if section["sh_type"] != "SHT_PROGBITS" or not section["sh_flags"] & 4:
            continue
        data = section.data()
        for name, (start, end) in spans.items():
            if not base <= start < base + size:
                continue
            for instruction in decoder.disasm(data[start - base : end - base], start):
                mark = bisect_right(places, instruction.address) - 1
                is_constant = mark >= 0 and marks[mark][1]
                if is_constant or not instruction.mnemonic.startswith(("b", "bl")):
                    continue
                if instruction.id == 0 or not instruction.operands:
                    continue
                target = instruction.operands[0]
                if target.type == capstone.arm.ARM_OP_IMM:
                    callee = starts.get(target.imm & 0xFFFF_FFFE)
                    is_call = instruction.mnemonic == "bl"
                    if callee is not None and (is_call or callee != name):
                        graph.add_edge(name, callee)
    return graph


def test_nothing_allocates(elf: Path) -> None:
    with elf.open("rb") as file:
        names = set(functions(ELFFile(file)))
    assert "jl_core_poll" in names
    assert not names & ALLOCATORS


def test_nothing_calls_itself(elf: Path) -> None:
    with elf.open("rb") as file:
        graph = calls(ELFFile(file))
    assert nx.has_path(graph, "main", "jl_frame_push"), "calls were not found"
    assert list(nx.simple_cycles(graph)) == []


def test_a_program_that_calls_itself_is_seen(elf: Path) -> None:
    with elf.open("rb") as file:
        graph = calls(ELFFile(file))
    graph.add_edge("jl_frame_push", "main")
    assert list(nx.simple_cycles(graph))
