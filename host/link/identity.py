"""Who answered: no result is attributed to anything else."""

from __future__ import annotations

from dataclasses import dataclass

from host.link.framing import FLASH_AGAIN
from toolchain import protocol as wire
from toolchain.errors import IdentityError, ProtocolError

_AT_MOST = {
    "clock_hz": 2**32 - 1,
    "max_payload": wire.MAX_PAYLOAD_BYTES,
    "n_inputs": 2**16 - 1,
    "n_outputs": 2**16 - 1,
}
"""What is divided by, or cut to, afterwards."""


@dataclass(frozen=True)
class Identity:
    """What answered: the identity that every result carries (DESIGN.md, "The link")."""

    board: str
    chip_id: str
    firmware: str
    engine: str
    image_sha256: str
    model_sha256: str
    fallback_sha256: str
    """Of the fallback network; empty where the image has none."""
    clock_hz: int
    protocol: int
    meter: str
    reset_cause: str
    n_inputs: int
    n_outputs: int
    input_element: str
    output_element: str
    max_payload: int
    arena_bytes: int
    fault: str
    """What stopped the program before the board last started; empty when nothing did."""

    @property
    def emulated(self) -> bool:
        """Whether the chip says of itself that it is an emulator's."""
        return bytes.fromhex(self.chip_id).startswith(wire.EMULATED_CHIP_IDS)

    @property
    def trouble(self) -> str:
        """Why the board started anew, in words; empty where nothing was wrong."""
        if self.fault:
            return f"its program was stopped by {self.fault}"
        return "its watchdog has reset it" if self.reset_cause == "watchdog" else ""

    @classmethod
    def of(cls, hello: wire.HelloReply) -> Identity:
        """From the board's own words.

        Raises:
            ProtocolError: a text is not ASCII, a code is unknown, or a number impossible.
        """
        for name, most in _AT_MOST.items():
            if not 1 <= getattr(hello, name) <= most:
                raise ProtocolError(
                    f"HELLO says {name} {getattr(hello, name)}, must be from 1 to {most}",
                    hint=FLASH_AGAIN,
                )
        try:
            return cls(
                board=hello.board.rstrip(b"\0").decode("ascii"),
                chip_id=hello.chip_id.hex(),
                firmware=hello.firmware.rstrip(b"\0").decode("ascii"),
                engine=wire.Engine(hello.engine).name.lower(),
                image_sha256=hello.image_sha256.hex(),
                model_sha256=hello.model_sha256.hex(),
                fallback_sha256=hello.fallback_sha256.hex() if any(hello.fallback_sha256) else "",
                clock_hz=hello.clock_hz,
                protocol=wire.VERSION,
                meter=wire.MeterKind(hello.meter).name.lower(),
                reset_cause=wire.ResetCause(hello.reset_cause).name.lower(),
                n_inputs=hello.n_inputs,
                n_outputs=hello.n_outputs,
                input_element=wire.Element(hello.input_element).name.lower(),
                output_element=wire.Element(hello.output_element).name.lower(),
                max_payload=hello.max_payload,
                arena_bytes=hello.arena_bytes,
                fault=_fault_text(hello),
            )
        except (UnicodeDecodeError, ValueError) as error:
            raise ProtocolError(f"HELLO cannot be read: {error}", hint=FLASH_AGAIN) from error


def _fault_text(hello: wire.HelloReply) -> str:
    cause = wire.FaultCause(hello.fault_cause)
    if cause is wire.FaultCause.NONE:
        return ""
    return (
        f"{cause.name.lower()} at pc 0x{hello.fault_pc:08x}, lr 0x{hello.fault_lr:08x}, "
        f"status 0x{hello.fault_status:08x}"
    )


def check_identity(found: Identity, **expected: str) -> None:
    """Refuse a board that is not the expected one.

    Args:
        found: what answered.
        expected: fields of :class:`Identity` and the values they must have.

    Raises:
        IdentityError: a field differs.
    """
    for name, value in expected.items():
        actual = getattr(found, name)
        if actual != value:
            raise IdentityError(
                f"the board reports {name} {actual!r}, expected {value!r}",
                hint="flash the image again (leave out --no-flash), or name the right target",
            )
