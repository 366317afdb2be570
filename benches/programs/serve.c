/*
 * The floor for answers: serve SOCKET SIZE answers each request with the same SIZE bytes. A request is what one read(2) gives.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char *answer;
static size_t length;

static void serve(int client) {
    char request[4096];
    if (read(client, request, sizeof request) <= 0) {
        close(client);
        return;
    }
    for (size_t at = 0; at < length;) {
        ssize_t count = write(client, answer + at, length - at);
        if (count < 0) return;
        at += count;
    }
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = atol(argv[2]);
    (void)argc;
    signal(SIGPIPE, SIG_IGN);
    answer = malloc(size + 256);
    length = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %zu\r\n\r\n", size);
    memset(answer + length, 'x', size);
    length += size;
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), epoll = epoll_create1(0);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 128)) return 1;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
    for (;;) {
        struct epoll_event event;
        if (epoll_wait(epoll, &event, 1, -1) < 1) continue;
        if (event.data.fd != listener) {
            serve(event.data.fd);
            continue;
        }
        int client = accept(listener, NULL, NULL);
        epoll_ctl(epoll, EPOLL_CTL_ADD, client, &(struct epoll_event){.events = EPOLLIN, .data.fd = client});
    }
}
