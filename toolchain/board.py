"""Board files: what a board has, how its meter is wired and what its emulator draws.

A board is a folder ``boards/<name>/`` with a ``board.toml``. Adding a board of a known chip adds
one folder and no Python.
"""

from __future__ import annotations

import tomllib
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from toolchain.errors import BoardFileError
from toolchain.places import BOARDS_DIR

SHUNT_RANGE_V = 0.04
"""Drop over the shunt that all three meters measure: the INA219's range ends there, the INA228's at
40.96 mV, the INA226's at 81.92 mV."""

SHUNTS_OHM = (1e-4, 4.0)
"""Over less, a step of the INA219 is 100 mA; over more, the range is below the 10 mA that a board
draws while it decides."""

Pin = Annotated[int, Field(ge=0, le=63)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cpu(_Strict):
    """The core and its clock."""

    core: Literal["cortex-m0plus", "rv32imc", "host"]
    clock_hz: PositiveInt
    specified_max_hz: PositiveInt | None = None
    """Highest clock that the chip's maker specifies; None where there is none to hold it to."""

    def outside_specification(self, clock_hz: int) -> bool:
        """Whether a core at this clock runs faster than its maker specifies."""
        return self.specified_max_hz is not None and clock_hz > self.specified_max_hz


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
    """Which one is expected there, and which one the emulated board has. The firmware has drivers
    for all three and finds out by itself; HELLO says what it found."""
    i2c: int = Field(ge=0, le=1)
    sda_pin: Pin
    scl_pin: Pin
    i2c_hz: PositiveInt
    address: int = Field(ge=0x08, le=0x77)
    gate_pin: Pin
    """Output that is high inside an energy window, for meters on the host."""
    shunt_ohm: PositiveFloat
    shunt_tolerance: float | None = Field(default=None, ge=0, lt=1)
    """Relative limit of the shunt's error; None for what ``host/meter/accuracy.toml`` assumes."""
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
    """Executing, at the model's ``current_at_hz`` and ``current_at_core_v``."""
    waiting: Sourced
    """Waiting for an event with all clocks running, at the same."""
    sleeping: Sourced
    """In deep sleep, all clocks gated but the timer's, PLLs off; at any clock."""
    pll: Sourced
    """Added to ``sleeping`` by each PLL that is left on."""


class EmulatorModel(_Strict):
    """The emulator that stands in for the silicon, and what its supply sees."""

    kind: Literal["rp2040py", "labwired"]
    supply_v: PositiveFloat
    current_at_hz: PositiveInt
    current_at_core_v: PositiveFloat
    current_scaling: str
    """Where the currents' dependence on clock and core voltage comes from."""
    current_a: EmulatedCurrents
    cycles_per_instruction: Sourced | None = None
    """Of the real core, where the emulator knows no cycles but only instructions: it lets each take
    so many. None where the emulator counts cycles by itself."""

    def awake_a(self, clock_hz: float, core_v: float, *, running: bool) -> float:
        """A of a core that runs or waits.

        What exceeds the sleeping current is dynamic: proportional to the clock, and, since a
        linear regulator feeds the core, to the core's voltage.
        """
        currents = self.current_a
        at_reference = (currents.running if running else currents.waiting).value
        dynamic = clock_hz / self.current_at_hz * (core_v / self.current_at_core_v)
        return currents.sleeping.value + (at_reference - currents.sleeping.value) * dynamic

    def asleep_a(self, plls_on: int) -> float:
        """A in deep sleep."""
        return self.current_a.sleeping.value + self.current_a.pll.value * plls_on


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
    block: PositiveInt = 1
    """Inputs and outputs that the kernels take at a time: those of a layer are rounded up to it."""
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


SHOWN_ERRORS = 3
"""Of a board file that has more."""


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
        wrong = [
            _wrong(each["loc"], each["type"], each["msg"], each["input"]) for each in error.errors()
        ]
        more = f"; and {len(wrong) - SHOWN_ERRORS} more" if len(wrong) > SHOWN_ERRORS else ""
        raise BoardFileError(f"{path}: {'; '.join(wrong[:SHOWN_ERRORS])}{more}") from error


def _wrong(place: tuple[int | str, ...], kind: str, message: str, value: object) -> str:
    key = ".".join(map(str, place))
    if kind == "extra_forbidden":
        return f"{key}: there is no such key"
    if kind == "missing":
        return f"{key}: is missing"
    return f"{key}: {message} (value: {value!r})"


def at_clock(board: Board, clock_hz: int) -> Board:
    """The same board with another core clock, which its image is then built for.

    The cost model's energy per cycle follows the clock as the emulated supply does; without such a
    supply it is left as it is. Whether the chip can make the clock is checked by the build.

    Raises:
        BoardFileError: the board is a process, whose clock is not the firmware's to set.
    """
    if board.chip == "posix":
        raise BoardFileError(
            f"board {board.name!r} is a process: its clock cannot be set to {clock_hz} Hz",
            hint="leave out --clock, or use another target",
        )
    changed: dict[str, object] = {"cpu": board.cpu.model_copy(update={"clock_hz": clock_hz})}
    if board.cost_model is not None and board.emulator is not None:
        before, after = (
            board.emulator.awake_a(hz, core_voltage_v(board.chip, hz), running=True) / hz
            for hz in (board.cpu.clock_hz, clock_hz)
        )
        changed["cost_model"] = board.cost_model.model_copy(
            update={"energy_j_per_cycle": board.cost_model.energy_j_per_cycle * after / before}
        )
    return board.model_copy(update=changed)


def core_voltage_v(chip: str, clock_hz: float) -> float:
    """V that a build runs the core at: the regulator's default up to the specified clock.

    RP2040: 1.10 V, and 1.15 V above 133 MHz (its regulator's steps, datasheet 2.10.3).
    """
    return 1.15 if chip == "rp2040" and clock_hz > 133e6 else 1.10


def with_shunt(board: Board, shunt_ohm: float) -> Board:
    """The same board with another shunt beside its meter.

    ``max_current_a`` is kept, unless it would drop more than the meters' range of 40 mV over the
    shunt; then it is what drops just that.

    Raises:
        BoardFileError: the board has no meter, or the shunt is no resistance.
    """
    if board.meter is None:
        raise BoardFileError(
            f"board {board.name!r} has no [meter] in its board file", hint="leave out --shunt"
        )
    if not 0 < shunt_ohm < float("inf"):
        raise BoardFileError(
            f"a shunt of {shunt_ohm} ohm is no resistance", hint="give it in ohm, above 0"
        )
    least, most = SHUNTS_OHM
    if not least <= shunt_ohm <= most:
        raise BoardFileError(
            f"a shunt of {shunt_ohm:g} ohm, must be {least:g} to {most:g} ohm: the meters measure "
            f"{SHUNT_RANGE_V * 1e3:g} mV over it",
            hint="give it in ohm; breakouts have 0.1 or 0.015",
        )
    if (Fraction(str(shunt_ohm)) * 1_000_000).denominator != 1:
        raise BoardFileError(
            f"a shunt of {shunt_ohm} ohm is not whole microohm", hint="round it to six decimals"
        )
    largest_a = min(board.meter.max_current_a, SHUNT_RANGE_V / shunt_ohm)
    meter = board.meter.model_copy(update={"shunt_ohm": shunt_ohm, "max_current_a": largest_a})
    return board.model_copy(update={"meter": meter})


def with_cycles_per_instruction(board: Board, figure: Sourced) -> Board:
    """The same board with other cycles for each instruction of its emulator.

    Raises:
        BoardFileError: the board has no emulator that counts instructions.
    """
    if board.emulator is None or board.emulator.cycles_per_instruction is None:
        raise BoardFileError(
            f"board {board.name!r} has no emulator that counts instructions",
            hint="its emulator's cycles are its own",
        )
    emulator = board.emulator.model_copy(update={"cycles_per_instruction": figure})
    return board.model_copy(update={"emulator": emulator})
