# clang and lld from the ziglang wheel; JL_ZIG is the wheel's executable, JL_CHIP names the port.
include(${CMAKE_CURRENT_LIST_DIR}/../port/${JL_CHIP}/port.cmake)
set(CMAKE_SYSTEM_NAME Generic)
set(CMAKE_SYSTEM_PROCESSOR ${JL_PORT_PROCESSOR})
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES JL_ZIG JL_CHIP)
set(CMAKE_C_COMPILER ${JL_ZIG} cc)
set(CMAKE_ASM_COMPILER ${JL_ZIG} cc)
# Nothing here is archived or probed: the compiler is the pinned one, so asking it costs only time.
set(CMAKE_C_COMPILER_WORKS TRUE)
set(CMAKE_ASM_COMPILER_WORKS TRUE)
set(CMAKE_C_ABI_COMPILED TRUE)
# zig cc turns the undefined-behaviour sanitizer on by default; its handlers do not exist here.
set(CMAKE_C_FLAGS_INIT "${JL_PORT_ZIG_FLAGS} -fno-sanitize=undefined")
set(CMAKE_ASM_FLAGS_INIT "${JL_PORT_ZIG_FLAGS}")
set(CMAKE_EXE_LINKER_FLAGS_INIT "")
