"""``--meter``: which instrument measures, and where it is.

``board``, ``none``, ``ppk2[:PORT],volt=V``, ``joulescope[:SERIAL]``, ``trace:FILE``, each with
options behind commas. Without ``--meter``, the board's own meter measures where it has one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from host.meter.joulescope import Joulescope
from host.meter.ppk2 import Mode, Ppk2
from host.meter.recording import Recording
from toolchain.errors import InputError

BOARD, NONE, PPK2, JOULESCOPE, TRACE = "board", "none", "ppk2", "joulescope", "trace"
OPTIONS: Mapping[str, tuple[str, ...]] = {
    BOARD: (),
    NONE: (),
    PPK2: ("volt", "mode", "gate", "gain"),
    JOULESCOPE: ("gain",),
    TRACE: ("gain", "range", "step"),
}
"""Options of each kind: ``volt`` in V, ``range`` and ``step`` in A, ``gain`` a relative limit."""
PLACED = (PPK2, JOULESCOPE, TRACE)
_TEXT = re.compile(r"(?P<kind>[a-z0-9]+)(:(?P<where>.*?))?(?P<options>(,[a-z]+=[^,]*)*)")

HostMeter = Ppk2 | Joulescope | Recording


@dataclass(frozen=True)
class MeterChoice:
    """What ``--meter`` says.

    Attributes:
        text: as it was given; empty when it was not.
        kind: ``board``, ``none``, ``ppk2``, ``joulescope`` or ``trace``.
        where: port, serial number or file; empty where none was given.
        options: by name.
    """

    text: str = ""
    kind: str = BOARD
    where: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def on_host(self) -> bool:
        """Whether an instrument on the host measures, by the gate pin."""
        return self.kind in PLACED

    @property
    def physical(self) -> bool:
        """Whether it is an instrument that is wired to a board's supply while the windows run."""
        return self.kind in (PPK2, JOULESCOPE)

    def host_meter(self) -> HostMeter:
        """The instrument on the host, not open yet.

        Raises:
            InputError: an option is missing or out of range.
        """
        gain = self._number("gain")
        if self.kind == TRACE:
            return Recording(
                Path(self.where),
                gain_limit=gain,
                range_a=self._number("range"),
                step_a=self._number("step"),
            )
        if self.kind == JOULESCOPE:
            return Joulescope(self.where or None, gain_limit=gain)
        volt = self._number("volt")
        if volt is None:
            raise InputError(
                f"--meter {self.text}: a PPK2 measures no voltage",
                hint="say the supply's: ppk2:PORT,volt=5.0 (it is added in the PPK2's ampere "
                "mode; mode=source has the PPK2 supply that voltage itself)",
            )
        mode = self.options.get("mode", "ampere")
        if mode not in get_args(Mode):
            raise InputError(
                f"--meter {self.text}: unknown mode {mode!r}", hint="use mode=ampere or mode=source"
            )
        gate = self.options.get("gate", "D0")
        if not re.fullmatch(r"D[0-7]", gate):
            raise InputError(
                f"--meter {self.text}: no logic input {gate!r}", hint="use gate=D0 to gate=D7"
            )
        return Ppk2(
            self.where or None,
            volt=volt,
            mode="source" if mode == "source" else "ampere",
            gate=int(gate[1:]),
            gain_limit=gain,
        )

    def _number(self, name: str) -> float | None:
        text = self.options.get(name)
        if text is None:
            return None
        try:
            return float(text)
        except ValueError as error:
            raise InputError(
                f"--meter {self.text}: {name}={text!r} is not a number", hint=f"such as {name}=0.01"
            ) from error


def parse_meter(text: str | None) -> MeterChoice:
    """Read ``--meter``; None is the board's own meter where it has one.

    Raises:
        InputError: no such meter, or an option that it does not have, lacks or that cannot be.
    """
    if text is None:
        return MeterChoice()
    found = _TEXT.fullmatch(text)
    kind = found["kind"] if found is not None else ""
    if found is None or kind not in OPTIONS:
        raise InputError(
            f"--meter {text!r} is no meter",
            hint="use board, none, ppk2[:PORT],volt=V, joulescope[:SERIAL] or trace:FILE",
        )
    where = found["where"] or ""
    pairs = [pair.split("=", 1) for pair in found["options"].split(",")[1:]]
    options = dict(pairs)
    if len(options) < len(pairs):
        twice = next(name for name, _ in pairs if [n for n, _ in pairs].count(name) > 1)
        raise InputError(
            f"--meter {text}: {twice} is given more than once", hint=f"keep one {twice}"
        )
    unknown = [name for name in options if name not in OPTIONS[kind]]
    if unknown:
        raise InputError(
            f"--meter {text}: {kind} has no option {unknown[0]!r}",
            hint=f"it has: {', '.join(OPTIONS[kind]) or 'none'}",
        )
    if (where and kind not in PLACED) or (kind == TRACE and not where):
        raise InputError(
            f"--meter {text}: " + ("a trace needs its file" if kind == TRACE else "has no place"),
            hint="use trace:FILE.csv" if kind == TRACE else f"use --meter {kind}",
        )
    choice = MeterChoice(text, kind, where, options)
    if choice.on_host:
        choice.host_meter()  # what it refuses is said now, and not when all is trained and built
    return choice
