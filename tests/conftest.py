"""What holds for every test, and a browser for those of a page.

No run leaves a result that the published schema does not allow.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

# Rich and Typer write in another way in GitHub's CI and in a narrow terminal, and the reports of
# made-up boards belong in no job's summary.
OF_THE_CALLER = (
    *("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"),
    *("FORCE_COLOR", "PY_COLORS", "NO_COLOR", "TTY_COMPATIBLE"),
)
for _name in OF_THE_CALLER:
    os.environ.pop(_name, None)
os.environ["COLUMNS"] = "80"

SCHEMAS = Path(__file__).parents[1] / "docs" / "schema"
MADE_BY = {
    "result.json": ("report", "result-1.json"),
    "comparison.json": ("compare", "comparison-1.json"),
}
"""Files that a run folder's stages leave: the stage, and the schema."""


@pytest.fixture(scope="session", autouse=True)
def state_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Neither what this machine was calibrated to nor its boards' flash is part of a test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOULELOOP_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session", autouse=True)
def every_result_is_valid(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hold what this process' tests left in run folders against docs/schema."""
    yield
    wrong = []
    for name, (stage, schema) in MADE_BY.items():
        for file in tmp_path_factory.getbasetemp().rglob(f"{stage}/{name}"):
            if _as_it_was_made(file, stage):
                wrong += _errors(file, SCHEMAS / schema)
    assert not wrong, "\n".join(wrong[:10])


def _as_it_was_made(file: Path, stage: str) -> bool:
    """Whether a stage left it so, and no test has altered it since, which some do on purpose."""
    manifest = file.parents[1] / "manifest.json"
    try:
        recorded = json.loads(manifest.read_text(encoding="utf-8"))["stages"][stage]["files"]
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return bool(recorded.get(file.name) == hashlib.sha256(file.read_bytes()).hexdigest())


def _errors(file: Path, schema: Path) -> list[str]:
    from jsonschema import Draft202012Validator

    validator = Draft202012Validator(json.loads(schema.read_text(encoding="utf-8")))
    found = validator.iter_errors(json.loads(file.read_text(encoding="utf-8")))
    return [f"{file}: {error.json_path}: {error.message[:300]}" for error in found]


QUIET = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Keep Chromium from asking for anything but the page."""
PATIENCE_MS = 180_000
"""A machine may be busy; nothing is told by how long it takes."""


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Headless Chromium of the system; its tests are skipped where there is none, but not in CI."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    path = path or shutil.which("google-chrome")
    if path is None:
        message = "no Chromium on the PATH; install Debian's package chromium"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, chromium_sandbox=False, args=QUIET
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browsed(
    chromium: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Any]]:
    """Opens a page's text from a file and waits until its plots are drawn.

    What it yields is Playwright's page, with ``problems`` (errors and warnings of the console, and
    of scripts) and ``requests`` (addresses that were asked for).
    """

    @contextmanager
    def opened(text: str, *, scheme: str) -> Iterator[Any]:
        file = tmp_path_factory.mktemp("page") / "page.html"
        file.write_text(text, encoding="utf-8")
        context = chromium.new_context(
            color_scheme=scheme, viewport={"width": 1280, "height": 900}, reduced_motion="reduce"
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.problems, page.requests = [], []
        page.on("console", lambda message: _keep(page, message))
        page.on("pageerror", lambda error: page.problems.append(str(error)))
        page.on("request", lambda request: page.requests.append(request.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn]")
        yield page
        context.close()

    return opened


def _keep(page: Any, message: Any) -> None:
    if message.type in ("error", "warning"):
        page.problems.append(message.text)
