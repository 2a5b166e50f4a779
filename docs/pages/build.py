"""Build the API pages, docs/API.md in front: ``python docs/pages/build.py`` or ``make docs``.

One page a room, from the docstrings of what its ``__all__`` names. A warning fails the build. The
pages need no network; they are left in ``build/docs``, which git ignores.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from pathlib import Path

import pdoc
import pdoc.extract
import pdoc.render

HERE = Path(__file__).resolve().parent
DOCUMENT = HERE.parent / "API.md"
OUTPUT = HERE.parent.parent / "build" / "docs"

ROOMS = ("host", "toolchain", r"!(host|toolchain)\.\w+\.\w+", "!host.cli")
"""The packages' rooms; what is inside of a room is its own business."""


def build(output: Path = OUTPUT) -> None:
    """Write the pages.

    Args:
        output: folder of the pages.

    Raises:
        Warning: a module cannot be imported, or a docstring cannot be read.
    """
    # What is beside it in docs/ is no page; its name is enough.
    text = re.sub(r"\[([^]]+)\]\([A-Z]+\.md\)", r"docs/\1", DOCUMENT.read_text(encoding="utf-8"))
    pdoc.render.configure(docformat="google", template_directory=HERE, footer_text="Jouleloop")
    pdoc.render.env.globals["front"] = text
    with warnings.catch_warnings():
        # What other packages say of themselves, when the rooms import them, is not of the pages.
        warnings.simplefilter("ignore")
        for room in pdoc.extract.walk_specs(ROOMS):
            importlib.import_module(room)
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        pdoc.pdoc(*ROOMS, output_directory=output)


if __name__ == "__main__":
    build(*map(Path, sys.argv[1:]))
