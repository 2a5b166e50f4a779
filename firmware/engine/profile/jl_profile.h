/* What a profiled program calls around its layers (toolchain/compile, "marked"). */
#ifndef JL_PROFILE_H
#define JL_PROFILE_H

#include <stdint.h>

/* Keep the cycle counter's reading number index, below JL_MODEL_MARKS. */
void jl_profile_mark(uint32_t index);

#endif
