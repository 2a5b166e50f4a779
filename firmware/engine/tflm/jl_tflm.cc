/* The only C++ of the firmware: no exceptions, no RTTI, no heap, no static constructors. */
#include "jl_tflm.h"

#include <stddef.h>
#include <stdint.h>

#include <new>

#include "jl_model_data.h"
#include "jl_tflm_config.h"
#include "tensorflow/lite/micro/debug_log.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"

namespace {

using Resolver = tflite::MicroMutableOpResolver<JL_MODEL_TFLITE_OPERATOR_COUNT>;
using Interpreter = tflite::MicroInterpreter;

alignas(Resolver) uint8_t resolver_bytes[sizeof(Resolver)];
alignas(Interpreter) uint8_t interpreter_bytes[sizeof(Interpreter)];
alignas(JL_TFLM_ARENA_ALIGNMENT) uint8_t arena[JL_TFLM_ARENA_BYTES];

Resolver *resolver;
Interpreter *interpreter;

bool make_resolver() {
    resolver = new (resolver_bytes) Resolver();
    bool added = true;
#define ADD(method) added = added && resolver->method() == kTfLiteOk;
    JL_MODEL_TFLITE_OPERATORS(ADD)
#undef ADD
    return added;
}

bool make_interpreter(size_t arena_bytes) {
    interpreter = new (interpreter_bytes)
        Interpreter(tflite::GetModel(jl_model_tflite), *resolver, arena, arena_bytes);
    return interpreter->AllocateTensors() == kTfLiteOk;
}

} // namespace

/* The library's messages go nowhere: the board never speaks unasked. Defined here, so that the
 * library's own function and the printf() behind it are not linked. */
extern "C" void DebugLog(const char *, va_list) {
}
extern "C" int DebugVsnprintf(char *buffer, size_t size, const char *, va_list) {
    if (size > 0) {
        buffer[0] = '\0';
    }
    return 0;
}

#if JL_TFLM_MEASURE_ARENA

/* For toolchain/build/tflm_arena.py, which reads it from the emulated board's memory: the smallest
 * arena in which the tensors can be allocated, 1 when there is none, 0 while that is not known.
 * Allocation needs more than what it leaves in use, so sizes from that on are tried in turn. */
extern "C" {
extern volatile uint32_t jl_tflm_arena_needed;
volatile uint32_t jl_tflm_arena_needed;
}

extern "C" int jl_tflm_prepare(void) {
    if (!make_resolver() || !make_interpreter(sizeof arena)) {
        jl_tflm_arena_needed = 1;
        return -1;
    }
    size_t steps = (interpreter->arena_used_bytes() - 1) / JL_TFLM_ARENA_ALIGNMENT;
    size_t bytes;
    do {
        steps++;
        bytes = steps * JL_TFLM_ARENA_ALIGNMENT;
    } while (bytes < sizeof arena && !make_interpreter(bytes));
    jl_tflm_arena_needed = bytes;
    return 0;
}

#else

namespace {

/* Matches jl_element of jl_protocol.h, which is C. */
constexpr TfLiteType types[] = {kTfLiteInt8, kTfLiteFloat32};

bool is_as_declared(const TfLiteTensor *tensor, uint32_t element, size_t count) {
    const size_t element_bytes = element == 0 ? sizeof(int8_t) : sizeof(float);
    return tensor != nullptr && tensor->type == types[element] &&
           tensor->bytes == count * element_bytes;
}

} // namespace

extern "C" int jl_tflm_prepare(void) {
    bool ready = make_resolver() && make_interpreter(sizeof arena) &&
                 is_as_declared(interpreter->input(0), JL_MODEL_TFLITE_INPUT_ELEMENT,
                                JL_MODEL_TFLITE_INPUTS) &&
                 is_as_declared(interpreter->output(0), JL_MODEL_TFLITE_OUTPUT_ELEMENT,
                                JL_MODEL_TFLITE_OUTPUTS);
    return ready ? 0 : -1;
}

#endif

extern "C" void *jl_tflm_input(void) {
    return interpreter->input(0)->data.data;
}

extern "C" const void *jl_tflm_output(void) {
    return interpreter->output(0)->data.data;
}

extern "C" int jl_tflm_invoke(void) {
    return interpreter->Invoke() == kTfLiteOk ? 0 : -1;
}
