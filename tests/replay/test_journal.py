"""The journal of a replay that broke off: what a crash leaves, and what is no journal."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.replay.journal import Day, check_day, read_journal
from toolchain.errors import RunFolderError

FIRST = Day(day=0, actions=[4, 0], modes=[0, 1], cycles=[7, 9], bytes=90, messages=2, retries=0)
SECOND = Day(day=1, actions=[], modes=[], cycles=[], bytes=40, messages=2, retries=1)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "nominal.journal.jsonl"
    with path.open("a", encoding="utf-8") as log:
        FIRST.write(log)
        SECOND.write(log)
    return path


def test_none_is_an_empty_one(tmp_path: Path) -> None:
    assert read_journal(tmp_path / "none") == []


def test_what_was_written_is_read(journal: Path) -> None:
    assert read_journal(journal) == [FIRST, SECOND]


@pytest.mark.parametrize("cut", range(1, 30))
def test_a_last_line_that_was_cut_off_is_decided_anew(journal: Path, cut: int) -> None:
    whole = journal.read_bytes()
    journal.write_bytes(whole[:-cut])
    assert read_journal(journal) == [FIRST]
    with journal.open("a", encoding="utf-8") as log:
        SECOND.write(log)
    assert journal.read_bytes() == whole


GARBAGE = {
    "zeros of a machine that lost its power": b"\0" * 64,
    "no UTF-8": b"\xff\xfe{}",
    "another JSON value": b"[]",
    "a field is missing": b'{"day":2,"actions":[],"modes":[],"cycles":[]}',
    "a field too many": SECOND.model_dump_json().replace("{", '{"x":1,').encode(),
    "no action": SECOND.model_dump_json().replace('"actions":[]', '"actions":[256]').encode(),
    "a text": SECOND.model_dump_json().replace('"day":1', '"day":"1"').encode(),
    "a negative number": SECOND.model_dump_json().replace('"bytes":40', '"bytes":-1').encode(),
}


@pytest.mark.parametrize("line", GARBAGE.values(), ids=GARBAGE.keys())
def test_a_line_that_is_no_day_is_named(journal: Path, line: bytes) -> None:
    with journal.open("ab") as log:
        log.write(line + b"\n")
    before = journal.read_bytes()
    with pytest.raises(RunFolderError, match=r"(?s)jsonl, line 3 cannot be read.*delete the file"):
        read_journal(journal)
    assert journal.read_bytes() == before


def test_another_scenarios_day_is_refused() -> None:
    check_day(FIRST, 0, 2, Path("j"))
    for day, products in ((1, 2), (0, 3)):
        with pytest.raises(RunFolderError, match=r"(?s)day 0 with 2 / 2 / 2.*delete the file"):
            check_day(FIRST, day, products, Path("j"))
