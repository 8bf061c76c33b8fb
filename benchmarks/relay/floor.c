/* The floor: a WebSocket server that answers a message "N:US" with N chunks, one every US
 * microseconds or all at once, and relays nothing. What it costs, the kernel costs.
 *
 * floor PORT */
#define _GNU_SOURCE
#include "timing.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum { EVENTS = 512, MOST = 20000 };
static const char CHUNK[] =
    "{\"type\":\"chunk\",\"session_id\":\"01234567-89ab-cdef-0123-456789abcdef\",\"content\":"
    "\"The quick brown fox jumps over the lazy\",\"timestamp\":\"2026-01-01T00:00:00.000000Z\"}";
static const char DONE[] =
    "{\"type\":\"done\",\"session_id\":\"01234567-89ab-cdef-0123-456789abcdef\","
    "\"timestamp\":\"2026-01-01T00:00:00.000000Z\"}";
static const char UPGRADE[] =
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n";

typedef struct {
  int fd, open, left;
  double pause, next;
  size_t used;
  unsigned char buffer[1024];
} conversation;

static conversation *talking[MOST];
static int talkers;
static char chunk_frame[512], done_frame[512];
static size_t chunk_size, done_size;

static size_t make_frame(char *out, const char *text) {
  size_t size = strlen(text), at = 0;
  out[at++] = (char)0x81;
  if (size < 126) {
    out[at++] = (char)size;
  } else {
    out[at++] = 126;
    out[at++] = (char)(size >> 8);
    out[at++] = (char)size;
  }
  memcpy(out + at, text, size);
  return at + size;
}

static void say(conversation *c, const char *data, size_t size) {
  if (send(c->fd, data, size, MSG_NOSIGNAL) < 0 && errno != EAGAIN) c->left = 0;
}

static void answer(conversation *c, const unsigned char *text, size_t size) {
  int count = 0, us = 0;
  const char *content = memmem(text, size, "content\":\"", 10);
  if (content) sscanf(content + 10, "%d:%d", &count, &us);
  if (us && talkers < MOST) {
    c->left = count;
    c->pause = us * 1e-6;
    c->next = now();
    talking[talkers++] = c;
    return;
  }
  for (int i = 0; i < count; i++) say(c, chunk_frame, chunk_size);
  say(c, done_frame, done_size);
}

static void receive(conversation *c) {
  ssize_t got = recv(c->fd, c->buffer + c->used, sizeof c->buffer - c->used, MSG_DONTWAIT);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    close(c->fd);
    c->fd = -1;
    if (!c->left) free(c);
    return;
  }
  c->used += (size_t)got;
  if (!c->open) {
    if (!memmem(c->buffer, c->used, "\r\n\r\n", 4)) return;
    c->open = 1;
    c->used = 0;
    say(c, UPGRADE, sizeof UPGRADE - 1);
    say(c, done_frame, done_size);
    return;
  }
  while (c->used >= 6) {
    size_t size = c->buffer[1] & 127;
    if (c->used < 6 + size) return;
    for (size_t i = 0; i < size; i++) c->buffer[6 + i] ^= c->buffer[2 + (i & 3)];
    answer(c, c->buffer + 6, size);
    memmove(c->buffer, c->buffer + 6 + size, c->used - 6 - size);
    c->used -= 6 + size;
  }
}

static void tick(void) {
  double t = now();
  for (int i = 0; i < talkers; i++) {
    conversation *c = talking[i];
    if (c->next > t) continue;
    if (c->fd < 0) {
      talking[i--] = talking[--talkers];
      free(c);
      continue;
    }
    say(c, chunk_frame, chunk_size);
    c->next += c->pause;
    if (--c->left <= 0) {
      say(c, done_frame, done_size);
      talking[i--] = talking[--talkers];
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: floor PORT\n");
    return 2;
  }
  int one = 1, listener = listening(atoi(argv[1])), poller = epoll_create1(0);
  chunk_size = make_frame(chunk_frame, CHUNK);
  done_size = make_frame(done_frame, DONE);
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  epoll_ctl(poller, EPOLL_CTL_ADD, listener, &e);
  printf("up\n");
  fflush(stdout);
  for (;;) {
    int ready = epoll_wait(poller, events, EVENTS, talkers ? 1 : 100);
    for (int i = 0; i < ready; i++) {
      conversation *c = events[i].data.ptr;
      if (c) {
        receive(c);
        continue;
      }
      c = calloc(1, sizeof *c);
      c->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
      setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      struct epoll_event client = {.events = EPOLLIN, .data.ptr = c};
      epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &client);
    }
    if (talkers) tick();
  }
}
