"""The folder of a command that keeps no image stays only where its log is of use."""

from __future__ import annotations

from pathlib import Path

import pytest

from host.chain.working import working_folder
from toolchain.errors import BuildError, MismatchError


def left_by(error: Exception | None) -> Path:
    try:
        with working_folder() as folder:
            (folder / "build.log").write_text("")
            if error is not None:
                raise error
    except (BuildError, MismatchError):
        pass
    return folder


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_failed_build_leaves_its_log() -> None:
    assert (left_by(BuildError("no")) / "build.log").exists()


@pytest.mark.parametrize("error", [None, MismatchError("no")])
def test_everything_else_leaves_nothing(error: Exception | None) -> None:
    assert not left_by(error).exists()
