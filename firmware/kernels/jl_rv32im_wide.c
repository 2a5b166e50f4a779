/* The dense layer of int16 activations for RV32IM: one byte a weight, four outputs at a time.
 *
 * A word q of constants holds one weight of each of four outputs, plus 128, in its bytes. Products
 * of q, q >> 8, q >> 16 and q >> 24 are gathered modulo 2^32; how they come apart is told in
 * jl_m0plus_wide.S, which reads the same constants. */
#include "jl_fixed_point.h"
#include "jl_rv32im.h"

#define BLOCK 4
#define LOG2_WEIGHT_OFFSET 7

static uint32_t word_of(const int16_t *in) {
    uint32_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(in, 4), sizeof word);
    return word;
}

static uint32_t lower(uint32_t pair) {
    return (uint32_t)(int32_t)(int16_t)pair;
}

static uint32_t upper(uint32_t pair) {
    return (uint32_t)((int32_t)pair >> 16);
}

/* What the weights' offset adds to every sum. */
static uint32_t offset_of(const int16_t *in, uint32_t n_pairs) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < n_pairs; i++) {
        const uint32_t pair = word_of(in + 2 * i);
        sum += lower(pair) + upper(pair);
    }
    return sum << LOG2_WEIGHT_OFFSET;
}

/* Sums of one block, taken apart; gives what follows its weights. */
static inline const uint32_t *block(const uint32_t *words, const int16_t *in, uint32_t n_pairs,
                                    uint32_t offset, uint32_t sums[BLOCK]) {
    uint32_t s0 = words[0], s1 = words[1], s2 = words[2], s3 = words[3];
    words += BLOCK;
    for (const uint32_t *end = words + 2 * n_pairs; words != end; words += 2, in += 2) {
        const uint32_t pair = word_of(in), a = lower(pair), b = upper(pair);
        const uint32_t p = words[0], q = words[1];
        s0 += a * p + b * q;
        s1 += a * (p >> 8) + b * (q >> 8);
        s2 += a * (p >> 16) + b * (q >> 16);
        s3 += a * (p >> 24) + b * (q >> 24);
    }
    sums[0] = s0 - (s1 << 8) - offset;
    sums[1] = s1 - (s2 << 8) - offset;
    sums[2] = s2 - (s3 << 8) - offset;
    sums[3] = s3 - offset;
    return words;
}

void jl_rv32im_wide_dense(const jl_rv32im_wide *layer, const int16_t *in, int16_t *out) {
    const uint32_t *words = layer->words;
    const uint32_t offset = offset_of(in, layer->n_pairs);
    for (uint32_t first = 0; first < layer->n_outputs; first += BLOCK) {
        uint32_t sums[BLOCK];
        words = block(words, in, layer->n_pairs, offset, sums);
        for (uint32_t o = 0; o < BLOCK && first + o < layer->n_outputs; o++) {
            const uint32_t scale = words[o];
            int32_t code = jl_wide_scale((int32_t)sums[o], scale & 0xFFFFu, (scale >> 16) + 16);
            code = code < layer->minimum ? layer->minimum : code;
            out[first + o] = (int16_t)(code > layer->maximum ? layer->maximum : code);
        }
        words += BLOCK;
    }
}
