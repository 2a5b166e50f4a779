"""Several images on one target: one after the other on a board, side by side where it is emulated.

An emulated board is a process, and two of them on two cores take half the time. What they count
does not depend on it: their time is virtual.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from host.target import Target

MOST_BOARDS = 2
"""Emulated boards that run at once; more would be in each other's way where cores are few."""

T = TypeVar("T")


def run_jobs(target: Target, jobs: Sequence[Callable[[], T]]) -> list[T]:
    """Run jobs on a target; their results in order.

    The first error ends it; jobs that have begun are finished, the others are not begun.

    Args:
        target: what they run on; an emulated one runs several at a time.
        jobs: each opens the target for itself.
    """
    at_once = min(MOST_BOARDS, os.cpu_count() or 1) if target.emulated else 1
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        finally:
            pool.shutdown(cancel_futures=True)
