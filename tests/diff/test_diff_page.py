"""The difference's page in a browser: light and dark, on a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from host.diff import DiffedRun, difference, render


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_whole_and_readable(
    make_run: Callable[..., DiffedRun], browsed: Callable[..., Any], scheme: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    a = make_run()
    b = make_run(cycles=9000, flash=19_000, actions=(0, 3, 2, 3), each_j=None, model="ff" * 32)
    with browsed(render(difference(a, b)), scheme=scheme) as page:
        assert page.problems == []
        assert {url.partition(":")[0] for url in page.requests} == {"file"}
        assert page.locator("h2").count() >= 8
        assert page.locator(".verdict.worse").count() >= 3
        assert page.locator(".verdict.better").count() == 1
        found = Axe().run(page).response["violations"]
        assert [(f["id"], [n["html"][:160] for n in f["nodes"][:3]]) for f in found] == []
        for width in (1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width
