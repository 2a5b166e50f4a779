/* Runs a generated program over many rows on the host; loaded by toolchain/compile/host_program.py.
 */
#include <stdint.h>
#include <string.h>

#include "jl_model.h"

/* in: count rows of JL_MODEL_INPUTS codes. out: count rows of JL_MODEL_OUTPUTS codes. */
void jl_host_run(uint32_t count, const JL_MODEL_CODE *in, JL_MODEL_CODE *out);

void jl_host_run(uint32_t count, const JL_MODEL_CODE *in, JL_MODEL_CODE *out) {
    /* To the end of the last word, at least. */
    static _Alignas(4) JL_MODEL_CODE input[(JL_MODEL_INPUTS + 3) / 4 * 4];
    static _Alignas(4) JL_MODEL_CODE output[(JL_MODEL_OUTPUTS + 3) / 4 * 4];

    for (uint32_t row = 0; row < count; row++) {
        memcpy(input, in, JL_MODEL_INPUTS * sizeof *in);
        jl_model_run(input, output);
        memcpy(out, output, JL_MODEL_OUTPUTS * sizeof *out);
        in += JL_MODEL_INPUTS;
        out += JL_MODEL_OUTPUTS;
    }
}
