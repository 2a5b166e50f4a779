"""How much flash and RAM an image takes, from its ELF file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from toolchain.board import Memory
from toolchain.build import elf
from toolchain.errors import BuildError

NetworkMemory = Literal["sram", "flash"]

_STARTUP = (".boot2", ".vectors")
_COPIED = (".ramfunc", ".ramconst")
_NETWORK = (".network", ".network_constants")
_KNOWN = (*_STARTUP, *_COPIED, *_NETWORK, ".text", ".rodata", ".data", ".bss", ".stack")
_MARKS = ("jl_bss_start", "jl_network_bss_end", "jl_fallback_start", "jl_fallback_end")


@dataclass(frozen=True)
class SizeReport:
    """Bytes of an image, section by section.

    Attributes:
        startup: second-stage boot and vector table.
        text: code that runs from flash.
        rodata: constants in flash.
        ramfunc: code that is copied to SRAM (timed code, interrupt handlers, compiler arithmetic),
            or all of it and its constants, where a chip runs nothing from flash.
        network: the networks' code and weights.
        fallback: of the fallback network alone, without kernels that both use; part of ``network``.
        network_memory: where those run from; in ``sram`` they take flash as well, for their copy.
        network_ram: the network's activations and other variables; part of ``bss``.
        data: variables with an initial value.
        bss: variables that start as zero.
        stack: reserved for the stack.
        flash_limit: the board's flash.
        ram_limit: the board's RAM.
    """

    startup: int
    text: int
    rodata: int
    ramfunc: int
    network: int
    fallback: int
    network_memory: NetworkMemory
    network_ram: int
    data: int
    bss: int
    stack: int
    flash_limit: int
    ram_limit: int

    @property
    def flash_bytes(self) -> int:
        """Flash: text + rodata + the images of what is copied to RAM."""
        return self.startup + self.text + self.rodata + self.ramfunc + self.network + self.data

    @property
    def ram_static(self) -> int:
        """RAM that is taken before the stack: variables, and code and weights copied there."""
        copied = self.network if self.network_memory == "sram" else 0
        return self.data + self.bss + self.ramfunc + copied

    def as_json(self) -> dict[str, int | str]:
        """All figures, with the sums."""
        return asdict(self) | {"flash_bytes": self.flash_bytes, "ram_static": self.ram_static}


def measure(path: Path, memory: Memory, network_memory: NetworkMemory) -> SizeReport:
    """Read an image's sizes and hold them against the board's memory.

    Raises:
        BuildError: a section that nobody expects, or more flash or RAM than the board has.
    """
    sizes = dict.fromkeys(_KNOWN, 0)
    for section in elf.sections(path):
        if section.name not in sizes:
            raise BuildError(
                f"{path}: section {section.name} of {section.bytes} bytes is in no known memory",
                hint="name it in the port's memory.ld.in",
            )
        sizes[section.name] += section.bytes
    marks = elf.symbols(path, _MARKS)
    report = SizeReport(
        startup=sum(sizes[name] for name in _STARTUP),
        text=sizes[".text"],
        rodata=sizes[".rodata"],
        ramfunc=sum(sizes[name] for name in _COPIED),
        network=sum(sizes[name] for name in _NETWORK),
        fallback=marks["jl_fallback_end"] - marks["jl_fallback_start"],
        network_memory=network_memory,
        network_ram=marks["jl_network_bss_end"] - marks["jl_bss_start"],
        data=sizes[".data"],
        bss=sizes[".bss"],
        stack=sizes[".stack"],
        flash_limit=memory.flash_bytes,
        ram_limit=memory.ram_bytes,
    )
    check_limits(report)
    return report


def measure_process(path: Path, memory: Memory) -> SizeReport:
    """Sizes of a program of this machine, by what its sections are; the network is part of them.

    Raises:
        BuildError: no ELF file, or more than the board file allows.
    """
    sizes = dict.fromkeys(("text", "rodata", "data", "bss"), 0)
    for section in elf.sections(path):
        kind = "text" if section.executable else "data" if section.writable else "rodata"
        sizes[kind if section.stored else "bss"] += section.bytes
    report = SizeReport(
        startup=0,
        ramfunc=0,
        network=0,
        fallback=0,
        network_memory="sram",
        network_ram=0,
        stack=0,
        flash_limit=memory.flash_bytes,
        ram_limit=memory.ram_bytes,
        **sizes,
    )
    check_limits(report)
    return report


def check_limits(report: SizeReport) -> None:
    """Refuse an image that the board cannot hold.

    Raises:
        BuildError: with the figures.
    """
    for what, used, limit in (
        ("flash", report.flash_bytes, report.flash_limit),
        ("RAM", report.ram_static + report.stack, report.ram_limit),
    ):
        if used > limit:
            raise BuildError(
                f"the image needs {used} bytes of {what}, the board has {limit} "
                f"({used - limit} too many; the network alone takes {report.network})",
                hint="use a smaller network",
            )
