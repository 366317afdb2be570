/*
 * The floor for logs: log (lines|blocks) PROGRAM FILE starts PROGRAM, and writes what it says to FILE, of 50 MB, with ten
 * backups FILE.1 and so on. lines: read(2) and write(2), lazily: when there is something, wait for more of it. blocks: splice(2).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT = 50 << 20, BACKUPS = 10, PIPE = 1 << 20 };

extern char **environ;
static const char *path;
static int file = -1;
static long size;

static void rotate(void) {
    char from[512], to[512];
    for (int number = BACKUPS - 1; number >= 0 && file >= 0; number--) {
        snprintf(from, sizeof from, number ? "%s.%d" : "%s", path, number);
        snprintf(to, sizeof to, "%s.%d", path, number + 1);
        rename(from, to);
    }
    if (file >= 0) close(file);
    file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    size = 0;
}

static void written(ssize_t count) {
    size += count;
    if (size >= LIMIT) rotate();
}

static void lines(int from) {
    static char buffer[65536];
    const struct timespec wait = {0, 2000000};
    for (;;) {
        ssize_t count = read(from, buffer, sizeof buffer);
        if (count <= 0 || write(file, buffer, count) != count) exit(1);
        written(count);
        /* Who does not wait reads every line by itself. */
        if (count < (ssize_t)sizeof buffer) nanosleep(&wait, NULL);
    }
}

static void blocks(int from) {
    for (;;) {
        ssize_t count = splice(from, NULL, file, NULL, size + PIPE > LIMIT ? LIMIT - size : PIPE, 0);
        if (count <= 0) exit(1);
        written(count);
    }
}

int main(int argc, char **argv) {
    int out[2];
    (void)argc;
    path = argv[3];
    rotate();
    if (pipe2(out, O_CLOEXEC)) return 1;
    fcntl(out[0], F_SETPIPE_SZ, PIPE);
    if (vfork() == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(out[1], 1);
        execve(argv[2], (char *[]){argv[2], NULL}, environ);
        _exit(127);
    }
    close(out[1]);
    (*argv[1] == 'l' ? lines : blocks)(out[0]);
}
