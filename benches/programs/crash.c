/*
 * A program that crashes at random. It says numbered lines of 100 bytes on stdout, 32 of them in one write(2) every half second,
 * lives for up to 20 seconds, mostly less, and ends with some status or signal. A line is WHO NUMBER WHAT: who is its pid and when it
 * began, which no other incarnation has; what is `last` for the last one, and `more` otherwise. At SIGTERM it ends in the same manner.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100, LINES = 32 };

static volatile sig_atomic_t told;
static char bytes[LINE * LINES];
static unsigned long number;
static struct timespec begun;

static void stop(int signal) {
    (void)signal;
    told = 1;
}

static double elapsed(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec - begun.tv_sec + (now.tv_nsec - begun.tv_nsec) / 1e9;
}

static void say(int lines, const char *what) {
    for (int line = 0; line < lines; line++) {
        char *at = bytes + line * LINE;
        memset(at, '.', LINE);
        at[sprintf(at, "%d-%ld.%09ld %lu %s ", getpid(), begun.tv_sec, begun.tv_nsec, number++, what)] = '.';
        at[LINE - 1] = '\n';
    }
    if (write(1, bytes, lines * LINE) != lines * LINE) _exit(99);
}

int main(void) {
    static const int signals[] = {SIGSEGV, SIGABRT, SIGKILL, SIGUSR1, SIGHUP, SIGBUS};
    uint32_t random[3];
    clock_gettime(CLOCK_MONOTONIC, &begun);
    if (getrandom(random, sizeof random, 0) != sizeof random) return 98;
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    /* Squared: short lives are the more frequent. */
    double part = random[0] / 4294967296.0, life = 0.05 + 19.95 * part * part;
    while (!told && elapsed() < life) {
        say(LINES, "more");
        double left = life - elapsed();
        if (left > 0.5) left = 0.5;
        if (left > 0 && !told) nanosleep(&(struct timespec){0, left * 1e9}, NULL);
    }
    say(1, "last");
    if (random[1] % 2) return random[2] % 256;
    raise(signals[random[2] % (sizeof signals / sizeof *signals)]);
    return 97;
}
