/* Bring-up of the process: its terminal, its announcement, its watchdog. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "jl_port.h"
#include "posix.h"

#define WATCHDOG_S (JL_PORT_WATCHDOG_MIN_US / 1000000u)

_Noreturn void posix_die(const char *what) {
    perror(what);
    exit(EXIT_FAILURE);
}

/* The same line of JSON as the emulated board's process prints (host/emulator/__main__.py). */
void jl_port_init(void) {
    const char *path = posix_terminal_open();
    uint8_t id[8];
    jl_port_chip_id(id);
    (void)printf("{\"port\": \"%s\", \"pid\": %ld, \"chip_id\": \"", path, (long)getpid());
    for (size_t i = 0; i < sizeof id; i++) {
        (void)printf("%02" PRIx8, id[i]);
    }
    (void)printf("\"}\n");
    (void)fflush(stdout);
    jl_port_watchdog_feed();
}

/* A process cannot reset itself and stay the one that its host opened: a hung one is ended by
 * SIGALRM, and its port vanishes as an unplugged board's does. */
void jl_port_watchdog_feed(void) {
    (void)alarm(WATCHDOG_S);
}
