/* Kernels for the Cortex-M0+ only; see the assembly files for what they expect. */
#ifndef JL_M0PLUS_H
#define JL_M0PLUS_H

#include <stdint.h>

/* A dense layer from constants that toolchain/compile/m0plus_bytes.py lays out. in, out: aligned to
 * 4 bytes; read and written to the end of their last words; no overlap. scratch: as many words as
 * the input. */
void jl_m0plus_bytes(const uint32_t *layer, const int8_t *in, int8_t *out, uint32_t *scratch);

/* A dense layer of int16 activations, from constants that toolchain/compile/m0plus_wide.py lays
 * out. in, out: as above. */
void jl_m0plus_wide(const uint32_t *layer, const int16_t *in, int16_t *out);

#endif
