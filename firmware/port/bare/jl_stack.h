/* The stack's paint, for ports without an operating system (jl_port.h has what is asked of it). */
#ifndef JL_STACK_H
#define JL_STACK_H

/* Paint what is reserved for the stack, from its end up to where it is used now. For reset code: it
 * uses no library and no variable. */
void jl_stack_paint(void);

#endif
