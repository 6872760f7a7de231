/*
 * What the wire alone can carry: floods Ethernet frames one way between two interfaces and counts
 * those that arrive. The cheapest thing that user space can do with a packet socket (sendmmsg and
 * recvmmsg in C, no protocol, no answers), so it is the ceiling for anything that goes through one.
 *
 *   raw-ceiling SENDER NETNS RECEIVER NETNS FRAME_BYTES SECONDS
 *
 * Each interface is followed by the file of its network namespace (/proc/PID/ns/net). FRAME_BYTES
 * counts from the destination address to the last byte, without the check sum. After a warm-up of
 * 0.1 s it counts for SECONDS, then prints one line of JSON.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
  MAC_BYTES = 6,
  ETHER_TYPE_OFFSET = 12,
  ETHER_TYPE = 0xaaaa,
  /* MAC header 14, TLoE header 8, message header 8, address 8, frame mask 8: a write of one access. */
  OVERHEAD_BYTES = 46,
  MAX_FRAME_BYTES = 9014,
  BATCH_FRAMES = 64,
  SOCKET_BUFFER_BYTES = 16 << 20,
  WARM_UP_MILLIS = 100,
};

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* One end of the flood. Only its thread touches it, but for `frames` and `should_stop`. */
struct end {
  int socket;
  int index;
  unsigned char mac[MAC_BYTES];
  size_t frame_bytes;
  unsigned char *memory;
  struct mmsghdr messages[BATCH_FRAMES];
  struct iovec windows[BATCH_FRAMES];
  _Atomic unsigned long long frames;
  atomic_bool should_stop;
};

/* A reading of both counters at one moment. */
struct reading {
  double seconds;
  unsigned long long sent;
  unsigned long long arrived;
};

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void fail(const char *format, ...) {
  int error = errno;
  va_list arguments;
  va_start(arguments, format);
  fputs("raw-ceiling: ", stderr);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, error == 0 ? "\n" : ": %s\n", strerror(error));
  exit(1);
}

static int open_namespace(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("%s", path);
  return file;
}

/* From here on, this thread makes its sockets in that namespace. */
static void enter_namespace(int file) {
  if (setns(file, CLONE_NEWNET) != 0) fail("entering a network namespace");
  close(file);
}

/* Asks for a large buffer past the system's limit, and within it where that is not allowed. */
static void enlarge_buffer(int socket, int forced, int ordinary) {
  int bytes = SOCKET_BUFFER_BYTES;
  if (setsockopt(socket, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return;
  if (setsockopt(socket, SOL_SOCKET, ordinary, &bytes, sizeof bytes) != 0) fail("socket buffer");
}

static void open_end(struct end *end, const char *name, size_t frame_bytes, int protocol) {
  end->frame_bytes = frame_bytes;
  end->socket = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(protocol));
  if (end->socket < 0) fail("opening a packet socket");
  struct ifreq request = {0};
  if (strlen(name) >= sizeof request.ifr_name) {
    errno = 0;
    fail("%s is no name of an interface", name);
  }
  strcpy(request.ifr_name, name);
  if (ioctl(end->socket, SIOCGIFHWADDR, &request) != 0) fail("%s", name);
  memcpy(end->mac, request.ifr_hwaddr.sa_data, MAC_BYTES);
  if (ioctl(end->socket, SIOCGIFINDEX, &request) != 0) fail("%s", name);
  end->index = request.ifr_ifindex;
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(protocol), .sll_ifindex = end->index};
  if (bind(end->socket, (struct sockaddr *)&address, sizeof address) != 0) fail("%s", name);
  end->memory = calloc(BATCH_FRAMES, frame_bytes);
  if (end->memory == NULL) fail("memory for a batch");
  for (int i = 0; i < BATCH_FRAMES; i++) {
    end->windows[i] = (struct iovec){end->memory + (size_t)i * frame_bytes, frame_bytes};
    end->messages[i].msg_hdr = (struct msghdr){.msg_iov = &end->windows[i], .msg_iovlen = 1};
  }
}

