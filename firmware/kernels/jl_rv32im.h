/* Kernels for RV32IM: 32 registers, a multiplication that keeps its operands, no carry flag. */
#ifndef JL_RV32IM_H
#define JL_RV32IM_H

#include <stdint.h>

/* A dense layer from constants that toolchain/compile/rv32im.py lays out. */
typedef struct {
    const uint32_t *words; /* per block of four outputs: starts, weights, scales */
    uint16_t n_fours;      /* inputs, in words of four codes, 1..16384 */
    uint16_t n_blocks;     /* outputs, in blocks of four, 1..16384 */
    uint16_t
        n_joined_blocks; /* the first blocks, whose products may be added before they are cut */
    int8_t output_zero_point; /* code of real 0 */
    int8_t minimum;           /* lowest code, minimum <= maximum */
    int8_t maximum;           /* highest code */
} jl_rv32im;

/* in, out: aligned to 4 bytes; read and written to the end of their last words; no overlap.
 * pairs: 2 * n_fours words of scratch. */
void jl_rv32im_dense(const jl_rv32im *layer, const int8_t *in, int8_t *out, uint32_t *pairs);

/* A dense layer of int16 activations, from constants that toolchain/compile/wide.py lays out. */
typedef struct {
    const uint32_t *words; /* per block of four outputs: starts, weights, scales */
    uint16_t n_pairs;      /* inputs, in words of two codes, 1..32768 */
    uint16_t n_outputs;    /* values, 1..65535 */
    int16_t minimum;       /* lowest code, minimum <= maximum */
    int16_t maximum;       /* highest code */
} jl_rv32im_wide;

/* in: aligned to 4 bytes; read to the end of its last word. out: must not overlap it. */
void jl_rv32im_wide_dense(const jl_rv32im_wide *layer, const int16_t *in, int16_t *out);

#endif
