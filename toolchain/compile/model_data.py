"""A model as a C array for TensorFlow Lite Micro, with what its interpreter must be told."""

from __future__ import annotations

from toolchain.compile.c_text import byte_literals
from toolchain.compile.flatbuffer import parse
from toolchain.protocol import Element

TFLITE_ALIGNMENT_BYTES = 16
"""TensorFlow Lite Micro wants its model aligned to this."""

RESOLVER_METHODS: dict[str, str] = {
    "FULLY_CONNECTED": "AddFullyConnected",
    "RELU": "AddRelu",
    "RELU6": "AddRelu6",
    "RESHAPE": "AddReshape",
    "QUANTIZE": "AddQuantize",
    "DEQUANTIZE": "AddDequantize",
    "SOFTMAX": "AddSoftmax",
    "LOGISTIC": "AddLogistic",
    "TANH": "AddTanh",
}
"""How the interpreter's resolver is given each supported operator."""


def data_header(banner: str, data: bytes, sha256: str) -> str:
    """``jl_model_data.h``.

    Args:
        banner: the comment on top.
        data: a ``.tflite`` that one of the readers has accepted.
        sha256: of ``data``, in hex.
    """
    model = parse(data)
    source, target = model.tensors[model.inputs[0]], model.tensors[model.outputs[0]]
    # All of the file's operators: the interpreter also runs those that nothing depends on.
    names = sorted({operator.name for operator in model.operators})
    operators = " ".join(f"X({RESOLVER_METHODS[name]})" for name in names)
    digest = byte_literals(bytes.fromhex(sha256)).replace(",\n", ", \\\n")
    return (
        banner
        + f"""#ifndef JL_MODEL_DATA_H
#define JL_MODEL_DATA_H

#ifdef __cplusplus
extern "C" {{
#endif

#define JL_MODEL_TFLITE_BYTES {len(data)}

/* The .tflite, aligned to {TFLITE_ALIGNMENT_BYTES} bytes, for TensorFlow Lite Micro. */
extern const unsigned char jl_model_tflite[JL_MODEL_TFLITE_BYTES];

/* Its own input and output, and its operators as X(method of the resolver). */
#define JL_MODEL_TFLITE_INPUTS {_count(source.shape)}
#define JL_MODEL_TFLITE_OUTPUTS {_count(target.shape)}
#define JL_MODEL_TFLITE_INPUT_ELEMENT {_element(source.dtype)}
#define JL_MODEL_TFLITE_OUTPUT_ELEMENT {_element(target.dtype)}
#define JL_MODEL_TFLITE_OPERATOR_COUNT {len(names)}
#define JL_MODEL_TFLITE_OPERATORS(X) {operators}
#define JL_MODEL_TFLITE_SHA256 {"{"} \\
{digest} \\
{"}"}

#ifdef __cplusplus
}}
#endif

#endif
"""
    )


def data_source(banner: str, data: bytes) -> str:
    """``jl_model_data.c``."""
    return (
        banner
        + '#include "jl_model_data.h"\n\n'
        + f"_Alignas({TFLITE_ALIGNMENT_BYTES}) const unsigned char "
        + f"jl_model_tflite[JL_MODEL_TFLITE_BYTES] = {{\n{byte_literals(data)}\n}};\n"
    )


def _count(shape: tuple[int, ...]) -> int:
    count = 1
    for dimension in shape:
        count *= dimension
    return count


def _element(dtype: str) -> str:
    return f"{Element[dtype.upper()].value} /* {dtype} */"
