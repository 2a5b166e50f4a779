"""Runs CMake and Ninja, keeps their whole output in a log, and says what went wrong first."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.build.tools import Compiler, find_cmake, find_ninja
from toolchain.errors import BuildError
from toolchain.places import FIRMWARE_DIR

SHOWN_LINES = 8
"""Error lines that a message quotes; the log has all of them."""

_ERROR_LINE = re.compile(r"\berror\b|undefined (symbol|reference)|will not fit|overflowed", re.I)


@dataclass(frozen=True)
class CmakeBuild:
    """One build folder.

    Attributes:
        folder: CMake's binary directory.
        log: file that all output is appended to.
        compiler: what compiles.
    """

    folder: Path
    log: Path
    compiler: Compiler

    def configure(self, variables: Mapping[str, str]) -> None:
        """Run CMake.

        Raises:
            BuildError: it failed; the message quotes its first error lines and names the log.
        """
        definitions = {
            "CMAKE_TOOLCHAIN_FILE": str(FIRMWARE_DIR / "cmake" / f"{self.compiler.name}.cmake"),
            "CMAKE_MAKE_PROGRAM": str(find_ninja()),
            "CMAKE_BUILD_TYPE": "",
            f"JL_{self.compiler.name.upper()}": str(self.compiler.path),
        } | dict(variables)
        self._run(
            "cmake's configuration",
            find_cmake(),
            # --fresh builds everything anew, which takes two seconds; a cache that remembers
            # another checkout, compiler or setting would cost more than that.
            ["--fresh", "-S", str(FIRMWARE_DIR), "-B", str(self.folder), "-G", "Ninja"]
            + [f"-D{name}={value}" for name, value in definitions.items()],
        )

    def build(self, target: str) -> None:
        """Build a target.

        Raises:
            BuildError: as :meth:`configure`.
        """
        arguments = ["--build", str(self.folder), "--target", target]
        self._run(f"building {target}", find_cmake(), arguments)

    def objects(self, target: str) -> list[Path]:
        """Object files of an object library that has been built, sorted."""
        return sorted((self.folder / "CMakeFiles" / f"{target}.dir").rglob("*.o*"))

    def _run(self, what: str, program: Path, arguments: list[str]) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {program} {' '.join(arguments)}\n")
            try:
                run = subprocess.run(
                    [program, *arguments],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    errors="replace",
                    check=False,
                )
            except OSError as error:
                raise BuildError(f"{what} could not start: {error}") from error
            log.write(run.stdout)
        if run.returncode != 0:
            lines = run.stdout.splitlines()
            shown = [line for line in lines if _ERROR_LINE.search(line)] or lines[-SHOWN_LINES:]
            raise BuildError(
                f"{what} failed (exit code {run.returncode}):\n"
                + "\n".join(f"  {line.strip()}" for line in shown[:SHOWN_LINES]),
                hint=f"the whole output is in {self.log}",
            )
