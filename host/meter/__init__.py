"""Power meters: one interface, and the instruments behind it."""

from host.meter.accuracy import Accuracy, Limit, accuracy_of
from host.meter.board import BoardMeter
from host.meter.choice import MeterChoice, parse_meter
from host.meter.gate import Pulse, Samples, measure_pulse, measure_window, pulses
from host.meter.joulescope import Joulescope
from host.meter.meter import Meter, MeterDescription, Reading, meter_text
from host.meter.ppk2 import Ppk2
from host.meter.recording import Recording

__all__ = [
    "Accuracy",
    "BoardMeter",
    "Joulescope",
    "Limit",
    "Meter",
    "MeterChoice",
    "MeterDescription",
    "Ppk2",
    "Pulse",
    "Reading",
    "Recording",
    "Samples",
    "accuracy_of",
    "measure_pulse",
    "measure_window",
    "meter_text",
    "parse_meter",
    "pulses",
]
