"""Board files: what a board has, how its meter is wired and what its emulator draws.

A board is a folder ``boards/<name>/`` with a ``board.toml``. Adding a board of a known chip adds
one folder and no Python.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from toolchain.errors import BoardFileError

BOARDS_DIR = Path(__file__).resolve().parent.parent / "boards"
"""Folder of the board files: beside the packages, in a checkout and in an installation alike."""

Pin = Annotated[int, Field(ge=0, le=63)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cpu(_Strict):
    """The core and its clock."""

    core: Literal["cortex-m0plus", "rv32imc", "host"]
    clock_hz: PositiveInt


class Memory(_Strict):
    """What the image must fit into, in bytes."""

    flash_bytes: PositiveInt
    ram_bytes: PositiveInt
    stack_bytes: int = Field(ge=1024, multiple_of=8)


class ImageFormat(_Strict):
    """How the image is packed for flashing; ``elf`` is a program of this machine, run as it is."""

    format: Literal["uf2", "bin", "elf"]
    uf2_family_id: int | None = None


class SerialLink(_Strict):
    """The serial line on the board."""

    baud: PositiveInt
    uart: int | None = Field(default=None, ge=0, le=3)
    """None, like its pins, where the line is a pseudo-terminal."""
    tx_pin: Pin | None = None
    rx_pin: Pin | None = None


UsbText = Annotated[str, Field(min_length=1, max_length=31, pattern=r"^[ !#-\[\]-~]+$")]
"""ASCII that fits one packet of a string descriptor, without what C would have to escape."""


class UsbDevice(_Strict):
    """What the board is called on USB; its serial number is the flash's unique id."""

    vendor_id: int = Field(ge=0, le=0xFFFF)
    product_id: int = Field(ge=0, le=0xFFFF)
    manufacturer: UsbText
    product: UsbText


class MeterWiring(_Strict):
    """The power meter on the board's I2C bus."""

    kind: Literal["ina219", "ina226", "ina228"]
    i2c: int = Field(ge=0, le=1)
    sda_pin: Pin
    scl_pin: Pin
    i2c_hz: PositiveInt
    address: int = Field(ge=0x08, le=0x77)
    gate_pin: Pin
    """Output that is high inside an energy window, for meters on the host."""
    shunt_ohm: PositiveFloat
    max_current_a: PositiveFloat
    wiring: str

    @property
    def current_lsb_a(self) -> float:
        """A per count of the INA228's CURRENT register (datasheet 8.1.2: max / 2^19)."""
        return self.max_current_a / 2**19


class Budget(_Strict):
    """Range that ``composite_log`` scores over: 1 at ``best``, 0 at ``budget``."""

    best: PositiveFloat
    budget: PositiveFloat


class Budgets(_Strict):
    """The budgets of METRICS.md's ``composite_log``."""

    energy_per_decision_j: Budget
    waste_kg_per_product: Budget
    comms_bytes_per_decision: Budget


class Sourced(_Strict):
    """A physical figure with its range and source."""

    value: PositiveFloat
    low: PositiveFloat
    high: PositiveFloat
    source: str


class EmulatedCurrents(_Strict):
    """Supply current of the emulated board by the state of its core, in A."""

    running: Sourced
    waiting: Sourced


class EmulatorModel(_Strict):
    """The emulator that stands in for the silicon, and what its supply sees."""

    kind: Literal["rp2040py"]
    supply_v: PositiveFloat
    current_a: EmulatedCurrents


class PolicyLimits(_Strict):
    """What one decision's network may take; sizing chooses the widest that keeps all of them."""

    flash_bytes: PositiveInt
    """Of weights, biases and requantization constants."""
    ram_bytes: PositiveInt
    """Of activations; of the weights too where they are run from RAM."""
    latency_s: PositiveFloat
    energy_j: PositiveFloat
    compute_share: float = Field(gt=0, le=1)
    """Of ``compute_budget_ops_per_s``, for MACs a second at ``decisions_per_s``."""
    compute_budget_ops_per_s: PositiveFloat
    decisions_per_s: PositiveFloat
    source: str


class EnergySaving(_Strict):
    """When the board changes to its fallback network, unless the command says otherwise."""

    budget_j_per_decision_cycle: float = Field(gt=0, lt=1000)
    """J that the decisions of one decision cycle (a day's batch) may take before it does, counted
    as their core cycles times ``cost_model.energy_j_per_cycle``."""
    source: str


class CostModel(_Strict):
    """What a dense INT8 network costs on the board, until the board itself is calibrated."""

    cycles_per_mac: PositiveFloat
    cycles_per_output: float = Field(ge=0)
    cycles_per_layer: float = Field(ge=0)
    cycles_per_inference: float = Field(ge=0)
    """Of the whole decision: what surrounds the network, too."""
    bytes_per_mac: PositiveFloat
    """Of flash: weights, and the code that is written out for them."""
    bytes_per_output: float = Field(ge=0)
    """Of flash: bias, multiplier and shift, and the code that applies them."""
    bytes_per_layer: float = Field(ge=0)
    bytes_per_network: float = Field(ge=0)
    weights_in_ram: bool
    """Whether weights and code are copied to RAM and count there as well."""
    energy_j_per_cycle: PositiveFloat
    """Board total while running: current x voltage / clock."""
    energy_j_per_byte: float = Field(ge=0)
    """Beside its cycles, for reading one byte of ``bytes_per_mac``."""
    source: str


class Board(_Strict):
    """One board file, validated. See ``boards/pico/board.toml`` for a commented example."""

    schema_: Literal[1] = Field(alias="schema")
    name: str
    title: str
    chip: Literal["rp2040", "esp32c3", "posix"]
    cpu: Cpu
    memory: Memory
    image: ImageFormat
    link: SerialLink
    usb: UsbDevice | None = None
    meter: MeterWiring | None = None
    budget: Budgets
    limits: PolicyLimits | None = None
    energy_saving: EnergySaving | None = None
    cost_model: CostModel | None = None
    emulator: EmulatorModel | None = None


def board_names() -> list[str]:
    """Names of the boards that have a folder, sorted."""
    return sorted(path.parent.name for path in BOARDS_DIR.glob("*/board.toml"))


def load_board(name: str) -> Board:
    """Read ``boards/<name>/board.toml``.

    Raises:
        BoardFileError: no such board, broken TOML, an unknown key, or a value out of range.
    """
    known = board_names()
    if name not in known:
        raise BoardFileError(
            f"unknown board {name!r}; known boards: {', '.join(known)}",
            hint="name one of these, or add boards/<name>/board.toml",
        )
    return read_board_file(BOARDS_DIR / name / "board.toml")


def read_board_file(path: Path) -> Board:
    """Read and validate one board file.

    Raises:
        BoardFileError: as :func:`load_board`.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BoardFileError(f"{path}: cannot be read: {error}") from error
    try:
        return Board.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise BoardFileError(
            f"{path}: {key}: {first['msg']} (value: {first.get('input')!r})",
            hint="boards/pico/board.toml shows every key with its unit",
        ) from error
