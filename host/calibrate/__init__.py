"""Calibrate: what a board's cycles, bytes and joules follow from, fitted on the board itself."""

from host.calibrate.command import Calibrated, calibrate
from host.calibrate.console import print_calibration
from host.calibrate.design import MicroBenchmark, designed_set
from host.calibrate.fit import calibration_of, complaints
from host.calibrate.measure import Observed, ObservedNetwork, observe

__all__ = [
    "Calibrated",
    "MicroBenchmark",
    "Observed",
    "ObservedNetwork",
    "calibrate",
    "calibration_of",
    "complaints",
    "designed_set",
    "observe",
    "print_calibration",
]
