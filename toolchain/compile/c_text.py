"""Pieces of C source: array literals, and text that is safe inside a comment."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_COLUMNS = 98
_UNSAFE = re.compile(r"[^A-Za-z0-9_.,:;/+=()\[\] -]")
_LONGEST_NAME = 60


def comment_text(text: str) -> str:
    """Foreign text, cut and stripped of whatever could end a comment or continue a line."""
    clean = _UNSAFE.sub("_", text)
    return clean if len(clean) <= _LONGEST_NAME else clean[: _LONGEST_NAME - 3] + "..."


def float32_text(value: float) -> str:
    """The shortest decimal that reads back as the same float32."""
    return str(np.float32(value))


def lines_of(items: Iterable[str], indent: str = "    ") -> str:
    """Comma-separated items, wrapped; no trailing comma."""
    lines: list[str] = []
    current = indent
    for item in items:
        piece = f"{item}, "
        if len(current) + len(piece) > _COLUMNS and current != indent:
            lines.append(current.rstrip())
            current = indent
        current += piece
    lines.append(current.rstrip().rstrip(","))
    return "\n".join(lines)


def _literal(value: int) -> str:
    # -2147483648 is a unary minus on a number that does not fit int.
    return "(-2147483647 - 1)" if value == -(2**31) else str(value)


def constant_array(c_type: str, name: str, values: NDArray[np.integer]) -> str:
    """A 4-byte aligned, file-local constant array; packed words (``uint32_t``) in hexadecimal."""
    flat = values.reshape(-1).tolist()
    if c_type == "uint32_t":
        words = lines_of(f"0x{word:08x}" for word in flat)
        return f"static _Alignas(4) const {c_type} {name}[{len(flat)}] = {{\n{words}\n}};\n"
    return (
        f"static _Alignas(4) const {c_type} {name}[{len(flat)}] = {{\n"
        f"{lines_of(_literal(v) for v in flat)}\n}};\n"
    )


def byte_literals(data: bytes) -> str:
    """The bytes as hexadecimal literals, wrapped."""
    return lines_of(f"0x{byte:02x}" for byte in data)
