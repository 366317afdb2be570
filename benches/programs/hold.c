/*
 * The floor for memory and idleness: hold COUNT PROGRAM DIRECTORY starts PROGRAM so many times, each with two pipes whose ends are
 * read with epoll and written to two log files. At SIGTERM it ends, and they with it.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

extern char **environ;

static void stream(int epoll, const char *directory, int number, int from) {
    char name[256];
    snprintf(name, sizeof name, "%s/%d.log", directory, number);
    int log = open(name, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = (unsigned long)from << 32 | log};
    epoll_ctl(epoll, EPOLL_CTL_ADD, from, &event);
}

static void start(int out, int err, char **argv) {
    if (vfork()) return;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(out, 1);
    dup2(err, 2);
    execve(argv[2], argv + 2, environ);
    _exit(127);
}

int main(int argc, char **argv) {
    int count = atoi(argv[1]), epoll = epoll_create1(EPOLL_CLOEXEC);
    (void)argc;
    for (int number = 0; number < count; number++) {
        int out[2], err[2];
        if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) return 1;
        start(out[1], err[1], argv);
        close(out[1]);
        close(err[1]);
        stream(epoll, argv[3], 2 * number, out[0]);
        stream(epoll, argv[3], 2 * number + 1, err[0]);
    }
    static char buffer[65536];
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, -1) < 1) continue;
        ssize_t size = read(event.data.u64 >> 32, buffer, sizeof buffer);
        if (size <= 0) close(event.data.u64 >> 32);
        else if (write((int)event.data.u64, buffer, size) != size) return 1;
    }
}
