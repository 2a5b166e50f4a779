"""The chain: all stages of a run, alone or one after the other."""

from host.chain.commands import (
    bench,
    compile_file,
    open_chain,
    report_run,
    run_stage,
)
from host.chain.flashing import flash_run
from host.chain.imported import import_file
from host.chain.infer import infer
from host.chain.profile import profile
from host.chain.quantization import quantization_report
from host.chain.settings import GeneratorName, PresetName, Settings

__all__ = [
    "GeneratorName",
    "PresetName",
    "Settings",
    "bench",
    "compile_file",
    "flash_run",
    "import_file",
    "infer",
    "open_chain",
    "profile",
    "quantization_report",
    "report_run",
    "run_stage",
]
