// The server behind every proxy of the benchmark: one thread, epoll, answers prepared beforehand, so that it costs a
// small part of what the proxies cost. It trusts its peers: only the benchmark ever talks to it.
//
// usage: upstream PORT     listens on 127.0.0.1
//
// Path "/10k…" is answered with 10 KB, "/1m…" with 1 MB, anything else with 70 bytes. A request body must have a
// content-length and is read whole before the answer.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { INPUT_BYTES_MAX = 32 * 1024, EVENTS_MAX = 256, BACKLOG = 4096 };

struct answer {
  char *bytes;
  size_t length;
};

struct connection {
  int fd;
  size_t input_length;
  size_t body_left;
  const struct answer *answer; // What the request being read asked for.
  const char *output;
  size_t output_left;
  char input[INPUT_BYTES_MAX];
};

static struct answer small, medium, large;
static int poller;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static struct answer prepare(size_t body_length) {
  char head[256];
  int head_length = snprintf(head, sizeof head,
                             "HTTP/1.1 200 OK\r\n"
                             "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                             "content-type: text/plain\r\n"
                             "content-length: %zu\r\n"
                             "\r\n",
                             body_length);
  struct answer answer = {malloc((size_t)head_length + body_length), (size_t)head_length + body_length};
  if (answer.bytes == NULL) fail("malloc");
  memcpy(answer.bytes, head, (size_t)head_length);
  memset(answer.bytes + head_length, 'h', body_length);
  return answer;
}

static void watch(struct connection *connection, uint32_t events, int operation) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  if (epoll_ctl(poller, operation, connection->fd, &event) != 0) fail("epoll_ctl");
}

static void destroy(struct connection *connection) {
  close(connection->fd);
  free(connection);
}

/** False when the connection is gone. */
static bool flush(struct connection *connection) {
  while (connection->output_left > 0) {
    ssize_t sent = send(connection->fd, connection->output, connection->output_left, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EAGAIN) break;
      destroy(connection);
      return false;
    }
    connection->output += sent;
    connection->output_left -= (size_t)sent;
  }
  return true;
}

static void consume(struct connection *connection, size_t length) {
  connection->input_length -= length;
  memmove(connection->input, connection->input + length, connection->input_length);
}

static size_t content_length(const char *head, size_t length) {
  const char *end = head + length;
  for (const char *line = head; line != NULL && line < end;) {
    if (strncasecmp(line, "content-length:", 15) == 0) return strtoul(line + 15, NULL, 10);
    line = memchr(line, '\n', (size_t)(end - line));
    if (line != NULL) line += 1;
  }
  return 0;
}

static const struct answer *choose(const char *head) {
  const char *path = strchr(head, ' ');
  if (path == NULL) return &small;
  if (strncmp(path, " /10k", 5) == 0) return &medium;
  if (strncmp(path, " /1m", 4) == 0) return &large;
  return &small;
}

/** True when a whole head was taken from the input. */
static bool read_head(struct connection *connection) {
  const char *end = memmem(connection->input, connection->input_length, "\r\n\r\n", 4);
  if (end == NULL) return false;
  size_t length = (size_t)(end - connection->input) + 4;
  connection->answer = choose(connection->input);
  connection->body_left = content_length(connection->input, length);
  consume(connection, length);
  return true;
}

/** Reads and answers what has arrived; false when the connection is gone. */
static bool serve(struct connection *connection) {
  while (connection->output_left == 0) {
    if (connection->answer == NULL && !read_head(connection)) {
      if (connection->input_length < INPUT_BYTES_MAX) return true;
      destroy(connection);
      return false;
    }
    size_t taken = connection->body_left < connection->input_length ? connection->body_left : connection->input_length;
    consume(connection, taken);
    connection->body_left -= taken;
    if (connection->body_left > 0) return true;
    connection->output = connection->answer->bytes;
    connection->output_left = connection->answer->length;
    connection->answer = NULL;
    if (!flush(connection)) return false;
  }
  watch(connection, EPOLLOUT, EPOLL_CTL_MOD);
  return true;
}

static void handle(struct connection *connection, uint32_t events) {
  if (events & EPOLLOUT) {
    if (!flush(connection) || connection->output_left > 0) return;
    watch(connection, EPOLLIN, EPOLL_CTL_MOD);
    serve(connection);
    return;
  }
  size_t room = INPUT_BYTES_MAX - connection->input_length;
  ssize_t received = recv(connection->fd, connection->input + connection->input_length, room, 0);
  if (received < 0 && errno == EAGAIN) return;
  if (received <= 0) {
    destroy(connection);
    return;
  }
  connection->input_length += (size_t)received;
  serve(connection);
}

static void accept_all(int listener) {
  for (;;) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection *connection = calloc(1, sizeof *connection);
    if (connection == NULL) fail("calloc");
    connection->fd = fd;
    watch(connection, EPOLLIN, EPOLL_CTL_ADD);
  }
}

static int listen_on(int port) {
  int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0) fail("bind");
  if (listen(listener, BACKLOG) != 0) fail("listen");
  return listener;
}

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: upstream PORT\n");
    return 2;
  }
  small = prepare(70);
  medium = prepare(10 * 1024);
  large = prepare(1024 * 1024);
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) fail("epoll_create1");
  int listener = listen_on(atoi(argv[1]));
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event) != 0) fail("epoll_ctl");
  for (;;) {
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(poller, events, EVENTS_MAX, -1);
    for (int i = 0; i < count; i += 1) {
      if (events[i].data.ptr == NULL) accept_all(listener);
      else handle(events[i].data.ptr, events[i].events);
    }
  }
}
