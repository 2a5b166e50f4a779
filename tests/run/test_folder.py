import json
from pathlib import Path

import pytest

from host.run import RunFolder, Stage
from toolchain.errors import RunFolderError

FIRST = Stage("first", (), ("toolchain/errors.py",))
SECOND = Stage("second", ("first",), ("toolchain/errors.py",))


def write(name: str, text: str):
    def action(path: Path) -> None:
        (path / name).write_text(text)

    return action


def test_an_unchanged_stage_is_not_run_again(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run", "test")
    assert folder.run(FIRST, {"n": 1}, write("a", "1"))
    again = RunFolder(tmp_path / "run", "test")
    assert not again.run(FIRST, {"n": 1}, write("a", "never"))
    assert (again.artifact("first") / "a").read_text() == "1"
    assert again.run(FIRST, {"n": 2}, write("a", "2"))
    assert again.run(FIRST, {"n": 2}, write("a", "3"), force=True)


def test_a_changed_input_runs_what_follows(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "test")
    folder.run(FIRST, {}, write("a", "1"))
    assert folder.run(SECOND, {}, write("b", "1"))
    folder.run(FIRST, {"n": 2}, write("a", "2"))
    assert folder.run(SECOND, {}, write("b", "2"))
    folder.run(FIRST, {"n": 3}, write("a", "2"))  # made anew with the same bytes
    assert not folder.run(SECOND, {}, write("b", "3"))


def test_a_missing_stage_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="has no stage 'first'"):
        RunFolder(tmp_path, "test").run(SECOND, {}, write("b", "1"))


def test_an_altered_artifact_is_refused_and_made_anew(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "test")
    folder.run(FIRST, {}, write("a", "1"))
    (tmp_path / "first" / "a").write_text("tampered")
    with pytest.raises(RunFolderError, match="not those that the manifest records"):
        folder.run(SECOND, {}, write("b", "1"))
    assert folder.run(FIRST, {}, write("a", "1"))


def test_a_failure_keeps_what_was_there_and_the_partial_work(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "test")
    folder.run(FIRST, {"n": 1}, write("a", "old"))

    def broken(path: Path) -> None:
        (path / "half").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.run(FIRST, {"n": 2}, broken)
    assert (tmp_path / "first" / "a").read_text() == "old"
    seen = []
    folder.run(FIRST, {"n": 2}, lambda path: seen.append((path / "half").read_text()))
    assert seen == ["half"]


def test_partial_work_of_another_key_is_not_handed_on(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, "test")

    def broken(path: Path) -> None:
        (path / "half").write_text("half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        folder.run(FIRST, {"n": 2}, broken)
    left = []
    folder.run(FIRST, {"n": 3}, lambda path: left.extend(p.name for p in path.glob("[!.]*")))
    assert left == []


def test_another_version_is_refused_and_untouched(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"schema": 99, "jouleloop": "9.9", "stages": {}}))
    before = manifest.read_bytes()
    with pytest.raises(RunFolderError, match=r"schema 99 .*reads schema 1"):
        RunFolder(tmp_path, "test")
    assert manifest.read_bytes() == before


@pytest.mark.parametrize("text", ["", "[]", "{", '{"schema": 1}'])
def test_a_broken_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RunFolderError):
        RunFolder(tmp_path, "test")


def test_a_folder_of_something_else_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(RunFolderError, match="not a run folder"):
        RunFolder(tmp_path, "test")
