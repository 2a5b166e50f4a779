"""Bring an image onto a target and make sure that it is what answers."""

from host.flash.session import open_target

__all__ = ["open_target"]
