"""Commands that use a board hold it for as long as they run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from host.cli.output import tell


@contextmanager
def held(target_text: str, lease_wait: float | None) -> Iterator[None]:
    """Hold a physical board, so that no other command flashes or measures it meanwhile.

    A board that is a process belongs to its command alone, and several of them may run at once.

    Args:
        target_text: as on the command line.
        lease_wait: ``--lease-wait``: s to wait for whoever has it; None for not at all.

    Raises:
        PortBusyError: another process still has it; the message names it.
        TargetError: the target is none.
    """
    from host.target import parse_target

    target = parse_target(target_text)
    told: set[str] = set()

    def on_wait(text: str) -> None:
        if text not in told:
            told.add(text)
            tell(text)

    if target.emulated or target.native:
        yield
        return
    from host.lease import lease

    with lease(target, wait_s=lease_wait or 0.0, on_wait=on_wait):
        yield
