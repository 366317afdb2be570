/*
 * A program that writes to its stdout what can be told again byte by byte. It says through the FIFO $BENCH_STAMPS that it is
 * there, waits for SIGUSR1, writes $BENCH_BYTES bytes, says so and stays.
 *
 * $BENCH_MODE: lines: 100 bytes each, a number and padding, one write(2) for each, as a line-buffered program does;
 * blocks: 64 KiB each, of lines of 128 bytes, the number in the first line of each page; chatter: a line of 100 bytes $BENCH_RATE
 * times a second, for ever, without waiting for the signal.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 100, BLOCK = 65536, ROW = 128, PAGE = 4096, DIGITS = 15 };

static int stamps;

static void stamp(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t message[2] = {now.tv_sec * 1000000000ull + now.tv_nsec, getpid()};
    if (write(stamps, message, sizeof message) != sizeof message) exit(1);
}

static long number(const char *name) {
    const char *text = getenv(name);
    return text ? atol(text) : 0;
}

static void put_number(char *at, long value) {
    for (int digit = DIGITS - 1; digit >= 0; digit--, value /= 10) at[digit] = '0' + value % 10;
}

static void say(const char *bytes, size_t count) {
    while (count) {
        ssize_t written = write(1, bytes, count);
        if (written < 0) exit(1);
        bytes += written;
        count -= written;
    }
}

static void fill(char *bytes, size_t count, size_t row) {
    memset(bytes, '.', count);
    for (size_t end = row; end <= count; end += row) bytes[end - 1] = '\n';
}

static void lines(long bytes) {
    char line[LINE];
    fill(line, LINE, LINE);
    for (long at = 0; at < bytes / LINE; at++) {
        put_number(line, at);
        say(line, LINE);
    }
}

static void blocks(long bytes) {
    static char block[BLOCK];
    fill(block, BLOCK, ROW);
    for (long at = 0; at < bytes / BLOCK; at++) {
        for (int page = 0; page < BLOCK; page += PAGE) put_number(block + page, at);
        say(block, BLOCK);
    }
}

static void chatter(long rate) {
    char line[LINE];
    fill(line, LINE, LINE);
    struct timespec pause = {0, 1000000000 / rate};
    for (long at = 0;; at++) {
        put_number(line, at);
        say(line, LINE);
        nanosleep(&pause, NULL);
    }
}

int main(void) {
    const char *mode = getenv("BENCH_MODE");
    sigset_t go;
    sigemptyset(&go);
    sigaddset(&go, SIGUSR1);
    sigprocmask(SIG_BLOCK, &go, NULL);
    stamps = open(getenv("BENCH_STAMPS"), O_WRONLY);
    stamp();
    if (*mode == 'c') chatter(number("BENCH_RATE"));
    int signal;
    sigwait(&go, &signal);
    (*mode == 'l' ? lines : blocks)(number("BENCH_BYTES"));
    stamp();
    for (;;) pause();
}
