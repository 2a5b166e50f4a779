"""Emulated boards: the very image that would be flashed, on a core in software.

``EmulatedBoard`` starts one as a process of its own and says which serial port it is behind.
"""

from host.emulator.board import EmulatedBoard

__all__ = ["EmulatedBoard"]
