"""The chain: all stages of a run, alone or one after the other."""

from host.chain.commands import bench, compile_file, flash_run, report_run, run_stage
from host.chain.infer import infer
from host.chain.settings import PresetName, Settings

__all__ = [
    "PresetName",
    "Settings",
    "bench",
    "compile_file",
    "flash_run",
    "infer",
    "report_run",
    "run_stage",
]
