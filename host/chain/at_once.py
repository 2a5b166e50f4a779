"""Several images on one target: one after the other on a board, side by side where it is emulated.

An emulated board is a process, and two of them on two cores take half the time. What they count
does not depend on it: their time is virtual.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TypeVar

from host.flash import open_target
from host.link import BoardClient, Identity
from host.target import Target
from toolchain.build import Image

MOST_BOARDS = 2
"""Emulated boards that run at once; more would be in each other's way where cores are few."""

T = TypeVar("T")

_OPENING = threading.Lock()
"""An emulated board's flash is one file, which it has read by the time that it answers."""


@contextmanager
def open_beside(target: Target, image: Image) -> Iterator[tuple[BoardClient, Identity]]:
    """As :func:`host.flash.open_target`, for a job of :func:`run_jobs`.

    Raises:
        JouleloopError: as :func:`host.flash.open_target`.
    """
    with ExitStack() as stack:
        with _OPENING:
            opened = stack.enter_context(open_target(target, image))
        yield opened


def run_jobs(target: Target, jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run jobs on a target; their results in order.

    The first error ends it; jobs that have begun are finished, the others are not begun.

    Args:
        target: what they run on; an emulated one runs several at a time.
        jobs: each opens the target with :func:`open_beside`.
    """
    at_once = min(MOST_BOARDS, os.cpu_count() or 1) if target.emulated else 1
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)
