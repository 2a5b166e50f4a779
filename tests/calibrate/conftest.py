"""Boards that nobody has plugged in: what they say of themselves."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from host.link import Identity
from toolchain.protocol import VERSION


def _identity(
    board: str = "pico", chip_id: str = "00", clock_hz: int = 125_000_000, meter: str = "none"
) -> Identity:
    return Identity(
        board=board,
        chip_id=chip_id,
        firmware="1",
        engine="aot",
        image_sha256="",
        model_sha256="",
        fallback_sha256="",
        clock_hz=clock_hz,
        protocol=VERSION,
        meter=meter,
        reset_cause="power_on",
        n_inputs=24,
        n_outputs=5,
        input_element="int8",
        output_element="int8",
        max_payload=2048,
        arena_bytes=0,
        fault="",
    )


@pytest.fixture
def identity() -> Callable[..., Identity]:
    """Makes what a board answers; a Pico without a meter, but for what is said otherwise."""
    return _identity
