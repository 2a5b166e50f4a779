/* Runs a generated program over many rows on the host; loaded by toolchain/compile/host_program.py.
 */
#include <stdint.h>
#include <string.h>

#include "jl_model.h"

/* in: count rows of JL_MODEL_INPUTS codes. out: count rows of JL_MODEL_OUTPUTS codes. */
void jl_host_run(uint32_t count, const int8_t *in, int8_t *out);

void jl_host_run(uint32_t count, const int8_t *in, int8_t *out) {
    static _Alignas(4) int8_t input[(JL_MODEL_INPUTS + 3) / 4 * 4];
    static _Alignas(4) int8_t output[(JL_MODEL_OUTPUTS + 3) / 4 * 4];

    for (uint32_t row = 0; row < count; row++) {
        memcpy(input, in, JL_MODEL_INPUTS);
        jl_model_run(input, output);
        memcpy(out, output, JL_MODEL_OUTPUTS);
        in += JL_MODEL_INPUTS;
        out += JL_MODEL_OUTPUTS;
    }
}
