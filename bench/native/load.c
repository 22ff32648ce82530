// The load generator of the benchmark: HTTP/1.1 keep-alive over a fixed number of connections, one thread.
//
// Closed loop (no --rate): every connection sends its next request when the answer to the last one is whole.
// Open loop (--rate R): request i is due at i/R seconds, whatever the answers do, and its latency counts from the
// moment it was due, so a stall of the proxy is felt by every request that it delays, not only by those already sent.
//
// The CPU time of the processes named by --pids is read by this program itself at both ends of the measured window,
// so that no scheduling delay of another process lies between the window and what is counted in it.
//
// The busy time of whole cores (--cores) is read with it: what these processes did not use, somebody else did.
//
// usage: load --port P --connections N --warmup-ms W --duration-ms D --request FILE [--rate R] [--pids A,B] [--cores 0,1]
// Prints one JSON object.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES_MAX = 64 * 1024, REQUEST_BYTES_MAX = 64 * 1024, EVENTS_MAX = 256, PIDS_MAX = 64, CORES_MAX = 64 };
// Buckets of the latency histogram: 128 for each power of two nanoseconds, so a value is known to 0.8 %.
enum { BUCKET_BITS = 7, BUCKETS = 64 << BUCKET_BITS };

static const uint64_t SECOND = 1000000000;

struct connection {
  int fd;
  bool busy;
  bool last_answer; // The peer said "connection: close".
  uint64_t due;     // When the request in flight was sent, or should have been.
  const char *output;
  size_t output_left;
  size_t body_left;
  bool in_body;
  size_t input_length;
  char input[INPUT_BYTES_MAX];
};

static struct {
  int port;
  int connections;
  uint64_t warmup;
  uint64_t duration;
  double rate;
  int pids[PIDS_MAX];
  int pids_length;
  int cores[CORES_MAX];
  int cores_length;
} options;

static char request[REQUEST_BYTES_MAX];
static size_t request_length;

static struct connection *connections;
static int poller;
// Connections with nothing in flight, first in first out: an open loop then uses all of them in turn.
static struct connection **idle;
static size_t idle_head, idle_length;

static uint64_t started, window_begin, window_end;
static uint64_t issued; // Requests of the open loop sent so far: the next is due at started + issued / rate.
static uint64_t histogram[BUCKETS];
static uint64_t requests, bytes, errors, reconnects;
static uint64_t latency_sum, latency_max;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void refuse(const char *what) {
  fprintf(stderr, "load: %s\n", what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * SECOND + (uint64_t)time.tv_nsec;
}

// --- latency -------------------------------------------------------------------------------------------------------

static unsigned bucket_of(uint64_t value) {
  if (value < (1u << BUCKET_BITS)) return (unsigned)value;
  unsigned power = 63u - (unsigned)__builtin_clzll(value) - BUCKET_BITS;
  return (power << BUCKET_BITS) + (unsigned)(value >> power);
}

static double bucket_value(unsigned bucket) {
  if (bucket < (2u << BUCKET_BITS)) return bucket;
  unsigned power = (bucket >> BUCKET_BITS) - 1;
  uint64_t low = (uint64_t)((bucket & ((1u << BUCKET_BITS) - 1)) + (1u << BUCKET_BITS)) << power;
  return (double)low + (double)(1ull << power) / 2;
}

static double percentile_us(double part) {
  uint64_t wanted = (uint64_t)((double)requests * part), seen = 0;
  for (unsigned bucket = 0; bucket < BUCKETS; bucket += 1) {
    seen += histogram[bucket];
    if (seen > wanted) return bucket_value(bucket) / 1000;
  }
  return (double)latency_max / 1000;
}

static void record(uint64_t due, uint64_t at) {
  uint64_t counted_at = options.rate > 0 ? due : at;
  if (counted_at < window_begin || counted_at >= window_end) return;
  uint64_t latency = at - due;
  histogram[bucket_of(latency)] += 1;
  latency_sum += latency;
  if (latency > latency_max) latency_max = latency;
  requests += 1;
}

// --- connections ---------------------------------------------------------------------------------------------------

static void park(struct connection *connection) {
  connection->busy = false;
  idle[(idle_head + idle_length) % (size_t)options.connections] = connection;
  idle_length += 1;
}

static void open_connection(struct connection *connection) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0) fail("connect");
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  fcntl(fd, F_SETFL, O_NONBLOCK);
  connection->fd = fd;
  connection->last_answer = false;
  connection->in_body = false;
  connection->input_length = 0;
  connection->output_left = 0;
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) != 0) fail("epoll_ctl");
}

