"""The emulated RP2040's USB controller as the device on a bus that can refuse.

``rp2040py`` finishes every transfer as soon as the firmware arms a buffer, whether or not a host
asks for it. Here a buffer stays armed until a host's transaction takes it, a buffer that is not
armed answers NAK, a halted endpoint answers STALL, and data toggles are checked, as in RP2040
datasheet 4.1.2. Endpoints are single-buffered, which is what the firmware uses.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from rp2040py.peripherals import usb as registers
from rp2040py.peripherals.usb import RPUSBController
from rp2040py.rp2040 import RP2040

USB_PERIPHERAL = 0x50110
"""Key of the controller in ``RP2040.peripherals``."""

PACKET_BYTES = 64
BUFFER_STALL = 1 << 11
ENDPOINT_0_BUFFER = 0x100


class Handshake(Enum):
    """What a device answers to a transaction."""

    ACK = "ack"
    NAK = "nak"
    STALL = "stall"
    NOTHING = "nothing"


class UsbDeviceController(RPUSBController):
    """Takes the place of ``rp2040py``'s controller in an emulated chip.

    Attributes:
        on_armed: called when the firmware has given the controller a buffer or halted an endpoint.
        on_pull_up: called with True when the device shows itself on the bus, False when it goes.
        toggle_errors: packets whose DATA0/DATA1 was not the one that was due.
    """

    def __init__(self, rp2040: RP2040) -> None:
        super().__init__(rp2040, "USB")
        self.on_armed: Callable[[], None] = lambda: None
        self.on_pull_up: Callable[[bool], None] = lambda pulled: None
        self.toggle_errors = 0
        rp2040.usb_ctrl = self
        rp2040.peripherals[USB_PERIPHERAL] = self

    @property
    def address(self) -> int:
        """The address that the firmware has taken."""
        return self._addr_endp & 0x7F

    @property
    def pulled_up(self) -> bool:
        """Whether the device shows itself on the bus."""
        enabled = self._main_ctrl & registers.CONTROLLER_EN
        return bool(enabled and self._sie_ctrl & registers.SIE_CTRL_PULLUP_EN)

    # -- what the firmware does -----------------------------------------------------------------

    def dpram_updated(self, offset: int, value: int) -> None:
        """A word of the dual-port RAM was written; buffer controls may answer a host now."""
        in_controls = registers.EP0_IN_BUFFER_CONTROL <= offset <= registers.EP15_OUT_BUFFER_CONTROL
        if in_controls and value & (registers.USB_BUF_CTRL_AVAILABLE | BUFFER_STALL):
            self.on_armed()

    def write_uint32(self, offset: int, value: int) -> None:
        """A register was written."""
        before = self.pulled_up
        super().write_uint32(offset, value)
        if self.pulled_up != before:
            self.on_pull_up(self.pulled_up)

    # -- what a host does -----------------------------------------------------------------------

    def reset_bus(self) -> None:
        """Both lines low for 10 ms: the firmware's bus reset interrupt."""
        self._sie_status |= registers.SIE_BUS_RESET
        self._sie_status_updated()

    def setup(self, address: int, packet: bytes) -> Handshake:
        """A SETUP transaction, which a device that is addressed always takes."""
        if address != self.address:
            return Handshake.NOTHING
        self._ep_stall_arm &= ~0b11
        self.send_setup_packet(packet)
        return Handshake.ACK

    def host_in(self, address: int, endpoint: int, data1: bool) -> Handshake | bytes:
        """An IN transaction; the packet's bytes, or why there are none."""
        control, answer = self._control(address, endpoint, out=False)
        if answer is not Handshake.ACK:
            return answer
        if bool(control & registers.USB_BUF_CTRL_DATA1_PID) != data1:
            self.toggle_errors += 1
        start = self._buffer(endpoint, out=False)
        data = bytes(self.rp2040.usb_dpram[start : start + (control & 0x3FF)])
        taken = registers.USB_BUF_CTRL_AVAILABLE | registers.USB_BUF_CTRL_FULL
        self._finish(endpoint, False, control & ~taken)
        return data

    def host_out(self, address: int, endpoint: int, data1: bool, data: bytes) -> Handshake:
        """An OUT transaction with one packet."""
        control, answer = self._control(address, endpoint, out=True)
        if answer is not Handshake.ACK:
            return answer
        if bool(control & registers.USB_BUF_CTRL_DATA1_PID) != data1:
            # Taken for a repetition: acknowledged and dropped (USB 2.0, 8.6.4).
            self.toggle_errors += 1
            self._sie_status |= registers.SIE_DATA_SEQ_ERROR
            return Handshake.ACK
        start = self._buffer(endpoint, out=True)
        self.rp2040.usb_dpram[start : start + len(data)] = data
        kept = control & ~(registers.USB_BUF_CTRL_AVAILABLE | registers.USB_BUF_CTRL_LEN_MASK)
        self._finish(endpoint, True, kept | registers.USB_BUF_CTRL_FULL | len(data))
        return Handshake.ACK

    # -- registers ------------------------------------------------------------------------------

    def _control(self, address: int, endpoint: int, *, out: bool) -> tuple[int, Handshake]:
        if address != self.address or not self.pulled_up:
            return 0, Handshake.NOTHING
        control = self._word(registers.EP0_IN_BUFFER_CONTROL + 8 * endpoint + 4 * out)
        enabled = endpoint == 0 or self._endpoint(endpoint, out) & registers.EP_CTRL_ENABLE_BITS
        if not enabled:
            return control, Handshake.NOTHING
        if control & BUFFER_STALL and (endpoint != 0 or self._ep_stall_arm & (2 if out else 1)):
            return control, Handshake.STALL
        full = bool(control & registers.USB_BUF_CTRL_FULL)
        if not control & registers.USB_BUF_CTRL_AVAILABLE or full == out:
            return control, Handshake.NAK
        return control, Handshake.ACK

    def _finish(self, endpoint: int, out: bool, control: int) -> None:
        at = registers.EP0_IN_BUFFER_CONTROL + 8 * endpoint + 4 * out
        self.rp2040.usb_dpram[at : at + 4] = control.to_bytes(4, "little")
        if endpoint == 0:
            tells = self._sie_ctrl & registers.SIE_CTRL_EP0_INT_1BUF
        else:
            tells = self._endpoint(endpoint, out) & registers.USB_CTRL_INTERRUPT_PER_TRANSFER
        if tells:
            self._indicate_buffer_ready(endpoint, out)

    def _buffer(self, endpoint: int, *, out: bool) -> int:
        return ENDPOINT_0_BUFFER if endpoint == 0 else self._endpoint(endpoint, out) & 0xFFC0

    def _endpoint(self, endpoint: int, out: bool) -> int:
        return self._word(8 * endpoint + 4 * out)

    def _word(self, offset: int) -> int:
        return int.from_bytes(self.rp2040.usb_dpram[offset : offset + 4], "little")
