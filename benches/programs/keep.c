/*
 * The floor for starting, keeping and stopping: only the system calls. keep COUNT PROGRAM starts PROGRAM so many times, and again
 * when one ends; at SIGTERM it ends them, those that are still there after two seconds with SIGKILL, and itself.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PIDS = 1 << 22 };

extern char **environ;
static int count;
static volatile pid_t *children;
static int slot_of[PIDS];
static volatile sig_atomic_t stopping;

static void signal_all(int signal) {
    for (int slot = 0; slot < count; slot++)
        if (children[slot] > 0) kill(children[slot], signal);
}

static void stop(int signal) {
    (void)signal;
    stopping = 1;
    signal_all(SIGTERM);
    alarm(2);
}

static void force(int signal) {
    (void)signal;
    signal_all(SIGKILL);
}

static void start(int slot, char **command) {
    pid_t pid = vfork();
    if (pid == 0) {
        execve(command[0], command, environ);
        _exit(127);
    }
    slot_of[pid] = slot;
    children[slot] = pid;
    /* The signal may have come between the last look and the vfork. */
    if (stopping) kill(pid, SIGTERM);
}

int main(int argc, char **argv) {
    count = atoi(argv[1]);
    children = calloc(count, sizeof *children);
    sigaction(SIGTERM, &(struct sigaction){.sa_handler = stop}, NULL);
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = force}, NULL);
    (void)argc;
    for (int slot = 0; slot < count && !stopping; slot++) start(slot, argv + 2);
    for (;;) {
        pid_t pid = waitpid(-1, NULL, 0);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) return 0;
        children[slot_of[pid]] = 0;
        if (!stopping) start(slot_of[pid], argv + 2);
    }
}
