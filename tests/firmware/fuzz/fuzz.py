"""Builds and runs the fuzzer of the firmware's command loop.

    python tests/firmware/fuzz/fuzz.py --runs 200000
    python tests/firmware/fuzz/fuzz.py INPUT ...      # run single inputs, such as a finding

The firmware's own sources with the aot engine, a network and a fallback are compiled for this
machine with sanitizers, and driven by libFuzzer where a clang is there that has it. Elsewhere
``fuzz_main.c`` drives them, guided by the coverage that GCC (AddressSanitizer and UBSan) or zig
(UBSan; it has no AddressSanitizer) counts. What was used is printed first.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from toolchain.board import MeterWiring, load_board
from toolchain.build import config_header, protocol_header, sources
from toolchain.compile import compile_model
from toolchain.compile.synthetic import reference_network
from toolchain.protocol import Engine

HERE = Path(__file__).resolve().parent
CORPUS = HERE / "corpus"
"""Inputs that found something, or that reach what mutation alone reaches late."""
HARNESS = ("fuzz_link.c", "fuzz_port.c")
UNCOUNTED = ("jl_crc32.c", "fuzz_port.c")
"""Like the networks: loops over all bytes that lead nowhere else. Counting their turns would take
half of the time; the sanitizers are in them as everywhere."""
WIDTHS, FALLBACK_WIDTHS = (6, 9, 3), (6, 3)
REPORTS = "abort_on_error=1:halt_on_error=1:print_stacktrace=1:detect_leaks=0"


@dataclass(frozen=True)
class FuzzCompiler:
    """A compiler and what it puts in.

    Attributes:
        name: for ``--compiler``.
        command: that compiles C.
        flags: sanitizers.
        coverage: flags that count which places are reached; libFuzzer's also link its driver.
        driver: whether ``fuzz_main.c`` drives; otherwise libFuzzer does.
        sanitizers: in words.
    """

    name: str
    command: tuple[str, ...]
    flags: tuple[str, ...]
    coverage: tuple[str, ...]
    driver: bool
    sanitizers: str


def compilers() -> list[FuzzCompiler]:
    """All that this project can fuzz with, the best first; clang's path may be in ``$CLANG``."""
    both = "-fsanitize=address,undefined"
    fatal = "-fno-sanitize-recover=all"
    clang = os.environ.get("CLANG", "clang")
    return [
        FuzzCompiler(
            "clang",
            (clang,),
            (both, fatal),
            ("-fsanitize=fuzzer",),
            False,
            "libFuzzer, AddressSanitizer, UBSan",
        ),
        FuzzCompiler(
            "gcc",
            ("gcc",),
            (both, fatal),
            ("-fsanitize-coverage=trace-pc",),
            True,
            "fuzz_main.c, AddressSanitizer, UBSan",
        ),
        FuzzCompiler(
            "zig",
            (sys.executable, "-m", "ziglang", "cc"),
            ("-fsanitize=undefined",),
            ("-fsanitize-coverage=inline-8bit-counters",),
            True,
            "fuzz_main.c, UBSan",
        ),
    ]


def usable(compiler: FuzzCompiler) -> bool:
    """Whether the compiler is there and links what it is asked for."""
    if shutil.which(compiler.command[0]) is None:
        return False
    probe = "#include <stdint.h>\n#include <stddef.h>\n"
    probe += "int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n) { return n > 9 && d[9]; }\n"
    if compiler.driver:
        probe += "void __sanitizer_cov_trace_pc(void) {}\n"
        probe += "void __sanitizer_cov_8bit_counters_init(char *a, char *b) { (void)a, (void)b; }\n"
        probe += "int main(void) { return LLVMFuzzerTestOneInput(0, 0); }\n"
    with tempfile.TemporaryDirectory(prefix="jouleloop-") as folder:
        source = Path(folder) / "probe.c"
        source.write_text(probe)
        command = [
            *compiler.command,
            *compiler.flags,
            *compiler.coverage,
            str(source),
            "-o",
            str(source.with_suffix("")),
        ]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0


def choose(name: str | None = None) -> FuzzCompiler:
    """The best compiler that is there, or the named one."""
    for compiler in compilers():
        if name in (None, compiler.name) and usable(compiler):
            return compiler
    raise SystemExit(f"no fuzzer: {name or 'neither clang, gcc nor zig'} links with its sanitizers")


