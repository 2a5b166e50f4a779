/* Reset, and the trap vector (2.3.2): one jump per interrupt line of the core, exceptions first. */
    .section .vectors, "ax", @progbits

    .option push
    .option norvc
    .balign 256
    .global esp32c3_vectors
esp32c3_vectors:
    j exception
    .rept 31
    j interrupt
    .endr
    .option pop

/* Right before the entry point, for an emulator that has the image and no symbols: see core.c. */
    .word 0x33434c4a /* "JLC3" */
    .word esp32c3_ticks
    .word esp32c3_cycles
    .word esp32c3_wait_for_interrupt

    .global jl_reset
jl_reset:
    csrci mstatus, 8
    la    sp, jl_stack_high
    la    t0, esp32c3_vectors
    ori   t0, t0, 1
    csrw  mtvec, t0
    j     esp32c3_start

/* Keeps what a C function may change; the handlers are no deeper than one level. */
interrupt:
    addi  sp, sp, -64
    sw    ra, 0(sp)
    sw    t0, 4(sp)
    sw    t1, 8(sp)
    sw    t2, 12(sp)
    sw    t3, 16(sp)
    sw    t4, 20(sp)
    sw    t5, 24(sp)
    sw    t6, 28(sp)
    sw    a0, 32(sp)
    sw    a1, 36(sp)
    sw    a2, 40(sp)
    sw    a3, 44(sp)
    sw    a4, 48(sp)
    sw    a5, 52(sp)
    sw    a6, 56(sp)
    sw    a7, 60(sp)
    csrr  a0, mcause
    call  esp32c3_interrupt
    lw    ra, 0(sp)
    lw    t0, 4(sp)
    lw    t1, 8(sp)
    lw    t2, 12(sp)
    lw    t3, 16(sp)
    lw    t4, 20(sp)
    lw    t5, 24(sp)
    lw    t6, 28(sp)
    lw    a0, 32(sp)
    lw    a1, 36(sp)
    lw    a2, 40(sp)
    lw    a3, 44(sp)
    lw    a4, 48(sp)
    lw    a5, 52(sp)
    lw    a6, 56(sp)
    lw    a7, 60(sp)
    addi  sp, sp, 64
    mret

/* Nothing returns from here, and the stack may be what was wrong: it begins anew. */
exception:
    csrr  a0, mepc
    mv    a1, ra
    csrr  a2, mcause
    mv    a3, sp
    la    sp, jl_stack_high
    j     esp32c3_exception
