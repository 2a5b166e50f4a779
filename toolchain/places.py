"""Where the firmware's sources and the board files are.

In a checkout ``firmware/`` and ``boards/`` stand beside the packages. A wheel carries them inside
of ``toolchain`` (``pyproject.toml`` says so): folders of such general names have no business at the
top of ``site-packages``.
"""

from __future__ import annotations

from pathlib import Path

_HERE = Path(__file__).resolve().parent

PACKAGES_DIR = _HERE.parent
"""Folder that ``toolchain`` and ``host`` are imported from: the checkout's, or site-packages."""


def _carried(name: str) -> Path:
    inside = _HERE / name
    return inside if inside.is_dir() else PACKAGES_DIR / name


FIRMWARE_DIR = _carried("firmware")
"""Folder of the C sources. Nothing is ever written there."""

BOARDS_DIR = _carried("boards")
"""Folder of the board files."""


def source(name: str) -> Path:
    """A source file or folder by the name that it has in a checkout.

    Args:
        name: such as ``host/chain``, ``firmware`` or ``boards/pico/board.toml``.
    """
    room, _, rest = name.partition("/")
    top = {"firmware": FIRMWARE_DIR, "boards": BOARDS_DIR}.get(room, PACKAGES_DIR / room)
    return top / rest
