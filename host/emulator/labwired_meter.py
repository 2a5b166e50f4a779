"""A power meter on the I2C bus that ``labwired`` emulates.

``labwired`` has devices that are a table of byte registers, whose values come from the host. This
one's table is filled from the meter model that the emulated Pico has too: the host follows the bus
byte by byte in labwired's trace, and when a transfer has named a register, it puts that register's
bytes there before the next byte is through. The bus itself, its controller and the bytes on it are
labwired's.
"""

from __future__ import annotations

import copy
from typing import Any

from host.emulator.ina import Ina

LONGEST_REGISTER_BYTES = 5

_PART = """\
parts:
  - schema: labwired.part/v1
    type: jouleloop:meter
    behavior:
      primitive: i2c_device
      i2c:
        default_address: {address}
        auto_increment: true
        registers:
{registers}
    metadata:
      label: meter
      summary: "A table of registers that the host fills."
      detail: "The model is the host's."
      category: i2c
      inputs:
{inputs}
external_devices:
  - id: meter
    type: jouleloop:meter
    connection: i2c0
    route: {{ sda: GPIO{sda}, scl: GPIO{scl} }}
    config: {{ i2c_address: {address} }}
"""
_REGISTER = (
    "          - {{ name: R{at}, addr: {at}, width: 1, endian: be, access: r, "
    "source: r{at}, encode: {{ scale: 1.0 }} }}"
)
_INPUT = (
    "        - {{ key: r{at}, label: R{at}, unit: counts, min: 0.0, max: 255.0, default: 0.0 }}"
)


def describe(address: int, sda_pin: int, scl_pin: int) -> str:
    """The device's part of labwired's YAML description of the board."""
    return _PART.format(
        address=address,
        sda=sda_pin,
        scl=scl_pin,
        registers="\n".join(_REGISTER.format(at=at) for at in range(256)),
        inputs="\n".join(_INPUT.format(at=at) for at in range(256)),
    )


class MeterOnBus:
    """Keeps labwired's table and the meter's model at one.

    Args:
        meter: the model.
    """

    def __init__(self, meter: Ina) -> None:
        self._meter = meter
        self._addressed = self._writes = self._pointed = False

    def follow(self, simulator: Any) -> None:
        """Take what has gone over the bus since the last call; the simulator has the device."""
        for frame in simulator.frames():
            payload = frame["payload"]
            if payload["protocol"] == "i2c":
                self._byte(payload["kind"], payload["byte"], simulator)

    def _byte(self, kind: str, value: int, simulator: Any) -> None:
        if kind in ("addrwrite", "addrread"):
            self._addressed = value >> 1 == self._meter.address
            self._writes = kind == "addrwrite"
            self._meter.start()
            self._pointed = not self._writes
        elif not self._addressed:
            return
        elif self._writes:
            self._meter.write(value)
            if not self._pointed:
                self._pointed = True
                self._offer(value, simulator)
        else:
            self._meter.read()

    def _offer(self, pointer: int, simulator: Any) -> None:
        """Put a register's value into the table; what reading it changes has not happened yet."""
        ahead = copy.copy(self._meter)
        ahead.__dict__ = {
            name: copy.copy(value) if isinstance(value, dict | bytearray) else value
            for name, value in vars(self._meter).items()
        }
        ahead.start()
        ahead.write(pointer)
        for number in range(LONGEST_REGISTER_BYTES):
            simulator.set_input(f"r{(pointer + number) & 0xFF}", float(ahead.read()))
