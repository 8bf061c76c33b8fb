/* WebSocket clients, one thread, epoll: as many conversations as asked for, each of which sends
 * its next message when the answer to the last one is done.
 *
 * load PORT CONVERSATIONS WARM_SECONDS SECONDS MESSAGE
 *
 * No conversation sends more than 40 messages a second: facades may refuse what no person types.
 *
 * Prints "connected", "measuring" and at the end one JSON object. With SECONDS 0 it only says
 * "connected". Either way it ends with its standard input. An answer of another number of chunks
 * than its message asked for is an error. */
#define _GNU_SOURCE
#include "timing.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

enum { CONNECTING = 200, EVENTS = 512, READ = 65536 };
static const double PAUSE = 0.025;

typedef struct {
  int fd, open, greeted, said, pausing;
  double asked;
  char *buffer;
  size_t used, size;
} conversation;

static conversation *all;
static int count, started, greeted, lost, port, poller, chunks_of_a_turn;
static int measuring, asking, pausing;
static uint64_t chunks, turns, errors, chunk_bytes, done_bytes;
static histogram first_chunk, whole_turn;
static unsigned char question[70000];
static size_t question_size;

/* A client's frames are masked (RFC 6455, section 5.3). */
static void make_question(const char *content) {
  char text[60000];
  size_t size = (size_t)snprintf(text, sizeof text, "{\"type\":\"message\",\"content\":\"%s\"}", content);
  const unsigned char mask[4] = {1, 2, 3, 4};
  size_t at = 0;
  question[at++] = 0x81;
  if (size < 126) {
    question[at++] = (unsigned char)(0x80 | size);
  } else {
    question[at++] = 0x80 | 126;
    question[at++] = (unsigned char)(size >> 8);
    question[at++] = (unsigned char)size;
  }
  memcpy(question + at, mask, 4);
  at += 4;
  for (size_t i = 0; i < size; i++) question[at + i] = (unsigned char)text[i] ^ mask[i & 3];
  question_size = at + size;
}

static void lose(conversation *c, const char *why) {
  if (lost++ < 3) fprintf(stderr, "a conversation was lost: %s (%s)\n", why, strerror(errno));
  close(c->fd);
  c->fd = -1;
}

static void ask(conversation *c) {
  c->asked = now();
  c->said = 0;
  if (send(c->fd, question, question_size, MSG_NOSIGNAL) != (ssize_t)question_size) lose(c, "send");
}

/* Ask again, but not too soon. */
static void ask_again(conversation *c) {
  if (!asking) return;
  if (now() - c->asked >= PAUSE) {
    ask(c);
  } else {
    c->pausing = 1;
    pausing++;
  }
}

static void ask_the_pausing(void) {
  double soonest = now() - PAUSE;
  for (int i = 0; i < count; i++) {
    conversation *c = &all[i];
    if (!c->pausing || c->asked > soonest) continue;
    c->pausing = 0;
    pausing--;
    if (c->fd >= 0) ask(c);
  }
}

static void begin(conversation *c) {
  c->fd = connected(port);
  if (c->fd < 0) {
    lose(c, "connect");
    return;
  }
  char head[256];
  int size = snprintf(head, sizeof head,
                      "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUpgrade: websocket\r\n"
                      "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                      "Sec-WebSocket-Version: 13\r\n\r\n", port);
  if (send(c->fd, head, (size_t)size, MSG_NOSIGNAL) != size) {
    lose(c, "send");
    return;
  }
  struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
  epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e);
}

static void frame(conversation *c, int opcode, const char *payload, size_t size) {
  size_t head = size < 48 ? size : 48;
  if (opcode == 9) {
    const unsigned char pong[6] = {0x8a, 0x80, 0, 0, 0, 0};
    if (send(c->fd, pong, sizeof pong, MSG_NOSIGNAL) != sizeof pong) lose(c, "pong");
  } else if (opcode == 8) {
    lose(c, "the server closed");
  } else if (!c->greeted) {
    c->greeted = 1;
    greeted++;
  } else if (memmem(payload, head, "\"chunk\"", 7)) {
    if (measuring) {
      chunks++;
      chunk_bytes += size;
      if (!c->said) note(&first_chunk, now() - c->asked);
    }
    c->said++;
  } else if (memmem(payload, head, "\"done\"", 6)) {
    if (c->said != chunks_of_a_turn && errors++ < 3)
      fprintf(stderr, "error: an answer of %d chunks instead of %d\n", c->said, chunks_of_a_turn);
    if (measuring) {
      turns++;
      done_bytes += size;
      note(&whole_turn, now() - c->asked);
    }
    ask_again(c);
  } else if (memmem(payload, head, "\"error\"", 7)) {
    if (errors++ < 3) fprintf(stderr, "error: %.*s\n", (int)(size > 300 ? 300 : size), payload);
    ask_again(c);
  }
}

