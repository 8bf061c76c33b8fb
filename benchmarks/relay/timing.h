/* Clocks, a histogram, and a listening socket: what the programs of the bench have in common. */
#ifndef TIMING_H
#define TIMING_H
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUCKETS = 4096 };
static const double BUCKET = 0.005; /* buckets of half a percent, from 1 us on */

typedef struct {
  uint64_t buckets[BUCKETS], count;
} histogram;

static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline double own_cpu(void) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
         (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static inline void note(histogram *h, double seconds) {
  double us = seconds * 1e6;
  int bucket = us <= 1 ? 0 : (int)(log(us) / BUCKET);
  h->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
  h->count++;
}

static inline double quantile(const histogram *h, double q) {
  uint64_t seen = 0, wanted = (uint64_t)(q * (double)h->count);
  for (int i = 0; i < BUCKETS; i++) {
    seen += h->buckets[i];
    if (seen > wanted) return exp((i + 0.5) * BUCKET);
  }
  return 0;
}

static inline struct sockaddr_in loopback(int port) {
  struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return at;
}

/* Returns a connected socket without Nagle's delay, or -1. */
static inline int connected(int port) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in to = loopback(port);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to)) {
    close(fd);
    return -1;
  }
  return fd;
}

/* Returns a listening socket, or ends the program. */
static inline int listening(int port) {
  int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in at = loopback(port);
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) {
    perror("listen");
    exit(1);
  }
  return fd;
}

/* Whoever measures looks at the servers' memory before the clients go. */
static inline void wait_for_the_end_of_input(void) {
  char c;
  while (read(0, &c, 1) > 0) {
  }
}
#endif
