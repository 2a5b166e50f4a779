"""Emulated boards: the very image that would be flashed, on a core in software.

``EmulatedBoard`` starts one as a process of its own and says which serial port it is behind;
``NativeBoard`` does so with the firmware's POSIX port, whose silicon is this machine's.
"""

from host.emulator.board import BoardProcess, EmulatedBoard, NativeBoard

__all__ = ["BoardProcess", "EmulatedBoard", "NativeBoard"]
