/* What the library calls when it gives up. newlib's and libstdc++'s own versions would bring a
 * heap, streams and signals along.
 *
 * The core stops, the board falls silent, and the host reports that: an inference that went wrong
 * has no result.
 */
void abort(void);
void __assert_func(const char *file, int line, const char *function, const char *condition);
void __cxa_pure_virtual(void);

static _Noreturn void halt(void) {
    for (;;) {
        __asm volatile("wfi");
    }
}

void abort(void) {
    halt();
}

void __assert_func(const char *file, int line, const char *function, const char *condition) {
    (void)file;
    (void)line;
    (void)function;
    (void)condition;
    halt();
}

void __cxa_pure_virtual(void) {
    halt();
}
