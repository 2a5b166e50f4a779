"""Run folders: the stages' artifacts, the manifest of what they were made from, and their list."""

from host.run.folder import (
    MANIFEST,
    RunFolder,
    Stage,
    code_sha256,
    read_json,
    sha256_file,
    write_json,
)
from host.run.listing import ListedFigure, ListedRun, RunState, list_runs
from host.run.reading import BENCH_STAGES, RUNS, find_run, finished_run

__all__ = [
    "BENCH_STAGES",
    "MANIFEST",
    "RUNS",
    "ListedFigure",
    "ListedRun",
    "RunFolder",
    "RunState",
    "Stage",
    "code_sha256",
    "find_run",
    "finished_run",
    "list_runs",
    "read_json",
    "sha256_file",
    "write_json",
]