static void flush(struct connection *connection) {
  ssize_t sent = send(connection->fd, connection->output, connection->output_left, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) sent = 0; // The read that follows sees the close and counts it.
  if (sent > 0) {
    connection->output += sent;
    connection->output_left -= (size_t)sent;
  }
  bool waiting = connection->output_left > 0;
  static bool ever_waited = false;
  if (!waiting && !ever_waited) return;
  ever_waited = true;
  struct epoll_event event = {.events = waiting ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(poller, EPOLL_CTL_MOD, connection->fd, &event) != 0) fail("epoll_ctl");
}

static void start_request(struct connection *connection, uint64_t due) {
  connection->busy = true;
  connection->due = due;
  connection->output = request;
  connection->output_left = request_length;
  flush(connection);
}

static void replace(struct connection *connection, bool expected) {
  close(connection->fd);
  if (connection->busy && !expected) errors += 1;
  else reconnects += 1;
  bool was_busy = connection->busy;
  open_connection(connection);
  if (options.rate == 0) start_request(connection, now());
  else if (was_busy) park(connection);
}

// --- answers -------------------------------------------------------------------------------------------------------

static void finish(struct connection *connection) {
  uint64_t at = now();
  record(connection->due, at);
  if (connection->last_answer) {
    replace(connection, true);
    return;
  }
  if (options.rate == 0) start_request(connection, at);
  else park(connection);
}

/** Takes a whole head from the input; false while it is incomplete. */
static bool read_head(struct connection *connection) {
  char *end = memmem(connection->input, connection->input_length, "\r\n\r\n", 4);
  if (end == NULL) {
    if (connection->input_length == INPUT_BYTES_MAX) refuse("answer head too long");
    return false;
  }
  if (memcmp(connection->input, "HTTP/1.1 2", 10) != 0) {
    fprintf(stderr, "load: %.*s\n", (int)(end - connection->input), connection->input);
    refuse("answer is not 2xx");
  }
  bool framed = false;
  for (char *line = connection->input; line < end;) {
    if (strncasecmp(line, "content-length:", 15) == 0) {
      connection->body_left = strtoul(line + 15, NULL, 10);
      framed = true;
    }
    if (strncasecmp(line, "connection: close", 17) == 0) connection->last_answer = true;
    line = (char *)memchr(line, '\n', (size_t)(end + 4 - line)) + 1;
  }
  if (!framed) refuse("answer without content-length");
  size_t length = (size_t)(end - connection->input) + 4;
  connection->input_length -= length;
  memmove(connection->input, connection->input + length, connection->input_length);
  connection->in_body = true;
  return true;
}

static void read_answer(struct connection *connection) {
  if (!connection->in_body && !read_head(connection)) return;
  size_t taken =
      connection->body_left < connection->input_length ? connection->body_left : connection->input_length;
  if (taken < connection->input_length) refuse("bytes after the answer");
  connection->input_length = 0;
  connection->body_left -= taken;
  if (connection->body_left > 0) return;
  connection->in_body = false;
  finish(connection);
}

static void readable(struct connection *connection) {
  // The kernel drops the bytes of a long body itself: copying them here would only slow the generator down.
  bool dropping = connection->in_body && connection->body_left > 0;
  size_t room = INPUT_BYTES_MAX - connection->input_length;
  ssize_t received = dropping ? recv(connection->fd, NULL, connection->body_left, MSG_TRUNC)
                              : recv(connection->fd, connection->input + connection->input_length, room, 0);
  if (received < 0 && errno == EAGAIN) return;
  if (received <= 0) {
    replace(connection, false);
    return;
  }
  bytes += (uint64_t)received;
  if (dropping) {
    connection->body_left -= (size_t)received;
    if (connection->body_left > 0) return;
    connection->in_body = false;
    finish(connection);
    return;
  }
  if (!connection->busy) refuse("bytes without a request");
  connection->input_length += (size_t)received;
  read_answer(connection);
}