static size_t frames(conversation *c) {
  size_t at = 0;
  if (!c->open) {
    char *end = memmem(c->buffer, c->used, "\r\n\r\n", 4);
    if (!end) return 0;
    if (strncmp(c->buffer, "HTTP/1.1 101", 12)) {
      lose(c, "no WebSocket");
      return 0;
    }
    c->open = 1;
    at = (size_t)(end + 4 - c->buffer);
  }
  while (c->fd >= 0 && c->used - at >= 2) {
    const unsigned char *p = (unsigned char *)c->buffer + at;
    size_t size = p[1] & 127, head = 2;
    if (size == 126) {
      if (c->used - at < 4) break;
      size = (size_t)p[2] << 8 | p[3];
      head = 4;
    } else if (size == 127) {
      if (c->used - at < 10) break;
      size = 0;
      for (int i = 2; i < 10; i++) size = size << 8 | p[i];
      head = 10;
    }
    if (c->used - at < head + size) break;
    frame(c, p[0] & 15, (const char *)p + head, size);
    at += head + size;
  }
  return at;
}

static void receive(conversation *c) {
  for (;;) {
    if (c->size - c->used < READ / 4) {
      c->size = c->size ? c->size * 2 : READ;
      c->buffer = realloc(c->buffer, c->size);
    }
    size_t room = c->size - c->used;
    ssize_t got = recv(c->fd, c->buffer + c->used, room, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) break;
    if (got <= 0) {
      lose(c, "receive");
      return;
    }
    c->used += (size_t)got;
    size_t taken = frames(c);
    if (c->fd < 0) return;
    memmove(c->buffer, c->buffer + taken, c->used - taken);
    c->used -= taken;
    if ((size_t)got < room) break;
  }
  if (!c->used) {
    free(c->buffer);
    c->buffer = NULL;
    c->size = 0;
  }
}

static void pump(double until, int connecting) {
  struct epoll_event events[EVENTS];
  for (;;) {
    double left = until - now();
    if (left <= 0) return;
    while (connecting && started < count && started - greeted - lost < CONNECTING) begin(&all[started++]);
    if (connecting && greeted + lost >= count) return;
    if (pausing) ask_the_pausing();
    int limit = pausing ? 1 : 100;
    int ready = epoll_wait(poller, events, EVENTS, left > limit * 1e-3 ? limit : (int)(left * 1000) + 1);
    for (int i = 0; i < ready; i++) {
      conversation *c = events[i].data.ptr;
      if (c->fd >= 0) receive(c);
    }
  }
}

int main(int argc, char **argv) {
  if (argc != 6) {
    fprintf(stderr, "usage: load PORT CONVERSATIONS WARM_SECONDS SECONDS MESSAGE\n");
    return 2;
  }
  port = atoi(argv[1]);
  count = atoi(argv[2]);
  double warm = atof(argv[3]), seconds = atof(argv[4]);
  make_question(argv[5]);
  chunks_of_a_turn = atoi(argv[5]);
  all = calloc((size_t)count, sizeof *all);
  poller = epoll_create1(0);
  pump(now() + 60, 1);
  printf("connected\n");
  fflush(stdout);
  if (seconds <= 0) {
    wait_for_the_end_of_input();
    return lost ? 1 : 0;
  }
  asking = 1;
  for (int i = 0; i < count; i++)
    if (all[i].fd >= 0) ask(&all[i]);
  pump(now() + warm, 0);
  printf("measuring\n");
  fflush(stdout);
  double cpu = own_cpu(), began = now();
  measuring = 1;
  pump(began + seconds, 0);
  double took = now() - began;
  printf("{\"seconds\": %.3f, \"chunks\": %llu, \"turns\": %llu, \"errors\": %llu, \"lost\": %d, "
         "\"load_cpu\": %.3f, \"first_chunk_p50_us\": %.0f, \"first_chunk_p99_us\": %.0f, "
         "\"turn_p99_us\": %.0f, \"chunk_bytes\": %.1f, \"done_bytes\": %.1f}\n",
         took, (unsigned long long)chunks, (unsigned long long)turns, (unsigned long long)errors, lost,
         (own_cpu() - cpu) / took, quantile(&first_chunk, .5), quantile(&first_chunk, .99),
         quantile(&whole_turn, .99), (double)chunk_bytes / (double)(chunks ? chunks : 1),
         (double)done_bytes / (double)(turns ? turns : 1));
  fflush(stdout);
  wait_for_the_end_of_input();
  return 0;
}
