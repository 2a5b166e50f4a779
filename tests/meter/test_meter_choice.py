"""What ``--meter`` takes."""

import pytest

from host.meter import Joulescope, Ppk2, Recording, parse_meter
from toolchain.errors import InputError


def test_the_forms_that_there_are() -> None:
    assert parse_meter(None).kind == "board"
    assert parse_meter(None).text == ""
    assert parse_meter("none").kind == "none"
    choice = parse_meter("ppk2:/dev/ttyACM1,volt=3.3,gate=D2,mode=source,gain=0.01")
    assert (choice.kind, choice.where) == ("ppk2", "/dev/ttyACM1")
    assert choice.on_host and choice.physical
    assert isinstance(choice.host_meter(), Ppk2)
    assert isinstance(parse_meter("joulescope:001234").host_meter(), Joulescope)
    recording = parse_meter("trace:a,b.csv,gain=0.002,range=0.5,step=1e-6")
    meter = recording.host_meter()
    assert isinstance(meter, Recording)
    assert meter.file.name == "a,b.csv"
    assert recording.on_host and not recording.physical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("multimeter", "is no meter"),
        ("", "is no meter"),
        ("ppk2,amps=1", "ppk2 has no option 'amps'"),
        ("board,volt=5", "board has no option 'volt'"),
        ("trace", "a trace needs its file"),
        ("board:here", "has no place"),
        ("ppk2,volt=5,volt=3.3", "volt is given more than once"),
    ],
)
def test_what_is_no_meter_is_refused(text, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        parse_meter(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ppk2", "measures no voltage"),
        ("ppk2,volt=five", "is not a number"),
        ("ppk2,volt=9", "a supply of 9.0 V"),
        ("ppk2,volt=5,mode=both", "unknown mode 'both'"),
        ("ppk2,volt=5,gate=D8", "no logic input 'D8'"),
        ("joulescope,gain=2", "a gain error of 2.0"),
        ("trace:t.csv,range=nan", "a range of nan A, must be above 0"),
        ("trace:t.csv,range=0", "a range of 0.0 A"),
        ("trace:t.csv,step=-1e-6", "a step of -1e-06 A"),
        ("trace:t.csv,step=inf", "at most 100 A"),
    ],
)
def test_options_that_cannot_be_are_refused(text, message) -> None:
    with pytest.raises(InputError, match=message):
        parse_meter(text)
