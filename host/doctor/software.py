"""Findings on software: Python, packages, extras, compilers, emulators."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata

from packaging.requirements import Requirement
from packaging.version import Version

from host.doctor.finding import Finding, Level, lacking
from toolchain.board import Board, board_names, load_board
from toolchain.errors import JouleloopError

DISTRIBUTION = "jouleloop"
NOT_FOR_USERS = ("test", "dev")
"""Extras of those who work on Jouleloop itself."""


def check_software(board: Board | None, *, emulated: bool) -> Iterator[Finding]:
    """What Jouleloop is made of and builds with.

    Args:
        board: what the target is; None without one.
        emulated: the target is an emulated board.
    """
    yield _python()
    yield from check_packages(metadata.requires(DISTRIBUTION) or [])
    yield _zig()
    for gcc, chips in _gccs().items():
        yield _program(
            f"GCC for {', '.join(chips)}",
            gcc,
            "builds with --compiler gcc" + ", and the engine tflm" * gcc.startswith("arm-"),
            f"install a package with {gcc} in it, such as Debian's gcc-{gcc.removesuffix('-gcc')}",
        )
    yield _program(
        "clang",
        os.environ.get("CLANG", "clang"),
        "lets the fuzzer use libFuzzer",
        "install clang, or set CLANG to one; the fuzzer has a driver of its own as well",
    )
    yield _tflm(os.environ)
    known = map(load_board, board_names())
    emulators = {one.chip: one.emulator.kind for one in known if one.emulator is not None}
    for chip, package in emulators.items():
        yield _emulator(chip, package, needed=emulated and board is not None and board.chip == chip)


def _gccs() -> dict[str, list[str]]:
    """GCCs that build an image, each with its chips."""
    from toolchain.build.chips import CHIPS

    found: dict[str, list[str]] = {}
    for name, chip in CHIPS.items():
        if chip.gcc:
            found.setdefault(chip.gcc, []).append(name)
    return found


def check_packages(requirements: list[str]) -> Iterator[Finding]:
    """The packages that are always needed, and those of every extra.

    Args:
        requirements: as the distribution's metadata have them, each extra's with its marker.
    """
    parsed = [Requirement(text) for text in requirements]
    extras = sorted(
        {extra for requirement in parsed for extra in _extras_of(requirement)} - {*NOT_FOR_USERS}
    )
    for extra in ["", *extras]:
        wanted = [requirement for requirement in parsed if _applies(requirement, extra)]
        wrong = [text for requirement in wanted if (text := _complaint(requirement))]
        name = f"extra {extra}" if extra else "packages"
        install = f"{DISTRIBUTION}[{extra}]" if extra else DISTRIBUTION
        if wrong:
            yield Finding(
                "software",
                name,
                lacking(not extra),
                ", ".join(wrong),
                f"pip install '{install}'",
            )
        else:
            yield Finding("software", name, Level.OK, f"all {len(wanted)} installed")


def _extras_of(requirement: Requirement) -> list[str]:
    marker = str(requirement.marker or "")
    return [part.split('"')[1] for part in marker.split("extra ==")[1:]]


def _applies(requirement: Requirement, extra: str) -> bool:
    """Whether an installation with one extra, or with none, has this and no other one has."""
    if bool(extra) != bool(_extras_of(requirement)):
        return False
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


def _complaint(requirement: Requirement) -> str:
    try:
        version = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if not requirement.specifier.contains(Version(version), prereleases=True):
        return f"{requirement.name} is {version}, needed {requirement.specifier}"
    return ""


def _python() -> Finding:
    needed = metadata.metadata(DISTRIBUTION)["Requires-Python"].removeprefix(">=")
    version = platform.python_version()
    detail = f"{version} at {sys.executable}"
    if Version(version) >= Version(needed):
        return Finding("software", "Python", Level.OK, detail)
    return Finding("software", "Python", Level.MISSING, detail, f"install Python {needed} or newer")


def _zig() -> Finding:
    from toolchain.build.tools import find_compiler

    try:
        found = find_compiler("zig", "")
    except JouleloopError as error:
        remedy = error.hint or "pip install 'jouleloop'"
        return Finding("compilers", "zig", Level.MISSING, error.message, remedy)
    return Finding("compilers", "zig", Level.OK, f"{found.version}; builds every image")


def _program(name: str, program: str, purpose: str, remedy: str) -> Finding:
    found = shutil.which(program)
    if found is None:
        return Finding("compilers", name, Level.WARN, f"{program} is not on the PATH", remedy)
    return Finding("compilers", name, Level.OK, f"{found}; {purpose}")


def _tflm(environment: Mapping[str, str]) -> Finding:
    from toolchain.build.tflm import find_tflm

    try:
        tree = find_tflm("cortex-m0plus", environment)
    except JouleloopError as error:
        remedy = error.hint or "set TFLM_ROOT"
        return Finding("compilers", "TFLM_ROOT", Level.WARN, error.message, remedy)
    return Finding("compilers", "TFLM_ROOT", Level.OK, f"{tree.root}, library {tree.library}")


def _emulator(chip: str, package: str, *, needed: bool) -> Finding:
    try:
        version = metadata.version(package)
    except metadata.PackageNotFoundError:
        return Finding(
            "emulators",
            chip,
            lacking(needed),
            f"{package} is not installed",
            "pip install 'jouleloop'",
        )
    return Finding("emulators", chip, Level.OK, f"{package} {version}")
