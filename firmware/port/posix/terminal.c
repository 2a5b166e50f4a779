/* The one link: a pseudo-terminal, whose other end a host opens like any serial port. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

#include "jl_port.h"
#include "posix.h"

/* A host that does not read must not hold the board: after this long the reply is dropped. */
#define SEND_TIMEOUT_MS 500

static int terminal = -1;
static struct {
    uint8_t bytes[4096]; /* of the reply that is being written */
    size_t length;
    bool dropping; /* until the end of this reply */
    bool torn;     /* a reply was dropped, and some of it may still arrive */
} out;

const char *posix_terminal_open(void) {
    terminal = posix_openpt(O_RDWR | O_NOCTTY);
    if (terminal < 0 || grantpt(terminal) != 0 || unlockpt(terminal) != 0) {
        posix_die("posix_openpt");
    }
    const char *path = ptsname(terminal);
    /* Kept open, so that hosts may come and go; raw before the first of them comes. */
    const int host_end = path == NULL ? -1 : open(path, O_RDWR | O_NOCTTY);
    struct termios settings;
    if (host_end < 0 || tcgetattr(host_end, &settings) != 0) {
        posix_die("pseudo-terminal");
    }
    cfmakeraw(&settings);
    if (tcsetattr(host_end, TCSANOW, &settings) != 0 || fcntl(terminal, F_SETFL, O_NONBLOCK) != 0) {
        posix_die("pseudo-terminal");
    }
    return path;
}

size_t jl_port_read(uint32_t link, uint8_t *bytes, size_t capacity) {
    if (link != 0) {
        return 0;
    }
    const ssize_t n = read(terminal, bytes, capacity);
    return n > 0 ? (size_t)n : 0;
}

static void send(void) {
    for (size_t at = 0; at < out.length && !out.dropping;) {
        const ssize_t n = write(terminal, out.bytes + at, out.length - at);
        if (n > 0) {
            at += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd room = {.fd = terminal, .events = POLLOUT};
            out.dropping = poll(&room, 1, SEND_TIMEOUT_MS) <= 0;
        } else if (n < 0 && errno != EINTR) {
            out.dropping = true;
        }
    }
    out.length = 0;
}

static void put(uint8_t byte) {
    if (out.length == sizeof out.bytes) {
        send();
    }
    out.bytes[out.length++] = byte;
}

void jl_port_write(uint32_t link, const uint8_t *bytes, size_t length) {
    (void)link;
    if (out.torn && !out.dropping) {
        out.torn = false;
        put(0); /* ends the frame that was torn, so that it costs the host no other */
    }
    for (size_t i = 0; i < length; i++) {
        put(bytes[i]);
    }
}

void jl_port_flush(uint32_t link) {
    (void)link;
    send();
    out.torn = out.torn || out.dropping;
    out.dropping = false;
}

/* What is written to a pseudo-terminal is there; no line takes its time with it. */
bool jl_port_drain(uint32_t link) {
    (void)link;
    return !out.torn;
}

uint64_t jl_port_line_us(uint32_t link, uint32_t length) {
    (void)link, (void)length;
    return 0;
}

/* The system blocks a writer whose terminal is full. */
uint32_t jl_port_bytes_overrun(void) {
    return 0;
}

/* A process has one way of sleeping; in a deep one the line does not wake it. */
static bool deaf;

void jl_port_deep_sleep(bool on) {
    deaf = on;
}

void jl_port_wait(void) {
    struct pollfd sources[] = {
        {.fd = deaf ? -1 : terminal, .events = POLLIN}, /* poll() leaves out what is negative */
        {.fd = STDIN_FILENO, .events = POLLIN},
    };
    const int timeout_ms = (int)((posix_wait_us() + 999u) / 1000u);
    if (poll(sources, 2, timeout_ms) > 0 && sources[1].revents != 0) {
        /* Whoever started this process holds its standard input; when that ends, so does this. */
        char byte;
        if (read(STDIN_FILENO, &byte, 1) <= 0) {
            exit(0);
        }
    }
}
