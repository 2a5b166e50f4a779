"""``jouleloop diff`` on run folders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]


def altered(run: Path, copy: Path, *, factor: float) -> Path:
    """The run with the latency of its result changed, as if it had been measured so."""
    from host.run.folder import sha256_file

    copy.mkdir()
    for entry in run.iterdir():
        if entry.name not in ("report", "manifest.json"):
            (copy / entry.name).symlink_to(entry)
    (copy / "report").mkdir()
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    for file in (run / "report").iterdir():
        (copy / "report" / file.name).write_bytes(file.read_bytes())
    file = copy / "report" / "result.json"
    result = json.loads(file.read_text(encoding="utf-8"))
    latency = result["metrics"]["inference_latency"]
    latency["value"] *= factor
    file.write_text(json.dumps(result), encoding="utf-8")
    manifest["stages"]["report"]["files"]["result.json"] = sha256_file(file)
    (copy / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return copy


def test_two_runs_in_all_forms(cli, finished_run: tuple[Path, dict], tmp_path: Path) -> None:
    run = finished_run[0]
    slower = altered(run, tmp_path / "slower", factor=1.5)
    code, out, err = cli("diff", run, run, "--json", "--exit-code")
    assert code == 0, err
    same = json.loads(out)
    assert same["headline"] == "16 within noise"
    assert same["decisions"]["changed"] == 0
    assert same["settings"] == []
    assert {layer["group"] for layer in same["layers"]} == {"full", "fallback"}
    page, text = tmp_path / "out" / "diff.html", tmp_path / "out" / "diff.md"
    code, out, err = cli("diff", run, slower, "--html", page, "--markdown", text)
    assert code == 0, err
    assert "1 worse, 15 within noise" in out
    assert "1 worse, 15 within noise" in text.read_text(encoding="utf-8")
    assert "1 worse, 15 within noise" in page.read_text(encoding="utf-8")
    code, _, err = cli("diff", run, slower, "--exit-code")
    assert code == 1, err
    code, _, err = cli("diff", slower, run, "--exit-code")
    assert code == 0, err


def test_what_is_no_finished_run_is_refused(
    cli, finished_run: tuple[Path, dict], tmp_path: Path
) -> None:
    run = finished_run[0]
    code, _, err = cli("diff", run, tmp_path)
    assert code == 2
    assert "is not a run folder" in err
    half = altered(run, tmp_path / "half", factor=1.0)
    manifest = json.loads((half / "manifest.json").read_text(encoding="utf-8"))
    for stage in ("replay", "report"):
        del manifest["stages"][stage]
    (half / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    code, _, err = cli("diff", run, half)
    assert code == 2
    assert "stage 'replay' is missing, and after it report" in err
    assert f"jouleloop bench TARGET --out {half}" in err
    newer = altered(run, tmp_path / "newer", factor=1.0)
    file = newer / "report" / "result.json"
    result = json.loads(file.read_text(encoding="utf-8")) | {"schema": 2}
    file.write_text(json.dumps(result), encoding="utf-8")
    code, _, err = cli("diff", run, newer)
    assert code == 2
    assert "not those that the manifest records" in err
