"""Models for the engines, and a way to run one on the emulated board."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from host.flash import open_target
from host.link import BoardClient, Identity
from host.target import parse_target
from toolchain.board import load_board
from toolchain.build import Image, build_image
from toolchain.compile import compile_float, compile_model, network_kind
from toolchain.protocol import Engine

Opened = AbstractContextManager[tuple[BoardClient, Identity, Image]]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20_261_122)


@pytest.fixture
def open_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Opened]:
    """Builds an image of a model and engine, flashes the emulated Pico with it and opens it."""
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))

    @contextmanager
    def opened(
        data: bytes, engine: Engine, compiler: str | None = None
    ) -> Iterator[tuple[BoardClient, Identity, Image]]:
        compile_ = compile_float if network_kind(data) == "float32" else compile_model
        compile_(data, tmp_path / "model")
        image = build_image(
            load_board("pico"),
            tmp_path / "model",
            tmp_path / "image",
            engine=engine,
            compiler=compiler,
        )
        with open_target(parse_target("pico@emulator"), image) as (client, identity):
            yield client, identity, image

    return opened


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Run the command line in this process; returns exit code, stdout and stderr."""
    from host import cli as module

    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["jouleloop", *map(str, arguments)])
        capfd.readouterr()
        try:
            module.main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return run
