"""Where scenarios are scored: in this process, in several, or on a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from host.score.job import Job, score_scenario
from toolchain.errors import InputError, JouleloopError, MissingDependencyError

_CONNECT_S = 20

_function: Callable[[int], Any] | None = None

T = TypeVar("T")


def default_workers() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def score_here(job: Job, indices: Sequence[int]) -> Iterator[dict[str, Any]]:
    """One scenario after the other, in this process."""
    for index in indices:
        yield score_scenario(job, index)


def in_processes(
    function: Callable[[int], T], indices: Sequence[int], workers: int
) -> Iterator[tuple[int, T]]:
    """In fresh processes of this machine; index and result as they are finished.

    Args:
        function: of an index; can be pickled.
        indices: at least one.
        workers: processes, at most.

    Raises:
        JouleloopError: a worker died.
    """
    # A fork would inherit the threads of numpy and of the progress bar in whatever state.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        max_workers=min(workers, len(indices)),
        mp_context=context,
        initializer=_take,
        initargs=(function,),
    ) as pool:
        futures = {pool.submit(_call, index): index for index in indices}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        except BrokenProcessPool as error:
            raise JouleloopError(
                f"a worker process died (of {workers}), perhaps for want of memory",
                hint="run the same command again on fewer cores (score: --workers); what is "
                "finished is kept",
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def score_on_dask(job: Job, indices: Sequence[int], address: str) -> Iterator[dict[str, Any]]:
    """On the workers of a Dask scheduler, which need the same version of this package.

    Args:
        job: what to score.
        indices: of the scenarios.
        address: such as ``tcp://10.0.0.5:8786``.

    Raises:
        MissingDependencyError: ``distributed`` is not installed.
        InputError: no scheduler answers at the address.
    """
    try:
        import distributed
        from distributed.comm.addressing import get_address_host_port
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "scoring on a cluster needs Dask, which is not installed",
            hint="pip install 'jouleloop[dask]'",
        ) from error
    try:
        # A client of an address that cannot be is only given up at this process's end.
        get_address_host_port(address)
        client = distributed.Client(address, timeout=_CONNECT_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address!r}: {error}",
            hint="start one with 'dask scheduler' and give its address, tcp://HOST:8786",
        ) from error
    with client:
        shared = client.scatter(job, broadcast=True)
        futures = [client.submit(score_scenario, shared, index, pure=False) for index in indices]
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                yield future.result()
        finally:
            client.cancel(futures)


def _take(function: Callable[[int], Any]) -> None:
    global _function
    _function = function


def _call(index: int) -> Any:
    assert _function is not None, "the pool's initializer has run"
    return _function(index)
