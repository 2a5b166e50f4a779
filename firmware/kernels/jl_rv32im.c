/* The dense layer for RV32IM: two multiply-accumulates in one multiplication, four outputs at a
 * time. Plain C: what makes it fast is what the core has many of, registers.
 *
 * Inputs come in pairs, X = a + b * 2^16, and so do weights, W = v + u * 2^16, so that X * W modulo
 * 2^32 is a * v + (a * u + b * v) * 2^16. Rounding to the upper half is exact while a * v and the
 * wanted sum fit 16 signed bits; where they do for two pairs together, their products are added
 * first. The compiler has decided which (toolchain/compile/rv32im.py). */
#include "jl_rv32im.h"

#include "jl_fixed_point.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define BLOCK 4

/* Four codes to two pairs: codes 0 and 2, codes 1 and 3. */
static void unpack(const int8_t *in, uint32_t n_fours, uint32_t *pairs) {
    for (uint32_t i = 0; i < n_fours; i++) {
        uint32_t codes;
        __builtin_memcpy(&codes, __builtin_assume_aligned(in + 4 * i, 4), sizeof codes);
        codes ^= 0x80808080u;
        pairs[2 * i] = (codes & 0x00FF00FFu) - 0x00800080u;
        pairs[2 * i + 1] = ((codes >> 8) & 0x00FF00FFu) - 0x00800080u;
    }
}

ALWAYS_INLINE uint32_t cut(uint32_t product) {
    return (uint32_t)((int32_t)(product + 0x8000u) >> 16);
}

/* What four inputs, as two pairs, add to one output. */
ALWAYS_INLINE uint32_t sum_of(uint32_t x, uint32_t y, const uint32_t *weights, int joined) {
    return joined ? cut(x * weights[0] + y * weights[1])
                  : cut(x * weights[0]) + cut(y * weights[1]);
}

/* Sums of one block; gives what follows its weights. */
ALWAYS_INLINE const uint32_t *block(const uint32_t *words, const uint32_t *pairs,
                                    const uint32_t *end, uint32_t sums[BLOCK], int joined) {
    uint32_t s0 = words[0], s1 = words[1], s2 = words[2], s3 = words[3];
    words += BLOCK;
    for (; pairs != end; pairs += 2, words += 2 * BLOCK) {
        const uint32_t x = pairs[0], y = pairs[1];
        s0 += sum_of(x, y, words, joined);
        s1 += sum_of(x, y, words + 2, joined);
        s2 += sum_of(x, y, words + 4, joined);
        s3 += sum_of(x, y, words + 6, joined);
    }
    sums[0] = s0;
    sums[1] = s1;
    sums[2] = s2;
    sums[3] = s3;
    return words;
}

void jl_rv32im_dense(const jl_rv32im *layer, const int8_t *in, int8_t *out, uint32_t *pairs) {
    const uint32_t *words = layer->words;
    const uint32_t *end = pairs + 2u * layer->n_fours;
    unpack(in, layer->n_fours, pairs);
    for (uint32_t b = 0; b < layer->n_blocks; b++) {
        uint32_t sums[BLOCK];
        words = b < layer->n_joined_blocks ? block(words, pairs, end, sums, 1)
                                           : block(words, pairs, end, sums, 0);
        for (uint32_t o = 0; o < BLOCK; o++, words += 2) {
            /* Then the multiplier; the output's index and, in the low byte, its shift. */
            const int32_t scaled = jl_scale((int32_t)sums[o], (int32_t)words[0], (int8_t)words[1]);
            int32_t code = (int32_t)((uint32_t)scaled + (uint32_t)layer->output_zero_point);
            code = code < layer->minimum ? layer->minimum : code;
            code = code > layer->maximum ? layer->maximum : code;
            out[words[1] >> 8] = (int8_t)code;
        }
    }
}
