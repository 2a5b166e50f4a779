"""Flash and RAM of every board's image over the reference network M, and the change since HEAD.

Run by ``make size``. The other side is built from a git worktree of HEAD, by its own code.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
MEASURE = """
import json, sys, tempfile
from pathlib import Path
import numpy as np
from toolchain.board import board_names, load_board
from toolchain.build import build_image
from toolchain.compile import compile_model
from toolchain.compile.synthetic import REFERENCE_SHAPES, reference_network

data = reference_network(REFERENCE_SHAPES["M"], np.random.default_rng(0))
sizes = {}
with tempfile.TemporaryDirectory() as folder:
    compile_model(data, Path(folder) / "model")
    for name in board_names():
        image = build_image(load_board(name), Path(folder) / "model", Path(folder) / name)
        sizes[name] = image.size.as_json()
json.dump(sizes, sys.stdout)
"""


def measure(tree: Path) -> dict[str, dict[str, int | str]] | None:
    """Sizes by board as a tree's own code builds them; None when it cannot."""
    run = subprocess.run(
        [sys.executable, "-c", MEASURE], cwd=tree, capture_output=True, text=True, check=False
    )
    if run.returncode:
        Console(stderr=True).print(run.stderr.strip().splitlines()[-1], markup=False)
        return None
    sizes: dict[str, dict[str, int | str]] = json.loads(run.stdout)
    return sizes


def main() -> int:
    """Print one table; 1 when the working tree does not build."""
    now = measure(ROOT)
    if now is None:
        return 1
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "head"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", "-q", str(tree), "HEAD"], check=True)
        try:
            before = measure(tree)
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)
    table = Table(title="bytes over the reference network M, and the change since HEAD")
    for heading in ("board", "part", "bytes", "change"):
        table.add_column(heading, justify="left" if heading in ("board", "part") else "right")
    for board, sizes in now.items():
        for part, value in sizes.items():
            if isinstance(value, int) and not part.endswith("_limit"):
                old = (before or {}).get(board, {}).get(part)
                change = "new" if not isinstance(old, int) else f"{value - old:+d}"
                table.add_row(board, part, f"{value:,}", change)
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
