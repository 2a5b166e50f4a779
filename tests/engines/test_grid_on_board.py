"""Twenty random networks in one image on the emulated board, against TensorFlow Lite Micro.

An image has one network, so an engine of the test's own holds all of them: the first input of a row
says which one runs. Firmware, link and emulator are the ones of every other image.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from host.flash import open_target
from host.target import parse_target
from toolchain.board import load_board
from toolchain.build import build_image
from toolchain.compile import CompiledModel, compile_model, golden, kernels_for_core
from toolchain.compile.host_program import KERNELS_DIR
from toolchain.compile.synthetic import random_network

pytestmark = [pytest.mark.firmware, pytest.mark.emulator]

SAMPLE = 20
ROWS = 4

ENGINE = """
#include <stdint.h>
#include "jl_inference.h"
#include "jl_protocol.h"
DECLARATIONS
static _Alignas(4) int8_t input[INPUTS + 1], row[INPUTS + 3], output[OUTPUTS + 3];
static const struct {
    void (*run)(const int8_t *, int8_t *);
    uint16_t n_inputs;
} networks[] = {NETWORKS};
static const jl_inference_info info = {
    .engine = JL_ENGINE_AOT, .n_inputs = INPUTS + 1, .n_outputs = OUTPUTS,
    .model_sha256 = {SHA256},
};
int jl_inference_init(void) { return 0; }
const jl_inference_info *jl_inference_describe(void) { return &info; }
void *jl_inference_input(void) { return input; }
const void *jl_inference_output(void) { return output; }
int jl_inference_invoke(void) {
    for (uint32_t i = 0; i < networks[input[0]].n_inputs; i++) {
        row[i] = input[i + 1];
    }
    networks[input[0]].run(row, output);
    return 0;
}
"""


def write_engine(folder: Path, models: list[CompiledModel]) -> Path:
    text = ENGINE
    for key, value in {
        "DECLARATIONS": "\n".join(f'#include "{m.folder.name}/{m.symbol}.h"' for m in models),
        "NETWORKS": ", ".join(f"{{{m.symbol}_run, {m.n_inputs}}}" for m in models),
        "INPUTS": max(m.n_inputs for m in models),
        "OUTPUTS": max(m.n_outputs for m in models),
        "SHA256": ", ".join(f"0x{b:02x}" for b in bytes.fromhex(models[0].sha256)),
    }.items():
        text = text.replace(key, str(value))
    path = folder / "engine.c"
    path.write_text(text, encoding="ascii")
    return path


def test_a_sample_of_the_grid_is_golden_on_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JOULELOOP_STATE", str(tmp_path / "state"))
    board = load_board("pico")
    rng = np.random.default_rng(20_261_123)
    models, sources, data = [], [], []
    for i in range(SAMPLE):
        data.append(random_network(rng))
        model = compile_model(
            data[i],
            tmp_path / f"net{i}x",
            kernels=kernels_for_core(board.cpu.core),
            symbol=f"net{i}x",
        )
        for header in KERNELS_DIR.glob("*.h"):
            shutil.copy(header, model.folder)
        names = (f"{model.symbol}.c", f"{model.symbol}_layers.S")
        sources += [model.folder / n for n in names if (model.folder / n).is_file()]
        models.append(model)
    ways = {layer.strategy.partition(":")[0] for model in models for layer in model.layers}
    assert ways == {"two bytes a weight", "one byte a weight", "plain C"}
    sources.append(write_engine(tmp_path, models))
    sources += [p for p in KERNELS_DIR.iterdir() if p.suffix in (".c", ".S")]
    image = build_image(board, models[0].folder, tmp_path / "image", engine_sources=sources)
    width = max(model.n_inputs for model in models) + 1
    n_outputs = max(model.n_outputs for model in models)
    with open_target(parse_target("pico@emulator"), image) as (client, _):
        for i, model in enumerate(models):
            rows = rng.integers(-128, 128, (ROWS, model.n_inputs)).astype(np.int8)
            rows[0], rows[1] = -128, 127
            sent = np.zeros((ROWS, width), np.int8)
            sent[:, 0], sent[:, 1 : 1 + model.n_inputs] = i, rows
            outputs = np.concatenate([client.infer(row[None], n_outputs)[0] for row in sent])
            np.testing.assert_array_equal(outputs[:, : model.n_outputs], golden(data[i], rows))
