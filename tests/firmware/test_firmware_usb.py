"""The USB serial line of the firmware, through the emulator's USB host."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from host.emulator.usb_controller import UsbDeviceController
from host.emulator.usb_host import DTR, RTS, ControlTransfer, UsbHost, get_descriptor, request
from toolchain import protocol

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

UNIQUE_ID = bytes(range(0xA1, 0xA9))
ROW = bytes([1, 2, 3, 4, 5, 6])
IN, OUT = 0x82, 0x02


class Bench:
    """A board with a host on its USB socket."""

    def __init__(self, pico, parse: Callable) -> None:
        self.pico = pico
        self.parse = parse
        self.packets: list[bytes] = []
        self.controller = UsbDeviceController(pico.mcu)
        self.host = UsbHost(self.controller, pico.clock.create_alarm, self.packets.append)
        sent = bytearray()

        def shift_byte(byte_out: int) -> int:
            sent.append(byte_out)
            position = len(sent) - 1 - 5
            return UNIQUE_ID[position] if 0 <= position < 8 else 0xFF

        pico.mcu.ssi._shift_byte = shift_byte

    @property
    def received(self) -> bytes:
        return b"".join(self.packets)

    def settle(self, seconds: float = 1.0) -> None:
        """Run until the bus is quiet and the core waits."""
        self.pico.run(1e-3)
        self.pico.run(seconds, lambda: not self.host.busy and self.pico.mcu.core.waiting)
        assert not self.host.busy, "the bus did not come to rest"

    def opened(self) -> Bench:
        self.settle()
        self.host.open()
        self.settle()
        self.request(protocol.HelloRequest())
        self.packets.clear()
        return self

    def control(self, transfer: ControlTransfer) -> ControlTransfer:
        self.host.control(transfer)
        self.settle()
        assert transfer.done
        return transfer

    def ask(self, data: bytes, expected: int = 1, seconds: float = 2.0) -> list:
        """Write to the line; the frames that come back."""
        self.packets.clear()
        self.host.send(data)
        self.pico.run(seconds, lambda: self.received.count(0) >= expected)
        self.settle()
        *frames, rest = self.received.split(b"\0")
        assert not rest, "half a frame came back"
        return [self.parse(encoded) for encoded in frames if encoded]

    def request(self, message: protocol.Message, sequence: int = 1):
        (frame,) = self.ask(self.pico.frame(message.TYPE, sequence, message.encode()))
        assert frame.sequence == sequence
        return frame


@pytest.fixture
def bench(pico_with, parse_reply) -> Callable[[str], Bench]:
    def plug(engine: str = "engine_sum") -> Bench:
        return Bench(pico_with(engine), parse_reply)

    return plug


def text(words: str) -> bytes:
    content = words.encode("utf-16-le")
    return bytes([2 + len(content), 3]) + content


def test_the_descriptors_byte_for_byte(bench):
    board = bench()
    board.settle()
    assert board.host.configured
    assert board.host.descriptors == {
        (1, 0): bytes.fromhex("12 01 0002 02 00 00 40 8a2e 0a00 0001 01 02 03 01"),
        (2, 0): bytes.fromhex(
            "09 02 4300 02 01 00 80 7d"
            "09 04 00 00 01 02 02 00 00"
            "05 24 00 2001  05 24 01 00 01  04 24 02 02  05 24 06 00 01"
            "07 05 81 03 0800 ff"
            "09 04 01 00 02 0a 00 00 00"
            "07 05 02 02 4000 00"
            "07 05 82 02 4000 00"
        ),
        (3, 0): bytes.fromhex("04 03 0904"),
        (3, 1): text("Jouleloop"),
        (3, 2): text("Jouleloop Pico"),
        (3, 3): text("a1a2a3a4a5a6a7a8"),
    }
    # A full-speed device has no device qualifier and says so by STALL (USB 2.0, 9.6.2).
    assert [failure.setup[:4] for failure in board.host.failures] == [bytes([0x80, 6, 0, 6])]
    assert board.controller.toggle_errors == 0


def test_hello_over_usb_names_the_serial_number(bench):
    board = bench().opened()
    hello = protocol.HelloReply.decode(board.request(protocol.HelloRequest()).payload)
    assert hello.chip_id == UNIQUE_ID
    assert hello.board.rstrip(b"\0") == b"pico"
    assert board.controller.toggle_errors == 0


def test_an_open_line_brings_no_bytes_and_no_reset(bench):
    board = bench().opened()
    uptime = protocol.StatusReply.decode(board.request(protocol.StatusRequest()).payload).uptime_us
    board.packets.clear()
    for _ in range(3):
        board.host.close()
        board.settle()
        board.host.open()
        board.settle()
    board.pico.run(1.0)
    assert board.packets == []
    assert bytes(board.pico.sent) == b""
    later = protocol.StatusReply.decode(board.request(protocol.StatusRequest(), 2).payload)
    assert later.uptime_us > uptime + 1_000_000


@pytest.mark.parametrize("rows", [227, 1], ids=["2 KiB", "one row"])
def test_infer_over_usb(bench, rows):
    board = bench().opened()
    inputs = [bytes([(i + k) % 7 for k in range(6)]) for i in range(rows)]
    reply = board.request(protocol.InferRequest(rows, b"".join(inputs)))
    tail = protocol.InferReply.decode(reply.payload).tail
    assert len(tail) == rows * 9
    for i, row in enumerate(inputs):
        expected = bytes((sum(row) * (k + 1) + k) % 256 for k in range(5))
        assert tail[9 * i + 4 : 9 * i + 9] == expected
    assert board.controller.toggle_errors == 0


def test_the_largest_request_over_usb(bench):
    board = bench("engine_copy").opened()
    rows = 255  # of 8 bytes, behind 8: all 2048
    payload = b"".join(
        bytes([0x1F]) + bytes([i % 5 == k for k in range(5)]) + b"\0\0" for i in range(rows)
    )
    reply = board.request(protocol.DecideRequest(rows, 0, 0, payload))
    tail = protocol.DecideReply.decode(reply.payload).tail
    assert [tail[6 * i] for i in range(rows)] == [i % 5 for i in range(rows)]


def test_a_reply_of_whole_packets_ends_with_an_empty_one(bench):
    board = bench().opened()
    # 48 rows: 8 + 2 + 48 * 9 + 4 bytes, one more by COBS and the delimiter: 448 = 7 * 64.
    board.request(protocol.InferRequest(48, ROW * 48))
    assert [len(packet) for packet in board.packets] == [64] * 7 + [0]
    board.request(protocol.InferRequest(47, ROW * 47), 2)
    assert [len(packet) for packet in board.packets] == [64] * 6 + [448 - 9 - 384]


def test_each_link_gets_the_replies_to_its_own_requests(bench):
    board = bench().opened()
    pico = board.pico
    for sequence in (1, 2):
        pico.sent.clear()
        board.request(protocol.HelloRequest(), sequence)
        assert bytes(pico.sent) == b""
        board.packets.clear()
        assert pico.request(protocol.HelloRequest(), sequence + 10).sequence == sequence + 10
        assert board.packets == []
    # At the same time, and each with half a frame of its own.
    data = pico.frame(protocol.StatusRequest.TYPE, 7)
    board.host.send(data[:5])
    pico.feed(data[:3])
    pico.run(0.01)
    assert board.ask(data[5:])[0].sequence == 7
    assert pico.exchange(data[3:]).sequence == 7


def test_each_link_has_its_own_last_reply(bench):
    board = bench("engine_probe").opened()
    pico = board.pico

    def invocations(frame) -> int:
        return int.from_bytes(protocol.InferReply.decode(frame.payload).tail[4:6], "little")

    data = pico.frame(protocol.InferRequest.TYPE, 3, b"\1\0\0")
    assert invocations(board.ask(data)[0]) == 1
    assert invocations(pico.exchange(data)) == 2
    # Both are repetitions, although the other link has asked in between.
    assert invocations(board.ask(data)[0]) == 1
    assert invocations(pico.exchange(data)) == 2


def test_a_host_that_is_faster_than_the_board_waits_and_nothing_is_lost(bench):
    board = bench("engine_loop").opened()
    frame = board.pico.frame
    # 24 ms of computing, and three times what the board can hold behind it.
    slow = frame(protocol.InferRequest.TYPE, 1, b"\1\0" + (1_000_000).to_bytes(4, "little"))
    rest = b"".join(
        frame(protocol.InferRequest.TYPE, i, b"\x80\0" + (b"\1\0\0\0" * 128)) for i in range(2, 14)
    )
    assert len(rest) > 3 * 2048
    frames = board.ask(slow + rest, 13, 5.0)
    assert [reply.sequence for reply in frames] == list(range(1, 14))
    status = protocol.StatusReply.decode(board.request(protocol.StatusRequest()).payload)
    assert (status.frames_rejected, status.bytes_overrun) == (0, 0)


def test_a_cable_that_is_pulled_and_put_in_again(bench):
    board = bench().opened()
    frame = board.pico.frame(protocol.StatusRequest.TYPE, 1)
    board.host.send(frame[:7])
    board.pico.run(0.01)
    board.host.unplug()
    board.pico.run(0.2)
    board.host.plug()
    board.settle()
    assert board.host.configured and board.host.descriptors[3, 3] == text("a1a2a3a4a5a6a7a8")
    # A host opens with a delimiter, which ends what the pulled cable left.
    (reply,) = board.ask(b"\0" + frame)
    assert reply.sequence == 1
    assert board.controller.toggle_errors == 0


def test_a_bus_reset_in_the_middle_of_a_reply_ends_that_reply(bench):
    board = bench().opened()  # the greeting has left the toggles odd
    infer = protocol.InferRequest(227, ROW * 227)
    board.packets.clear()
    board.host.send(board.pico.frame(infer.TYPE, 2, infer.encode()))
    board.pico.run(2.0, lambda: len(board.packets) == 3)
    board.host.reset_bus()
    board.packets.clear()
    board.settle()
    assert board.host.configured
    assert board.packets == [], "a reply went to a host that had not asked"
    (hello,) = board.ask(b"\0" + board.pico.frame(protocol.HelloRequest.TYPE, 3))
    assert hello.sequence == 3
    assert board.controller.toggle_errors == 0


def test_a_host_that_does_not_read_holds_nobody_up(bench):
    board = bench().opened()
    board.host.opened = False
    infer = protocol.InferRequest(227, ROW * 227)
    board.host.send(board.pico.frame(infer.TYPE, 1, infer.encode()))
    board.pico.run(0.2)
    start = board.pico.clock.nanos
    assert board.pico.request(protocol.HelloRequest()).type == protocol.HelloReply.TYPE
    assert board.pico.clock.nanos - start < 0.7e9
    board.host.open()
    board.settle()
    # What was torn is not a frame, and costs no other.
    board.host.send(board.pico.frame(protocol.StatusRequest.TYPE, 2))
    board.settle()
    torn, whole, rest = board.received.split(b"\0")
    assert len(torn) == 64 and not rest
    assert board.parse(whole).sequence == 2


# -- endpoint 0 ---------------------------------------------------------------------------------

REFUSED = {
    "another configuration": request(0x00, 9, 2),
    "an unknown string": request(0x80, 6, 0x0309, 0x0409, 255),
    "an unknown descriptor": request(0x80, 6, 0x2200, 0, 64),
    "another configuration's descriptor": request(0x80, 6, 0x0201, 0, 64),
    "writing a descriptor": request(0x00, 7, 0x0100, 0, 18),
    "remote wake-up": request(0x00, 3, 1),
    "an alternate setting": request(0x01, 11, 1, 1),
    "an interface that is not there": request(0x81, 0, 0, 2, 2),
    "an endpoint that is not there": request(0x82, 0, 0, 0x83, 2),
    "halting an endpoint that is not there": request(0x02, 3, 0, 0x03),
    "a break": request(0x21, 0x23, 100),
    "a vendor's request": request(0xC0, 1, 0, 0, 8),
    "a line coding of another size": request(0x21, 0x20, 0, 0, 6),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_understood_is_stalled_and_does_no_harm(bench, case):
    board = bench().opened()
    refused = ControlTransfer(REFUSED[case], b"\0" * 18)
    assert board.control(refused).stalled
    assert board.control(get_descriptor(1, 0, 18)).reply == board.host.descriptors[1, 0]
    assert board.request(protocol.HelloRequest()).type == protocol.HelloReply.TYPE


def test_descriptors_in_parts(bench):
    board = bench().opened()
    whole = board.host.descriptors[2, 0]
    for length, packets in ((9, [9]), (64, [64]), (66, [64, 2]), (67, [64, 3]), (255, [64, 3])):
        transfer = board.control(get_descriptor(2, 0, length))
        assert transfer.reply == whole[:length]
        assert transfer.packets == packets


def test_standard_requests_are_answered(bench):
    board = bench().opened()
    answers = {
        request(0x80, 8, 0, 0, 1): b"\1",
        request(0x80, 0, 0, 0, 2): b"\0\0",
        request(0x81, 0, 0, 1, 2): b"\0\0",
        request(0x82, 0, 0, IN, 2): b"\0\0",
        request(0x82, 0, 0, 0x81, 2): b"\0\0",
        request(0x82, 0, 0, 0, 2): b"\0\0",
        request(0x81, 10, 0, 1, 1): b"\0",
    }
    for setup, reply in answers.items():
        transfer = board.control(ControlTransfer(setup))
        assert (transfer.reply, transfer.stalled) == (reply, False), setup.hex()


def test_the_line_coding_is_read_back(bench):
    board = bench().opened()
    board.host.set_line_coding(1_000_000)
    board.settle()
    coding = board.control(ControlTransfer(request(0xA1, 0x21, 0, 0, 7))).reply
    assert coding == (1_000_000).to_bytes(4, "little") + bytes([0, 0, 8])


@pytest.mark.parametrize("endpoint", [IN, OUT], ids=["in", "out"])
def test_a_halted_endpoint_stalls_until_the_halt_is_cleared(bench, endpoint):
    board = bench().opened()
    board.request(protocol.HelloRequest())
    board.request(protocol.HelloRequest(), 2)
    board.request(protocol.HelloRequest(), 3)  # an odd number of packets each way
    board.host.halt(endpoint, True)
    board.settle()
    assert board.control(ControlTransfer(request(0x82, 0, 0, endpoint, 2))).reply == b"\1\0"
    board.host.halt(endpoint, False)
    board.settle()
    assert board.control(ControlTransfer(request(0x82, 0, 0, endpoint, 2))).reply == b"\0\0"
    assert board.request(protocol.HelloRequest(), 4).type == protocol.HelloReply.TYPE
    assert board.controller.toggle_errors == 0, "the data toggle did not start anew"


def test_without_a_configuration_the_line_is_dead(bench):
    board = bench().opened()
    board.control(ControlTransfer(request(0x00, 9, 0)))
    assert board.control(ControlTransfer(request(0x80, 8, 0, 0, 1))).reply == b"\0"
    board.host.send(board.pico.frame(protocol.HelloRequest.TYPE, 1))
    board.pico.run(0.1)
    assert board.packets == []


# -- BOOTSEL ------------------------------------------------------------------------------------


def rom_function(mcu, code: bytes) -> int:
    """Address of a boot ROM function, by its table (RP2040 datasheet 2.8.3)."""
    table = mcu.read_uint16(0x14)
    while mcu.read_uint16(table) != 0:
        if mcu.read_uint16(table) == int.from_bytes(code, "little"):
            return mcu.read_uint16(table + 2) & ~1
        table += 4
    raise AssertionError(f"the boot ROM has no {code!r}")


def trap_bootsel(board: Bench) -> int:
    """Make the ROM's entry to its USB drive an endless loop; its address."""
    entry = rom_function(board.pico.mcu, b"UB")
    shift = 8 * (entry & 2)
    words = board.pico.mcu.bootrom
    words[entry // 4] = words[entry // 4] & ~(0xFFFF << shift) | 0xE7FE << shift
    return entry


def test_an_open_at_1200_baud_and_a_close_enter_the_boot_roms_drive(bench):
    board = bench()
    entry = trap_bootsel(board)
    board.settle()
    board.host.open(1200)
    board.settle()
    state = board.host.close()
    board.pico.run(0.01)
    assert state.done and not state.stalled, "the host got no answer to its last request"
    core = board.pico.mcu.core
    assert core.pc & ~1 == entry
    assert (core.registers[0], core.registers[1]) == (0, 0)
    assert not board.pico.mcu.watchdog.timer.enable


@pytest.mark.parametrize(
    "steps",
    [
        "an ordinary open and close",
        "1200 baud without a close",
        "1200 baud left over from an earlier open",
        "a close before 1200 baud",
    ],
)
def test_nothing_else_enters_it(bench, steps):
    board = bench()
    trap_bootsel(board)
    board.settle()
    host = board.host
    if steps == "an ordinary open and close":
        host.open(115_200)
        host.close()
    elif steps == "1200 baud without a close":
        host.open(1200)
        host.set_line_state(DTR)
    elif steps == "1200 baud left over from an earlier open":
        host.open(1200)
        host.set_line_coding(115_200)
        host.close()
    else:
        host.open(115_200)
        host.close()
        board.settle()
        host.set_line_coding(1200)
        host.set_line_state(0)
    board.settle()
    host.set_line_coding(115_200)
    host.set_line_state(DTR | RTS)
    host.opened = True
    board.settle()
    assert board.request(protocol.HelloRequest()).type == protocol.HelloReply.TYPE


def test_the_usb_clock_is_48_mhz(bench, recording_pll):
    pico = bench().pico
    pll = pico.mcu.peripherals[0x4002C] = recording_pll()
    pico.run(0.01)
    prim = pll.registers[pll.PRIM]
    vco_hz = 12_000_000 / (pll.registers[pll.CS] & 0x3F) * pll.registers[pll.FBDIV_INT]
    assert 750e6 <= vco_hz <= 1600e6
    assert vco_hz / (prim >> 16 & 7) / (prim >> 12 & 7) == 48e6
    assert pll.registers[pll.PWR] & (1 << 0 | 1 << 3 | 1 << 5) == 0
    clocks = pico.mcu.clocks
    assert clocks.usb_ctrl & 1 << 11 and clocks.usb_ctrl >> 5 & 7 == 0  # PLL_USB (2.15.7)
    assert clocks.usb_div == 0x100


def test_the_line_carries_any_bytes_both_ways(bench):
    """Noise of every byte value is dropped and counted, and what follows is answered."""
    board = bench().opened()
    noise = b"".join(hashlib.sha256(bytes([i])).digest() for i in range(64))
    (reply,) = board.ask(noise + b"\0" + board.pico.frame(protocol.StatusRequest.TYPE, 9))
    assert reply.sequence == 9
    status = protocol.StatusReply.decode(reply.payload)
    assert status.frames_rejected == len([part for part in noise.split(b"\0") if part])
