"""What an ELF file says of an image: its bytes in flash, and its sections' sizes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import ARMAttributesSection, SymbolTableSection

from toolchain.build import boot2
from toolchain.errors import BuildError

ERASED = b"\xff"

_ARM_ARCHITECTURES = {"cortex-m0plus": frozenset({11, 12})}
"""Values of Tag_CPU_arch that a core executes: v6-M and v6S-M (Arm IHI 0045, 3.3.5.2)."""


@dataclass(frozen=True)
class Section:
    """An allocated section.

    Attributes:
        name: as in the linker script or object file.
        bytes: its size.
        stored: whether it has contents, rather than being zeroed or left alone at reset.
        executable: whether it is code.
        writable: whether the program changes it.
    """

    name: str
    bytes: int
    stored: bool
    executable: bool
    writable: bool


def seal_boot2(path: Path) -> None:
    """Write the second-stage boot's CRC into an ELF file in place.

    Raises:
        BuildError: no ELF file, no ``.boot2`` section, or one of another size.
    """
    with _open(path) as elf:
        section = elf.get_section_by_name(".boot2")
        if section is None:
            raise BuildError(f"{path}: has no .boot2 section")
        offset, data = section["sh_offset"], section.data()
    sealed = boot2.seal(data)
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(sealed)


def flash_image(path: Path, flash_base: int, flash_bytes: int) -> bytes:
    """The bytes that go into flash, from its first address on; gaps read as erased flash.

    Raises:
        BuildError: no ELF file, or a segment whose load address is outside of the flash.
    """
    image = bytearray()
    with _open(path) as elf:
        for segment in elf.iter_segments("PT_LOAD"):
            if segment["p_filesz"] == 0:
                continue
            start = segment["p_paddr"] - flash_base
            end = start + segment["p_filesz"]
            if start < 0 or end > flash_bytes:
                raise BuildError(
                    f"{path}: a segment is loaded at 0x{segment['p_paddr']:08x}, outside of the "
                    f"flash at 0x{flash_base:08x}"
                )
            image.extend(ERASED * (end - len(image)))
            image[start:end] = segment.data()
    if not image:
        raise BuildError(f"{path}: has nothing to put into flash")
    return bytes(image)


def sections(path: Path) -> list[Section]:
    """The allocated sections of an ELF or object file.

    Raises:
        BuildError: no ELF file.
    """
    with _open(path) as elf:
        return [
            Section(
                section.name,
                section["sh_size"],
                section["sh_type"] != "SHT_NOBITS",
                bool(section["sh_flags"] & SH_FLAGS.SHF_EXECINSTR),
                bool(section["sh_flags"] & SH_FLAGS.SHF_WRITE),
            )
            for section in elf.iter_sections()
            if section["sh_flags"] & SH_FLAGS.SHF_ALLOC
        ]


def symbols(path: Path, names: Iterable[str]) -> dict[str, int]:
    """Values of symbols.

    Raises:
        BuildError: no ELF file, or a symbol that is not in it.
    """
    with _open(path) as elf:
        table = elf.get_section_by_name(".symtab")
        values = {}
        for name in names:
            found = (
                table.get_symbol_by_name(name) if isinstance(table, SymbolTableSection) else None
            )
            if not found:
                raise BuildError(f"{path}: has no symbol {name}")
            values[name] = int(found[0]["st_value"])
    return values


def check_core(path: Path, core: str) -> None:
    """Refuse a program that was linked from objects for another core.

    GNU ld takes the higher of two architectures without a word, and the core would stop at the
    first instruction that it does not have.

    Raises:
        BuildError: no ELF file, or one for more than the core has.
    """
    if core not in _ARM_ARCHITECTURES:
        return
    with _open(path) as elf:
        section = elf.get_section_by_name(".ARM.attributes")
        if not isinstance(section, ARMAttributesSection):
            raise BuildError(f"{path}: does not say which architecture it is for")
        found = {
            attribute.value
            for subsection in section.iter_subsections()
            for part in subsection.iter_subsubsections()
            for attribute in part.iter_attributes("TAG_CPU_ARCH")
        }
    if not found or not found <= _ARM_ARCHITECTURES[core]:
        raise BuildError(
            f"{path}: is for Arm architecture {sorted(found)} (Tag_CPU_arch), {core} has "
            f"{sorted(_ARM_ARCHITECTURES[core])}",
            hint="link a library that was built for this core",
        )


def total_bytes(paths: Iterable[Path], counts: Callable[[Section], bool]) -> int:
    """Bytes of the sections that ``counts`` accepts, over several object files.

    Raises:
        BuildError: a file is no ELF file.
    """
    return sum(section.bytes for path in paths for section in sections(path) if counts(section))


@contextmanager
def _open(path: Path) -> Iterator[ELFFile]:
    try:
        with path.open("rb") as file:
            yield ELFFile(file)
    except (OSError, ELFError) as error:
        raise BuildError(f"{path}: cannot be read as ELF: {error}") from error
