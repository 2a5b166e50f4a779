"""Bring an image onto a target and make sure that it is what answers."""

from host.flash.find import find_board
from host.flash.flasher import Flasher, TimeLimits
from host.flash.methods import flashers_of, methods_of
from host.flash.physical import Flashed, Plan, Tell, carry_out, plan_flash
from host.flash.program import Program
from host.flash.session import flash_steps, flash_target, open_program, open_target

__all__ = [
    "Flashed",
    "Flasher",
    "Plan",
    "Program",
    "Tell",
    "TimeLimits",
    "carry_out",
    "find_board",
    "flash_steps",
    "flash_target",
    "flashers_of",
    "methods_of",
    "open_program",
    "open_target",
    "plan_flash",
]
