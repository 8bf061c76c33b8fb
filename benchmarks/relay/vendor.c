/* A model's server: chat completions, streamed. It answers a request whose last message is "N:US"
 * with N chunks of 39 characters, one every US microseconds by the clock, each an event and a write
 * of its own as models talk.
 *
 * vendor PORT */
#define _GNU_SOURCE
#include "timing.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>

enum { EVENTS = 512, MOST = 20000, PIECE = 1024 };

#define EVENT(choices, usage)                                                                     \
  "data: {\"id\":\"chatcmpl-0123456789abcdefghijklmnopqrs\",\"object\":\"chat.completion.chunk\"," \
  "\"created\":1790000000,\"model\":\"scripted\",\"service_tier\":\"default\","                    \
  "\"system_fingerprint\":\"fp_0123456789\",\"choices\":" choices ",\"usage\":" usage "}\n\n"
#define DELTA(delta, finish) \
  "[{\"index\":0,\"delta\":" delta ",\"logprobs\":null,\"finish_reason\":" finish "}]"

static const char HEAD[] =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    "Transfer-Encoding: chunked\r\n\r\n";
static const char ROLE[] = EVENT(DELTA("{\"role\":\"assistant\",\"content\":\"\"}", "null"), "null");
static const char WORDS[] =
    EVENT(DELTA("{\"content\":\"The quick brown fox jumps over the lazy\"}", "null"), "null");
static const char END[] = EVENT(DELTA("{}", "\"stop\""), "null") EVENT(
    "[]", "{\"prompt_tokens\":40,\"completion_tokens\":100,\"total_tokens\":140}") "data: [DONE]\n\n";

typedef struct {
  int fd, left, wanted;
  double pause, next;
  size_t used, size;
  char *buffer;
} connection;

static connection *talking[MOST];
static int talkers;
static char first[PIECE], words[PIECE], last[2 * PIECE];
static size_t first_size, words_size, last_size;

static size_t chunk(char *out, size_t room, const char *head, const char *text, const char *tail) {
  return (size_t)snprintf(out, room, "%s%zx\r\n%s\r\n%s", head, strlen(text), text, tail);
}

static void hang_up(connection *c) {
  close(c->fd);
  c->fd = -1;
}

static void say(connection *c, const char *data, size_t size) {
  if (c->fd >= 0 && send(c->fd, data, size, MSG_NOSIGNAL) != (ssize_t)size) hang_up(c);
}

/* What the last message that is of the form asks for; the history stands before it. */
static int asked(const char *body, int *us) {
  int count = 0, number, pause;
  for (const char *at = body; (at = strstr(at, "\"content\":\"")); at += 11)
    if (sscanf(at + 11, "%d:%d", &number, &pause) == 2) count = number, *us = pause;
  return count;
}

static void answer(connection *c, const char *body) {
  int us = 0;
  c->left = asked(body, &us);
  if (!c->left || talkers == MOST) {
    fprintf(stderr, "vendor: expected a message \"N:US\" in %.300s\n", body);
    hang_up(c);
    return;
  }
  c->pause = us * 1e-6;
  c->next = now();
  say(c, first, first_size);
  talking[talkers++] = c;
}

static void receive(connection *c) {
  if (c->size - c->used < 4096) {
    c->size = c->size ? c->size * 2 : 16384;
    c->buffer = realloc(c->buffer, c->size);
  }
  ssize_t got = recv(c->fd, c->buffer + c->used, c->size - c->used - 1, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    hang_up(c);
    if (!c->left) free(c->buffer), free(c);
    return;
  }
  c->used += (size_t)got;
  c->buffer[c->used] = 0;
  const char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
  const char *length = strcasestr(c->buffer, "\r\ncontent-length:");
  if (!end || !length || length > end) return;
  size_t head = (size_t)(end + 4 - c->buffer);
  if (c->used < head + strtoul(length + 17, NULL, 10)) return;
  c->used = 0;
  answer(c, c->buffer + head);
}

static void tick(void) {
  double t = now();
  for (int i = 0; i < talkers; i++) {
    connection *c = talking[i];
    if (c->fd >= 0 && c->next > t) continue;
    if (c->left) say(c, words, words_size), c->left--;
    c->next += c->pause;
    if (c->left && c->fd >= 0) continue;
    talking[i--] = talking[--talkers];
    say(c, last, last_size);
    if (c->fd < 0) free(c->buffer), free(c);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: vendor PORT\n");
    return 2;
  }
  int one = 1, listener = listening(atoi(argv[1])), poller = epoll_create1(0);
  first_size = chunk(first, sizeof first, HEAD, ROLE, "");
  words_size = chunk(words, sizeof words, "", WORDS, "");
  last_size = chunk(last, sizeof last, "", END, "0\r\n\r\n");
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
  printf("up\n");
  fflush(stdout);
  for (;;) {
    int ready = epoll_wait(poller, events, EVENTS, talkers ? 1 : 100);
    for (int i = 0; i < ready; i++) {
      connection *c = events[i].data.ptr;
      if (c) {
        receive(c);
        continue;
      }
      int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      if (fd < 0) continue;
      c = calloc(1, sizeof *c);
      c->fd = fd;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      struct epoll_event client = {.events = EPOLLIN, .data.ptr = c};
      epoll_ctl(poller, EPOLL_CTL_ADD, fd, &client);
    }
    if (talkers) tick();
  }
}
