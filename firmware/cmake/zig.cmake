# clang and lld from the ziglang wheel; JL_ZIG is the wheel's executable.
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR arm)
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES JL_ZIG)
set(CMAKE_C_COMPILER ${JL_ZIG} cc)
set(CMAKE_ASM_COMPILER ${JL_ZIG} cc)
# Nothing here is archived or probed: the compiler is the pinned one, so asking it costs only time.
set(CMAKE_C_COMPILER_WORKS TRUE)
set(CMAKE_ASM_COMPILER_WORKS TRUE)
set(CMAKE_C_ABI_COMPILED TRUE)
set(jl_target "-target thumb-freestanding-eabi -mcpu=cortex_m0plus")
# zig cc turns the undefined-behaviour sanitizer on by default; its handlers do not exist here.
set(CMAKE_C_FLAGS_INIT "${jl_target} -fno-sanitize=undefined")
set(CMAKE_ASM_FLAGS_INIT "${jl_target}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "")