def build(compiler: FuzzCompiler, folder: Path) -> Path:
    """Compile firmware and harness; returns the program."""
    generated = folder / "generated"
    generated.mkdir(parents=True, exist_ok=True)
    native = load_board("native")
    pico_meter: MeterWiring | None = load_board("pico").meter
    board = native.model_copy(update={"meter": pico_meter})
    headers = {
        "jl_protocol.h": protocol_header.render(),
        "jl_config.h": config_header.render(board, bytes(range(32))),
        "jl_aot_config.h": config_header.aot(fallback=True),
    }
    for name, text in headers.items():
        (generated / name).write_text(text)
    rng = np.random.default_rng(1)
    models = folder / "model", folder / "fallback"
    compile_model(reference_network(WIDTHS, rng), models[0], name="policy")
    compile_model(
        reference_network(FALLBACK_WIDTHS, rng),
        models[1],
        name="fallback",
        symbol=sources.FALLBACK_SYMBOL,
    )
    chosen = sources.collect(native, models[0], Engine.AOT, None, models[1])
    port = sources.FIRMWARE_DIR / "port" / "posix"
    firmware = [
        path
        for room in ("core", "meter")
        for path in sorted((sources.FIRMWARE_DIR / room).glob("*.c"))
        if path.name != "jl_main.c"
    ]
    units = [*firmware, port / "chip.c", *chosen.network, *(HERE / name for name in HARNESS)]
    includes = [HERE, sources.FIRMWARE_DIR / "include", sources.FIRMWARE_DIR / "core", port]
    common = ["-std=c11", "-g", "-O2", "-D_DEFAULT_SOURCE=1", "-D_XOPEN_SOURCE=700"]
    common += [f"-I{path}" for path in (*includes, generated, *chosen.includes)]
    program = folder / f"fuzz-{compiler.name}"
    linked = []
    for unit in (path for path in units if path.suffix == ".c"):
        if unit.name in UNCOUNTED or unit in chosen.network:
            linked.append(_object([*compiler.command, *common, *compiler.flags], unit, folder))
        else:
            linked.append(str(unit))
    if compiler.driver:
        linked.append(_object([*compiler.command, *common], HERE / "fuzz_main.c", folder))
    flags = [*compiler.flags, *compiler.coverage]
    _compile([*compiler.command, *common, *flags, *linked, "-o", str(program)])
    return program


def _object(command: list[str], source: Path, folder: Path) -> str:
    made = folder / f"{source.stem}.o"
    _compile([*command, "-c", str(source), "-o", str(made)])
    return str(made)


def run(program: Path, arguments: Sequence[str], findings: Path) -> subprocess.CompletedProcess:
    """Run the fuzzer; a finding makes the exit code other than 0 and leaves its input."""
    findings.mkdir(parents=True, exist_ok=True)
    return subprocess.run(
        [program, f"-artifact_prefix={findings}{os.sep}", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "ASAN_OPTIONS": REPORTS, "UBSAN_OPTIONS": REPORTS},
        check=False,
    )


def executions(output: str) -> int:
    """How many inputs were run, as the fuzzer itself says at its end."""
    found = re.findall(r"^Done (\d+) runs", output, re.M)
    return int(found[-1]) if found else 0


def _compile(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")


def main() -> int:
    """Entry of the script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("inputs", nargs="*", type=Path, help="run these and nothing else")
    parser.add_argument("--runs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compiler", choices=[compiler.name for compiler in compilers()])
    parser.add_argument("--findings", type=Path, default=Path("findings"))
    arguments = parser.parse_args()
    compiler = choose(arguments.compiler)
    print(json.dumps({"compiler": compiler.name, "with": compiler.sanitizers}), flush=True)
    with tempfile.TemporaryDirectory(prefix="jouleloop-") as scratch:
        program = build(compiler, Path(scratch))
        chosen = [str(path) for path in arguments.inputs]
        if not chosen:
            new = Path(scratch) / "new"
            new.mkdir()
            chosen = [f"-runs={arguments.runs}", f"-seed={arguments.seed}", str(new), str(CORPUS)]
        done = run(program, chosen, arguments.findings)
    print("\n".join(done.stdout.splitlines()[-30 if done.returncode else -2 :]))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
