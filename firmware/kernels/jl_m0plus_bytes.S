/* The dense layer on a Cortex-M0+, small: one byte a weight, one copy of the code for all layers.
 *
 * void jl_m0plus_bytes(const uint32_t *layer, const int8_t *in, int8_t *out, uint32_t *scratch)
 *
 * Four outputs at a time. A word of constants holds one weight of each, plus 128, so that a masked
 * word is two weights 16 bits apart and one multiplication by an input, also plus 128, makes two
 * products that cannot touch each other. Of every two outputs the upper one's sum is gathered from
 * the products' upper halves; the lower one's is what remains of the sum of the whole products.
 * What the two offsets add is taken off in advance. Then codes: toolchain/compile/staircase.py.
 *
 * layer: bytes of input and of output, both in whole words; 1 when the staircases bend, else 0; then
 * for every four outputs their weights, their sums' starts and their lines: width * 2^14 + low, high,
 * offset, and zero and bend when they bend.
 * in, out: are read and written to the end of their last words. scratch: as large as the input.
 *
 * Cycles are those of toolchain/compile/m0plus_bytes.py, which a test compares with a count.
 */
#if defined(__ARM_ARCH_6M__)

    .syntax unified
    .cpu cortex-m0plus
    .thumb

#define START_WHOLE 0
#define START_UPPER 4
#define SCRATCH     8
#define SCRATCH_END 12
#define BENDS       16
#define FRAME       20

/* r2: the input; r3: the mask; gathers in r8 to r11. 14.5 cycles with its share of the load. */
.macro column weights, input
    ldrb  r2, [r1, #\input]
    lsrs  r7, \weights, #8
    ands  r7, r7, r3
    ands  \weights, \weights, r3
    muls  r7, r2, r7
    muls  \weights, r2, \weights
    add   r8, r8, \weights
    lsrs  \weights, \weights, #16
    add   r9, r9, \weights
    add   r10, r10, r7
    lsrs  r7, r7, #16
    add   r11, r11, r7
.endm

/* upper, lower: starts on entry, then sums that count down. */
.macro part upper, lower, uppers, wholes
    mov   r2, \uppers
    subs  \upper, \upper, r2
    lsls  r2, r2, #16
    mov   r1, \wholes
    subs  r1, r1, r2
    subs  \lower, \lower, r1
.endm

/* From a sum to its code, in the low byte of the same register. 21 cycles, 8 more when it bends. */
.macro code sum, bent
    asrs  r1, \sum, #31
    bics  \sum, \sum, r1
    ldmia r0!, {r1, r2}
    lsrs  r3, r1, #14
    subs  \sum, r3, \sum
    asrs  r3, \sum, #31
    bics  \sum, \sum, r3
    lsls  r1, r1, #18
    lsrs  r1, r1, #18
    muls  r1, \sum, r1
    muls  r2, \sum, r2
    lsrs  r1, r1, #14
    adds  r2, r2, r1
    ldmia r0!, {r1}
    adds  r2, r2, r1
    cmp   r8, r9
    bne   \bent\()f
\bent\()0:
    lsrs  \sum, r2, #24
.endm

/* Adds the second offset below accumulator 0. */
.macro bend sum, bent
\bent:
    ldmia r0!, {r1, r3}
    subs  \sum, \sum, r1
    asrs  \sum, \sum, #31
    ands  \sum, \sum, r3
    adds  r2, r2, \sum
    b     \bent\()0b
.endm

    .section .text.jl_m0plus_bytes, "ax", %progbits
    .balign 4
    .global jl_m0plus_bytes
    .type jl_m0plus_bytes, %function
    .thumb_func
jl_m0plus_bytes:
    push  {r4-r7, lr}
    mov   r4, r8
    mov   r5, r9
    mov   r6, r10
    mov   r7, r11
    push  {r4-r7}
    sub   sp, #FRAME
    mov   r12, r2
    ldmia r0!, {r4, r5, r6}
    adds  r5, r5, r2
    mov   lr, r5
    str   r6, [sp, #BENDS]
    str   r3, [sp, #SCRATCH]
    adds  r4, r4, r3
    str   r4, [sp, #SCRATCH_END]
    mov   r8, r4
    mov   r9, r0

    /* Inputs plus 128, and their sum in r7. */
    ldr   r5, .Lsigns
    ldr   r6, .Lmask
    ldr   r0, .Ltwice
    movs  r7, #0
.Linput:
    ldmia r1!, {r2}
    eors  r2, r2, r5
    stmia r3!, {r2}
    lsrs  r4, r2, #8
    ands  r2, r2, r6
    ands  r4, r4, r6
    adds  r2, r2, r4
    muls  r2, r0, r2
    lsrs  r2, r2, #16
    adds  r7, r7, r2
    cmp   r3, r8
    bne   .Linput

    /* The weights' offset adds 128 times that to every sum. */
    lsls  r7, r7, #7
    rsbs  r7, r7, #0
    str   r7, [sp, #START_UPPER]
    muls  r7, r0, r7
    str   r7, [sp, #START_WHOLE]
    mov   r0, r9

.Lfour_outputs:
    ldr   r3, .Lmask
    ldr   r1, [sp, #START_WHOLE]
    mov   r8, r1
    mov   r10, r1
    ldr   r1, [sp, #START_UPPER]
    mov   r9, r1
    mov   r11, r1
    ldr   r1, [sp, #SCRATCH]
    ldr   r6, [sp, #SCRATCH_END]
.Lfour_inputs:
    ldmia r0!, {r4, r5}
    column r4, 0
    column r5, 1
    ldmia r0!, {r4, r5}
    column r4, 2
    column r5, 3
    adds  r1, r1, #4
    cmp   r1, r6
    bne   .Lfour_inputs

    ldmia r0!, {r4, r5, r6, r7}
    part  r6, r4, r9, r8
    part  r7, r5, r11, r10
    ldr   r1, [sp, #BENDS]
    mov   r8, r1
    movs  r1, #0
    mov   r9, r1
    code  r4, 4
    code  r5, 5
    code  r6, 6
    code  r7, 7
    lsls  r5, r5, #8
    adds  r4, r4, r5
    lsls  r6, r6, #16
    adds  r4, r4, r6
    lsls  r7, r7, #24
    adds  r4, r4, r7
    mov   r1, r12
    stmia r1!, {r4}
    mov   r12, r1
    cmp   r1, lr
    beq   .Ldone
    b     .Lfour_outputs

    bend  r4, 4
    bend  r5, 5
    bend  r6, 6
    bend  r7, 7

.Ldone:
    add   sp, #FRAME
    pop   {r4-r7}
    mov   r8, r4
    mov   r9, r5
    mov   r10, r6
    mov   r11, r7
    pop   {r4-r7, pc}

    .balign 4
.Lsigns:
    .word 0x80808080
.Lmask:
    .word 0x00FF00FF
.Ltwice:
    .word 0x00010001
    .size jl_m0plus_bytes, . - jl_m0plus_bytes

#endif
