// The generator of new TLS connections: every process connects, shakes hands, asks once, reads the answer and closes,
// again and again. One process for each connection that is open at a time: what it waits for is the proxy.
//
// usage: handshakes --port P --connections N --duration-ms D --log-file FILE [--resume]
//
// --resume offers the latest session that was given; without it every handshake is a full one. FILE gets a line for
// each connection, as h2load's --log-file: start in microseconds since the epoch, status (-1: failed), microseconds.
// Prints how many handshakes were resumed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char request[] = "GET /get HTTP/1.1\r\nHost: shop.default\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\r\n";

static int port, connections, log_file;
static bool resume;
static uint64_t duration;
static SSL_SESSION *session;

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (uint64_t)time.tv_sec * 1000000 + (uint64_t)time.tv_nsec / 1000;
}

/** TLS 1.3 tickets come after the handshake, with the answer. */
static int keep_session(SSL *ssl, SSL_SESSION *fresh) {
  (void)ssl;
  SSL_SESSION_free(session);
  session = fresh;
  return 1;
}

/** A copy: OpenSSL uses a ticket only once, and not every server gives a new one when it resumes. */
static void offer_session(SSL *ssl) {
  if (!resume || session == NULL) return;
  SSL_SESSION *copy = SSL_SESSION_dup(session);
  if (copy == NULL || SSL_set_session(ssl, copy) != 1) exit(1);
  SSL_SESSION_free(copy);
}

/** Every process has a source address of its own: the ports of one would run out. */
static int connect_from(int number) {
  int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + (uint32_t)number)};
  struct sockaddr_in peer = {
      .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (fd < 0) fail("socket");
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&own, sizeof own) == 0 && connect(fd, (struct sockaddr *)&peer, sizeof peer) == 0) return fd;
  close(fd);
  return -1;
}

/** The status of the answer, or -1. The answer of 70 bytes is whole with its head: both come in one record. */
static int ask(SSL *ssl) {
  char answer[4096];
  if (SSL_connect(ssl) != 1 || SSL_write(ssl, request, sizeof request - 1) <= 0) return -1;
  int length = SSL_read(ssl, answer, sizeof answer - 1);
  if (length < 12) return -1;
  answer[length] = 0;
  return strncmp(answer, "HTTP/1.1 ", 9) == 0 ? atoi(answer + 9) : -1;
}

static void run(SSL_CTX *context, int number, uint64_t end, long *resumed) {
  for (uint64_t start = now(); start < end; start = now()) {
    int status = -1, fd = connect_from(number);
    if (fd >= 0) {
      SSL *ssl = SSL_new(context);
      if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) exit(1);
      offer_session(ssl);
      status = ask(ssl);
      if (SSL_session_reused(ssl)) __atomic_add_fetch(resumed, 1, __ATOMIC_RELAXED);
      SSL_shutdown(ssl);
      SSL_free(ssl);
      close(fd);
    }
    char line[80];
    int length = snprintf(line, sizeof line, "%lu\t%d\t%lu\n", start, status, now() - start);
    if (write(log_file, line, (size_t)length) != length) fail("log file");
    if (status == -1) usleep(1000); // A proxy that refuses everything is not to be hammered.
  }
}

static void parse_options(int argc, char **argv) {
  static const struct option names[] = {{"port", 1, NULL, 'p'},     {"connections", 1, NULL, 'c'}, {"duration-ms", 1, NULL, 'd'},
                                        {"log-file", 1, NULL, 'l'}, {"resume", 0, NULL, 'r'},      {0}};
  for (int name; (name = getopt_long(argc, argv, "", names, NULL)) != -1;) {
    switch (name) {
      case 'p': port = atoi(optarg); break;
      case 'c': connections = atoi(optarg); break;
      case 'd': duration = strtoull(optarg, NULL, 10) * 1000; break;
      case 'l': log_file = open(optarg, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600); break;
      case 'r': resume = true; break;
      default: exit(2);
    }
  }
  if (port == 0 || connections == 0 || duration == 0 || log_file <= 0) {
    fprintf(stderr, "handshakes: --port, --connections, --duration-ms and --log-file are needed\n");
    exit(2);
  }
}

int main(int argc, char **argv) {
  parse_options(argc, argv);
  long *resumed = mmap(NULL, sizeof *resumed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  SSL_CTX *context = SSL_CTX_new(TLS_client_method());
  if (resumed == MAP_FAILED || context == NULL) fail("start");
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
  uint64_t end = now() + duration;
  for (int number = 0; number < connections; number += 1) {
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child > 0) continue;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    run(context, number, end, resumed);
    exit(0);
  }
  int failed = 0;
  for (int status; wait(&status) > 0;) failed += status != 0;
  printf("resumed %ld\n", *resumed);
  return failed > 0;
}
