"""How much flash each layer of an ahead-of-time program takes, from the symbols of its image."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

from toolchain.errors import BuildError

_LAYER = re.compile(r"^layer(\d+)_|_layer(\d+)(?:_constants)?$")
"""Constants that the generated C defines; code and constants of generated assembly."""


def layer_bytes(elf_path: Path, n_layers: int) -> tuple[int, ...]:
    """Code and constants that belong to one layer alone, per layer.

    Kernels that layers share, and what runs before and after them, are in none.

    Args:
        elf_path: an image of the engine aot.
        n_layers: of its program.

    Raises:
        BuildError: the file cannot be read, or it has symbols of other layers.
    """
    sizes: Counter[int] = Counter()
    try:
        with elf_path.open("rb") as stream:
            table = ELFFile(stream).get_section_by_name(".symtab")
            if not isinstance(table, SymbolTableSection):
                raise BuildError(f"{elf_path}: has no symbols")
            for symbol in table.iter_symbols():
                found = _LAYER.search(symbol.name)
                if found is not None and symbol["st_shndx"] != "SHN_UNDEF":
                    sizes[int(found[1] or found[2])] += symbol["st_size"]
    except (OSError, ELFError) as error:
        raise BuildError(f"{elf_path} cannot be read: {error}") from error
    unknown = sorted(layer for layer in sizes if layer >= n_layers)
    if unknown:
        raise BuildError(f"{elf_path}: symbols of layer {unknown[0]}; there are {n_layers} layers")
    return tuple(sizes[layer] for layer in range(n_layers))
