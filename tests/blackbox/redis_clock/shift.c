/* Preloaded, the wall clock is SHIFT seconds ahead; all other clocks are as they are. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *shown) {
    int failed = syscall(SYS_clock_gettime, clock, shown);
    const char *shift = getenv("SHIFT");
    if (!failed && shift && clock == CLOCK_REALTIME)
        shown->tv_sec += atol(shift);
    return failed;
}
