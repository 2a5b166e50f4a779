"""How long the command line takes to start, before it does anything.

    python tests/bench/bench_startup.py

Whole processes, from start to exit: the wall time of the fastest of some, which the rest of the
machine disturbed least, and the median of the processor time that they took. Bytecode is cached, as
it is after the first start. Importing TensorFlow takes seconds; nothing here may.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

RUNS = 15
LIMIT_S = 0.3
"""Above which a command feels slow."""

CASES = {
    "jouleloop --version": (["--version"], {}),
    "jouleloop --help": (["--help"], {}),
    "jouleloop bench --help": (["bench", "--help"], {}),
    "completion of pico@em": (
        [],
        {
            "_JOULELOOP_COMPLETE": "complete_bash",
            "COMP_WORDS": "jouleloop\nbench\npico\n@\nem",
            "COMP_CWORD": "4",
        },
    ),
}


def start(arguments: list[str], environment: dict[str, str]) -> tuple[float, float]:
    """Wall and processor time of one process, in s."""
    command = [sys.executable, "-m", "host.cli", *arguments]
    used, began = os.times(), time.perf_counter()
    subprocess.run(
        command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, check=True
    )
    wall, now = time.perf_counter() - began, os.times()
    cpu = now.children_user + now.children_system - used.children_user - used.children_system
    return wall, cpu


def main() -> None:
    """Print a row a command."""
    print(f"| Command | Wall, s (fastest of {RUNS}) | Processor, s (median) |\n|---|---|---|")
    slow = []
    for name, (arguments, environment) in CASES.items():
        start(arguments, environment)
        times = [start(arguments, environment) for _ in range(RUNS)]
        wall, cpu = min(w for w, _ in times), statistics.median(c for _, c in times)
        print(f"| `{name}` | {wall:.2f} | {cpu:.2f} |")
        if wall > LIMIT_S:
            slow.append(name)
    if slow:
        print(f"slower than {LIMIT_S} s: {', '.join(slow)}")


if __name__ == "__main__":
    main()
