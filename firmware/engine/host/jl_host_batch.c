/* Runs a generated program over many rows on the host; loaded by toolchain/compile/host_program.py.
 */
#include <stdint.h>
#include <string.h>

#include "jl_model.h"

/* in: count rows of JL_MODEL_INPUTS codes. out: count rows of JL_MODEL_OUTPUTS codes. */
void jl_host_run(uint32_t count, const int8_t *in, int8_t *out);

void jl_host_run(uint32_t count, const int8_t *in, int8_t *out) {
    static _Alignas(4) int8_t input[JL_MODEL_INPUTS];
    static _Alignas(4) int8_t output[JL_MODEL_OUTPUTS];

    for (uint32_t row = 0; row < count; row++) {
        memcpy(input, in, sizeof input);
        jl_model_run(input, output);
        memcpy(out, output, sizeof output);
        in += sizeof input;
        out += sizeof output;
    }
}
