/* The dense layer of int16 activations on a Cortex-M0+: one byte a weight, four outputs at a time.
 *
 * void jl_m0plus_wide(const uint32_t *layer, const int16_t *in, int16_t *out)
 *
 * A word q of constants holds one weight of each of four outputs, plus 128, in its bytes. Its products
 * with an input do not fit one register, so there are four: of q, q >> 8, q >> 16 and q >> 24, each
 * gathered modulo 2^32. The last is the fourth output's sum, and each of the others is its own output's
 * sum plus 256 times the one after it, so that a shift and a subtraction take them apart. The weights'
 * offset has added 128 times the inputs' sum to all of them.
 *
 * layer: bytes of input and of output, both in whole words; what .Lsteps is entered at; maximum,
 * maximum - minimum, minimum; then for every four outputs their sums' starts, a word of weights per
 * input, and a word of scale per output: factor + (shift - 16) * 2^16.
 * in, out: are read and written to the end of their last words.
 *
 * Cycles are those of toolchain/compile/m0plus_wide.py, which a test compares with a count.
 */
#if defined(__ARM_ARCH_6M__)

    .syntax unified
    .cpu cortex-m0plus
    .thumb

#define INPUT     0
#define INPUT_END 4
#define ENTRY     8
#define OFFSET    12
#define MAXIMUM   16
#define RANGE     20
#define MINIMUM   24
#define FRAME     28

/* One input, four outputs. 11 cycles. */
.macro column input, weights
    lsrs  r6, \weights, #24
    muls  r6, \input, r6
    add   r11, r11, r6
    lsrs  r6, \weights, #16
    muls  r6, \input, r6
    add   r10, r10, r6
    lsrs  r6, \weights, #8
    muls  r6, \input, r6
    add   r9, r9, r6
    muls  \weights, \input, \weights
    add   r8, r8, \weights
.endm

/* A word of inputs. 29 cycles, 52 bytes: .Lsteps is entered at multiples of it. */
.macro step
    ldmia r1!, {r2}
    ldmia r0!, {r4, r5}
    sxth  r3, r2
    column r3, r4
    asrs  r2, r2, #16
    column r2, r5
.endm

/* From a sum to its code. 23 cycles. */
.macro code sum
    ldmia r0!, {r1}
    uxth  r2, r1
    lsrs  r1, r1, #16
    uxth  r3, \sum
    asrs  \sum, \sum, #16
    muls  \sum, r2, \sum
    muls  r3, r2, r3
    lsrs  r3, r3, #16
    adds  \sum, \sum, r3
    movs  r2, #0
    asrs  \sum, \sum, r1
    adcs  \sum, \sum, r2            /* the last bit that was shifted out rounds */
    mov   r2, r8
    subs  r2, r2, \sum
    asrs  r3, r2, #31
    bics  r2, r2, r3
    mov   r3, r9
    subs  r3, r3, r2
    asrs  r2, r3, #31
    bics  r3, r3, r2
    mov   r2, r10
    adds  \sum, r2, r3
.endm

    .section .text.jl_m0plus_wide, "ax", %progbits
    .balign 4
    .global jl_m0plus_wide
    .type jl_m0plus_wide, %function
    .thumb_func
jl_m0plus_wide:
    push  {r4-r7, lr}
    mov   r4, r8
    mov   r5, r9
    mov   r6, r10
    mov   r7, r11
    push  {r4-r7}
    sub   sp, #FRAME
    mov   r12, r2
    str   r1, [sp, #INPUT]
    ldmia r0!, {r3, r4, r5}
    adds  r3, r3, r1
    str   r3, [sp, #INPUT_END]
    adds  r4, r4, r2
    mov   lr, r4
    adr   r6, .Lsteps
    adds  r5, r5, r6
    adds  r5, r5, #1
    str   r5, [sp, #ENTRY]
    ldmia r0!, {r4, r5, r6}
    str   r4, [sp, #MAXIMUM]
    str   r5, [sp, #RANGE]
    str   r6, [sp, #MINIMUM]

    movs  r7, #0
.Linput:
    ldmia r1!, {r2}
    sxth  r4, r2
    asrs  r2, r2, #16
    adds  r7, r7, r4
    adds  r7, r7, r2
    cmp   r1, r3
    bne   .Linput
    lsls  r7, r7, #7
    str   r7, [sp, #OFFSET]

.Lfour_outputs:
    ldmia r0!, {r4, r5, r6, r7}
    mov   r8, r4
    mov   r9, r5
    mov   r10, r6
    mov   r11, r7
    ldr   r1, [sp, #INPUT]
    ldr   r7, [sp, #INPUT_END]
    ldr   r2, [sp, #ENTRY]
    bx    r2
    .balign 4
.Lsteps:
    step
    step
    step
    step
    cmp   r1, r7
    bne   .Lsteps

    mov   r4, r8
    mov   r5, r9
    mov   r6, r10
    mov   r7, r11
    lsls  r1, r5, #8
    subs  r4, r4, r1
    lsls  r1, r6, #8
    subs  r5, r5, r1
    lsls  r1, r7, #8
    subs  r6, r6, r1
    ldr   r1, [sp, #OFFSET]
    subs  r4, r4, r1
    subs  r5, r5, r1
    subs  r6, r6, r1
    subs  r7, r7, r1
    ldr   r1, [sp, #MAXIMUM]
    mov   r8, r1
    ldr   r1, [sp, #RANGE]
    mov   r9, r1
    ldr   r1, [sp, #MINIMUM]
    mov   r10, r1
    code  r4
    code  r5
    code  r6
    code  r7

    uxth  r4, r4
    lsls  r5, r5, #16
    adds  r4, r4, r5
    mov   r1, r12
    stmia r1!, {r4}
    cmp   r1, lr
    beq   .Ldone
    uxth  r6, r6
    lsls  r7, r7, #16
    adds  r6, r6, r7
    stmia r1!, {r6}
    mov   r12, r1
    cmp   r1, lr
    beq   .Ldone
    b     .Lfour_outputs

.Ldone:
    add   sp, #FRAME
    pop   {r4-r7}
    mov   r8, r4
    mov   r9, r5
    mov   r10, r6
    mov   r11, r7
    pop   {r4-r7, pc}
    .size jl_m0plus_wide, . - jl_m0plus_wide

#endif