// --- the run -------------------------------------------------------------------------------------------------------

/** Sends what is due; answers how long nothing will be, or a long time when every connection is busy. */
static uint64_t send_due(uint64_t deadline) {
  if (options.rate == 0) {
    uint64_t at = now();
    return at < deadline ? deadline - at : 0;
  }
  while (idle_length > 0) {
    uint64_t at = now();
    uint64_t due = started + (uint64_t)((double)issued * (double)SECOND / options.rate);
    if (due >= window_end) break;
    if (due > at) return due - at;
    struct connection *connection = idle[idle_head];
    idle_head = (idle_head + 1) % (size_t)options.connections;
    idle_length -= 1;
    issued += 1;
    start_request(connection, due);
  }
  uint64_t at = now();
  return at < deadline ? deadline - at : 0;
}

static void run_until(uint64_t deadline) {
  while (now() < deadline) {
    uint64_t wait = send_due(deadline);
    uint64_t at = now();
    if (at + wait > deadline) wait = deadline > at ? deadline - at : 0;
    struct timespec timeout = {.tv_sec = (time_t)(wait / SECOND), .tv_nsec = (long)(wait % SECOND)};
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_pwait2(poller, events, EVENTS_MAX, &timeout, NULL);
    for (int i = 0; i < count; i += 1) {
      struct connection *connection = events[i].data.ptr;
      if (events[i].events & EPOLLOUT) flush(connection);
      if (events[i].events & ~(uint32_t)EPOLLOUT) readable(connection);
    }
  }
}

static double cpu_seconds(int pid) {
  char path[64], text[1024];
  snprintf(path, sizeof path, "/proc/%d/stat", pid);
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(path);
  size_t length = fread(text, 1, sizeof text - 1, file);
  fclose(file);
  text[length] = 0;
  // The name in parentheses may hold spaces; utime and stime are the 12th and 13th fields after it.
  char *field = strrchr(text, ')');
  for (int i = 0; field != NULL && i < 12; i += 1) field = strchr(field + 1, ' ');
  if (field == NULL) refuse("cannot read /proc/PID/stat");
  char *end;
  unsigned long user = strtoul(field, &end, 10), kernel = strtoul(end, NULL, 10);
  return (double)(user + kernel) / (double)sysconf(_SC_CLK_TCK);
}

/** Time of one core that was neither idle nor waiting for a disk. */
static double core_busy_seconds(int core) {
  char name[32], line[512];
  snprintf(name, sizeof name, "cpu%d ", core);
  FILE *file = fopen("/proc/stat", "r");
  if (file == NULL) fail("/proc/stat");
  unsigned long user = 0, nice = 0, kernel = 0, idle_time, waiting, interrupts = 0, soft = 0, stolen = 0;
  while (fgets(line, sizeof line, file) != NULL) {
    if (strncmp(line, name, strlen(name)) != 0) continue;
    sscanf(line + strlen(name), "%lu %lu %lu %lu %lu %lu %lu %lu", &user, &nice, &kernel, &idle_time, &waiting,
           &interrupts, &soft, &stolen);
  }
  fclose(file);
  return (double)(user + nice + kernel + interrupts + soft + stolen) / (double)sysconf(_SC_CLK_TCK);
}

static double busy_seconds(void) {
  double sum = 0;
  for (int i = 0; i < options.cores_length; i += 1) sum += core_busy_seconds(options.cores[i]);
  return sum;
}

