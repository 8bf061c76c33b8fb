/* Function calls over kept connections, one thread, epoll: each connection sends its next POST when
 * the answer to the last one is whole.
 *
 * calls PORT CONNECTIONS WARM_SECONDS SECONDS PATH BODY EXPECTED
 *
 * An answer that is not 200 or does not contain EXPECTED is an error. Prints "connected",
 * "measuring" and at the end one JSON object. */
#define _GNU_SOURCE
#include "timing.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

enum { EVENTS = 512, ANSWER = 16384 };

typedef struct {
  int fd;
  double asked;
  size_t used;
  char buffer[ANSWER + 1];
} connection;

static char request[ANSWER];
static size_t request_size;
static const char *expected;
static int measuring, lost, poller;
static uint64_t calls, errors;
static histogram answered;

static void lose(connection *c, const char *why) {
  if (lost++ < 3) fprintf(stderr, "a connection was lost: %s (%s)\n", why, strerror(errno));
  close(c->fd);
  c->fd = -1;
}

static void ask(connection *c) {
  c->asked = now();
  c->used = 0;
  if (send(c->fd, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size) lose(c, "send");
}

/* The size of a whole answer, 0 while some of it is missing. */
static size_t answer_size(connection *c) {
  const char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
  if (!end) return 0;
  const char *length = strcasestr(c->buffer, "\r\ncontent-length:");
  if (!length || length > end) {
    lose(c, "an answer without Content-Length");
    return 0;
  }
  size_t size = (size_t)(end + 4 - c->buffer) + strtoul(length + 17, NULL, 10);
  if (size > ANSWER) lose(c, "an answer that is too long");
  return size <= c->used ? size : 0;
}

static void receive(connection *c) {
  ssize_t got = recv(c->fd, c->buffer + c->used, ANSWER - c->used, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    lose(c, "receive");
    return;
  }
  c->used += (size_t)got;
  c->buffer[c->used] = 0;
  if (!answer_size(c)) return;
  if (strncmp(c->buffer, "HTTP/1.1 200", 12) || !strstr(c->buffer, expected)) {
    if (errors++ < 3) fprintf(stderr, "error: %.400s\n", c->buffer);
  } else if (measuring) {
    calls++;
    note(&answered, now() - c->asked);
  }
  ask(c);
}

static void pump(double until) {
  struct epoll_event events[EVENTS];
  for (double left; (left = until - now()) > 0;) {
    int ready = epoll_wait(poller, events, EVENTS, left > 0.1 ? 100 : (int)(left * 1000) + 1);
    for (int i = 0; i < ready; i++) {
      connection *c = events[i].data.ptr;
      if (c->fd >= 0) receive(c);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 8) {
    fprintf(stderr, "usage: calls PORT CONNECTIONS WARM_SECONDS SECONDS PATH BODY EXPECTED\n");
    return 2;
  }
  int port = atoi(argv[1]), count = atoi(argv[2]);
  double warm = atof(argv[3]), seconds = atof(argv[4]);
  expected = argv[7];
  request_size = (size_t)snprintf(
      request, sizeof request,
      "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
      "Content-Length: %zu\r\n\r\n%s", argv[5], port, strlen(argv[6]), argv[6]);
  connection *all = calloc((size_t)count, sizeof *all);
  poller = epoll_create1(0);
  for (int i = 0; i < count; i++) {
    all[i].fd = connected(port);
    if (all[i].fd < 0) {
      perror("connect");
      return 1;
    }
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
    epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &e);
  }
  printf("connected\n");
  fflush(stdout);
  for (int i = 0; i < count; i++) ask(&all[i]);
  pump(now() + warm);
  printf("measuring\n");
  fflush(stdout);
  double cpu = own_cpu(), began = now();
  measuring = 1;
  pump(began + seconds);
  double took = now() - began;
  printf("{\"seconds\": %.3f, \"calls\": %llu, \"errors\": %llu, \"lost\": %d, \"load_cpu\": %.3f, "
         "\"call_p50_us\": %.0f, \"call_p99_us\": %.0f}\n",
         took, (unsigned long long)calls, (unsigned long long)errors, lost, (own_cpu() - cpu) / took,
         quantile(&answered, .5), quantile(&answered, .99));
  fflush(stdout);
  wait_for_the_end_of_input();
  return 0;
}
