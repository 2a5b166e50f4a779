"""The power meters that an emulated board can have on its bus."""

from __future__ import annotations

from collections.abc import Mapping

from host.emulator.ina import Ina
from host.emulator.ina219 import Ina219
from host.emulator.ina226 import Ina226
from host.emulator.ina228 import Ina228

METERS: Mapping[str, type[Ina]] = {"ina219": Ina219, "ina226": Ina226, "ina228": Ina228}
"""By ``meter.kind`` of a board file."""
