// Preloaded into a server: so many bytes a second for each connection that it accepts, and a
// hundredth of that for one of them.
//
// PACE_BYTES: bytes a second; PACE_STRAGGLER: the slow one, counted from 1, 0 for none
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>

static int (*accept_of_libc)(int, struct sockaddr *, socklen_t *, int);
static unsigned int bytes, straggler, accepted;

static unsigned int variable(const char *name) {
    const char *value = getenv(name);
    return value ? strtoul(value, NULL, 10) : 0;
}

__attribute__((constructor)) static void start(void) {
    accept_of_libc = (int (*)(int, struct sockaddr *, socklen_t *, int))dlsym(RTLD_NEXT, "accept4");
    bytes = variable("PACE_BYTES");
    straggler = variable("PACE_STRAGGLER");
}

int accept4(int listener, struct sockaddr *address, socklen_t *len, int flags) {
    int connection = accept_of_libc(listener, address, len, flags);
    if (connection >= 0 && bytes > 0) {
        unsigned int rate = ++accepted == straggler ? bytes / 100 : bytes;
        setsockopt(connection, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof rate);
    }
    return connection;
}