static void open_receiver(struct end *receiver, const char *name, size_t frame_bytes) {
  open_end(receiver, name, frame_bytes, ETHER_TYPE);
  int yes = 1;
  /* Older kernels lack it; this interface sends nothing anyway. */
  (void)setsockopt(receiver->socket, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  enlarge_buffer(receiver->socket, SO_RCVBUFFORCE, SO_RCVBUF);
  struct timeval patience = {.tv_usec = 50000};
  if (setsockopt(receiver->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
    fail("receive time-out");
  }
}

/* Protocol 0: a socket that only sends hears nothing, which would cost time. */
static void open_sender(struct end *sender, const char *name, const struct end *receiver) {
  open_end(sender, name, receiver->frame_bytes, 0);
  int yes = 1;
  if (setsockopt(sender->socket, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) != 0) {
    fail("bypassing the queueing discipline");
  }
  enlarge_buffer(sender->socket, SO_SNDBUFFORCE, SO_SNDBUF);
  for (int i = 0; i < BATCH_FRAMES; i++) {
    unsigned char *frame = sender->windows[i].iov_base;
    memcpy(frame, receiver->mac, MAC_BYTES);
    memcpy(frame + MAC_BYTES, sender->mac, MAC_BYTES);
    frame[ETHER_TYPE_OFFSET] = ETHER_TYPE >> 8;
    frame[ETHER_TYPE_OFFSET + 1] = ETHER_TYPE & 0xff;
  }
}

static void *run_sender(void *argument) {
  struct end *sender = argument;
  while (!atomic_load_explicit(&sender->should_stop, memory_order_relaxed)) {
    int taken = sendmmsg(sender->socket, sender->messages, BATCH_FRAMES, 0);
    if (taken > 0) {
      atomic_fetch_add_explicit(&sender->frames, (unsigned)taken, memory_order_relaxed);
    } else if (errno == ENOBUFS || errno == EAGAIN || errno == EINTR) {
      sched_yield();
    } else {
      fail("sending");
    }
  }
  return NULL;
}

static void *run_receiver(void *argument) {
  struct end *receiver = argument;
  while (!atomic_load_explicit(&receiver->should_stop, memory_order_relaxed)) {
    int count = recvmmsg(receiver->socket, receiver->messages, BATCH_FRAMES, MSG_WAITFORONE, NULL);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count < 0) fail("receiving");
    unsigned whole = 0;
    for (int i = 0; i < count; i++) whole += receiver->messages[i].msg_len == receiver->frame_bytes;
    atomic_fetch_add_explicit(&receiver->frames, whole, memory_order_relaxed);
  }
  return NULL;
}

static void sleep_seconds(double seconds) {
  struct timespec left = {.tv_sec = (time_t)seconds};
  left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

static struct reading read_counters(struct end *sender, struct end *receiver) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (struct reading){
      .seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9,
      .sent = atomic_load(&sender->frames),
      .arrived = atomic_load(&receiver->frames),
  };
}

static void print_result(size_t frame_bytes, struct reading from, struct reading to) {
  double seconds = to.seconds - from.seconds;
  unsigned long long arrived = to.arrived - from.arrived;
  double rate = (double)arrived / seconds;
  size_t payload_bytes = frame_bytes - OVERHEAD_BYTES;
  printf("{\"frameBytes\":%zu,\"payloadBytes\":%zu,\"seconds\":%.4f,\"framesSent\":%llu,"
         "\"framesArrived\":%llu,\"framesPerSecond\":%.0f,\"payloadMegabytesPerSecond\":%.2f,"
         "\"wireMegabytesPerSecond\":%.2f}\n",
         frame_bytes, payload_bytes, seconds, to.sent - from.sent, arrived, rate,
         rate * (double)payload_bytes / 1e6, rate * (double)frame_bytes / 1e6);
}

static double parse_number(const char *text, double least, double most, const char *what) {
  char *end = NULL;
  double value = strtod(text, &end);
  if (end != text && *end == '\0' && value >= least && value <= most) return value;
  errno = 0;
  fail("%s: \"%s\" is not a number from %g to %g", what, text, least, most);
}

int main(int argc, char **argv) {
  if (argc != 7) {
    fputs("usage: raw-ceiling SENDER NETNS RECEIVER NETNS FRAME_BYTES SECONDS\n", stderr);
    return 2;
  }
  static struct end sender, receiver;
  /* Below 60 bytes the wire would pad them. */
  size_t frame_bytes = (size_t)parse_number(argv[5], 60, MAX_FRAME_BYTES, "FRAME_BYTES");
  double seconds = parse_number(argv[6], 0.01, 3600, "SECONDS");
  /* Both before the first is entered: /proc/self/ns/net changes its meaning with that. */
  int sender_namespace = open_namespace(argv[2]);
  enter_namespace(open_namespace(argv[4]));
  open_receiver(&receiver, argv[3], frame_bytes);
  enter_namespace(sender_namespace);
  open_sender(&sender, argv[1], &receiver);

  pthread_t threads[2];
  errno = pthread_create(&threads[0], NULL, run_receiver, &receiver);
  if (errno == 0) errno = pthread_create(&threads[1], NULL, run_sender, &sender);
  if (errno != 0) fail("starting a thread");
  sleep_seconds(WARM_UP_MILLIS / 1e3);
  struct reading from = read_counters(&sender, &receiver);
  sleep_seconds(seconds);
  struct reading to = read_counters(&sender, &receiver);
  atomic_store(&sender.should_stop, true);
  atomic_store(&receiver.should_stop, true);
  pthread_join(threads[1], NULL);
  pthread_join(threads[0], NULL);
  print_result(frame_bytes, from, to);
  return to.arrived == from.arrived ? 1 : 0;
}
