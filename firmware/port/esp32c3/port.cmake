# An RV32IMC core without an operating system: what is linked lies where memory.ld.in says.
set(JL_PORT_BARE_METAL ON)
set(JL_PORT_PROCESSOR riscv32)
set(JL_PORT_ZIG_FLAGS "-target riscv32-freestanding-none -mcpu=generic_rv32+m+c+zicsr")
# By the specification before 2019 the counters' instructions are part of the base, and GCC finds its
# libgcc by this name.
set(JL_PORT_GCC_FLAGS "-march=rv32imc -mabi=ilp32 -misa-spec=2.2")
