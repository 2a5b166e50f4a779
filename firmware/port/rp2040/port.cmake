# A Cortex-M0+ without an operating system: what is linked lies where memory.ld.in says.
set(JL_PORT_BARE_METAL ON)
set(JL_PORT_PROCESSOR arm)
set(JL_PORT_ZIG_FLAGS "-target thumb-freestanding-eabi -mcpu=cortex_m0plus")
set(JL_PORT_GCC_FLAGS "-mcpu=cortex-m0plus -mthumb")