static double own_cpu_seconds(void) {
  struct rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
         (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int parse_list(char *list, int *numbers, int length_max) {
  int length = 0;
  for (char *number = strtok(list, ","); number != NULL; number = strtok(NULL, ",")) {
    if (length == length_max) refuse("list too long");
    numbers[length++] = atoi(number);
  }
  return length;
}

static void read_request(const char *path) {
  FILE *file = fopen(path, "r");
  if (file == NULL) fail(path);
  request_length = fread(request, 1, sizeof request, file);
  fclose(file);
}

static void parse_options(int argc, char **argv) {
  static const struct option names[] = {
      {"port", 1, NULL, 'p'},    {"connections", 1, NULL, 'c'}, {"warmup-ms", 1, NULL, 'w'}, {"duration-ms", 1, NULL, 'd'},
      {"request", 1, NULL, 'f'}, {"rate", 1, NULL, 'r'},        {"pids", 1, NULL, 'i'},      {"cores", 1, NULL, 'o'},
      {0}};
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (name) {
      case 'p': options.port = atoi(optarg); break;
      case 'c': options.connections = atoi(optarg); break;
      case 'w': options.warmup = strtoull(optarg, NULL, 10) * 1000000; break;
      case 'd': options.duration = strtoull(optarg, NULL, 10) * 1000000; break;
      case 'f': read_request(optarg); break;
      case 'r': options.rate = strtod(optarg, NULL); break;
      case 'i': options.pids_length = parse_list(optarg, options.pids, PIDS_MAX); break;
      case 'o': options.cores_length = parse_list(optarg, options.cores, CORES_MAX); break;
      default: exit(2);
    }
  }
  if (options.port == 0 || options.connections == 0 || options.duration == 0 || request_length == 0) {
    refuse("--port, --connections, --duration-ms and --request are needed");
  }
}

static void report(double seconds, const double *cpu, double own, double busy) {
  printf("{\"requests\":%lu,\"seconds\":%.6f,\"bytes\":%lu,\"errors\":%lu,\"reconnects\":%lu,", requests, seconds, bytes,
         errors, reconnects);
  printf("\"busySeconds\":%.3f,\"generatorCpuSeconds\":%.6f,\"cpuSeconds\":[", busy, own);
  for (int i = 0; i < options.pids_length; i += 1) printf("%s%.3f", i > 0 ? "," : "", cpu[i]);
  // What was due and not answered in time would otherwise flatter the percentiles silently.
  double due = options.rate * (double)options.duration / (double)SECOND;
  double unanswered = due > (double)requests + 1 ? due - (double)requests : 0;
  double mean = requests > 0 ? (double)latency_sum / (double)requests / 1000 : 0;
  printf("],\"unanswered\":%.0f,", unanswered);
  printf("\"latencyUs\":{\"mean\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}}\n", mean,
         percentile_us(0.5), percentile_us(0.99), percentile_us(0.999), (double)latency_max / 1000);
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  prctl(PR_SET_TIMERSLACK, 1); // The default of 50 µs would be counted as latency of the proxy.
  poller = epoll_create1(EPOLL_CLOEXEC);
  connections = calloc((size_t)options.connections, sizeof *connections);
  idle = calloc((size_t)options.connections, sizeof *idle);
  if (poller < 0 || connections == NULL || idle == NULL) fail("start");
  for (int i = 0; i < options.connections; i += 1) open_connection(&connections[i]);

  started = now();
  window_begin = started + options.warmup;
  window_end = window_begin + options.duration;
  for (int i = 0; i < options.connections; i += 1) {
    if (options.rate == 0) start_request(&connections[i], now());
    else park(&connections[i]);
  }
  run_until(window_begin);
  double before[PIDS_MAX], cpu[PIDS_MAX], own = own_cpu_seconds(), busy = busy_seconds();
  for (int i = 0; i < options.pids_length; i += 1) before[i] = cpu_seconds(options.pids[i]);
  uint64_t begun = now();
  bytes = 0;
  run_until(window_end);
  for (int i = 0; i < options.pids_length; i += 1) cpu[i] = cpu_seconds(options.pids[i]) - before[i];
  own = own_cpu_seconds() - own;
  busy = busy_seconds() - busy;
  double seconds = (double)(now() - begun) / (double)SECOND;
  // Requests of the open loop that were due in the window and are still unanswered count once they are answered.
  if (options.rate > 0) run_until(now() + SECOND / 4);
  report(seconds, cpu, own, busy);
  return 0;
}
