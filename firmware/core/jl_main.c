/* The program: answer, then sleep until something comes. */
#include "jl_core.h"
#include "jl_port.h"

int main(void) {
    jl_port_init();
    jl_core_init();
    for (;;) {
        jl_core_poll();
        jl_port_wait();
    }
}
