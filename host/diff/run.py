"""One of the two runs: its result, and what its folder knows beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from host.hil import Side
from host.metrics import Provenance
from host.replay import NOMINAL
from host.run import find_run, finished_run, read_json


@dataclass(frozen=True)
class DiffedRun:
    """One of two runs that are compared.

    Attributes:
        path: of the run folder.
        result: the ``result.json``, JSON values.
        side: what its noise follows from.
        stages: the manifest's entries by stage.
        networks: ``model.json`` of the compiled networks, ``full`` and ``fallback``.
        rows: of the nominal replay; None where they are not known.
    """

    path: Path
    result: Mapping[str, Any]
    side: Side
    stages: Mapping[str, Any] = field(default_factory=dict)
    networks: Mapping[str, Any] = field(default_factory=dict)
    rows: pa.Table | None = None

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Of the result."""
        metrics: Mapping[str, Any] = self.result["metrics"]
        return metrics


def read_run(named: str | Path) -> DiffedRun:
    """Read a finished run folder.

    Args:
        named: its path, or its name under ``runs/``.

    Raises:
        RunFolderError: it is none, a stage is missing or altered, or its result is of another
            schema.
    """
    path = find_run(named)
    folder, result = finished_run(path)
    replay, compiled = folder.artifact("replay"), folder.artifact("compile")
    side = Side(
        result["metrics"],
        result["identity"],
        Provenance(read_json(replay / "provenance.json")["provenance"]),
        result["scenario"]["sha256"],
        result["training"].get("quality", {}),
        read_json(replay / "link.json")[NOMINAL]["retries"],
        result["agreement"]["decisions_sha256"],
    )
    networks = {
        name: read_json(file)
        for name, file in (
            ("full", compiled / "model.json"),
            ("fallback", compiled / "fallback" / "model.json"),
        )
        if file.is_file()
    }
    rows = pq.read_table(replay / f"{NOMINAL}.parquet")
    return DiffedRun(path, result, side, folder.stages, networks, rows)
