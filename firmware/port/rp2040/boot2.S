/* Second-stage boot (2.8.1.3): the boot ROM copies these 256 bytes to the end of SRAM, checks the
 * CRC-32 in the last four, which the build puts in, and runs them. They set the SSI up for serial
 * reads (see rp2040.h) and enter the image at its vector table. Position-independent. */
#include "rp2040.h"

    .syntax unified
    .cpu cortex-m0plus
    .thumb

    .section .boot2, "ax"
    .global jl_boot2
    .thumb_func
jl_boot2:
    ldr r3, =XIP_SSI_BASE
    movs r0, #0
    str r0, [r3, #SSI_SSIENR]     /* registers can only be written while it is off (4.10.13) */
    movs r0, #SSI_BAUDR_DIVIDER
    str r0, [r3, #SSI_BAUDR]
    ldr r0, =SSI_CTRLR0_XIP
    str r0, [r3, #SSI_CTRLR0]
    movs r0, #0
    str r0, [r3, #SSI_CTRLR1]     /* one frame of data per read */
    ldr r1, =(XIP_SSI_BASE + SSI_SPI_CTRLR0)
    ldr r0, =SSI_SPI_CTRLR0_XIP
    str r0, [r1]
    movs r0, #1
    str r0, [r3, #SSI_SER]
    str r0, [r3, #SSI_SSIENR]

    ldr r0, =jl_vectors
    ldr r1, =0xe000ed08           /* VTOR (2.4.8) */
    str r0, [r1]
    ldmia r0!, {r1, r2}
    msr msp, r1
    bx r2

    .ltorg
    .org 252                      /* refused by the assembler when the code is longer */
    .word 0                       /* the CRC */
