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
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "packet-end.h"

enum {
  /* MAC header 14, TLoE header 8, message header 8, address 8, frame mask 8: a write of one access. */
  OVERHEAD_BYTES = 46,
  WARM_UP_MILLIS = 100,
};

/* One end of the flood. Only its thread touches it, but for `frames` and `should_stop`. */
struct end {
  int socket;
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

static void prepare(struct end *end, size_t frame_bytes) {
  end->frame_bytes = frame_bytes;
  end->memory = calloc(BATCH_FRAMES, frame_bytes);
  if (end->memory == NULL) fail("memory for a batch");
  for (int i = 0; i < BATCH_FRAMES; i++) {
    end->windows[i] = (struct iovec){end->memory + (size_t)i * frame_bytes, frame_bytes};
    end->messages[i].msg_hdr = (struct msghdr){.msg_iov = &end->windows[i], .msg_iovlen = 1};
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
  return (struct reading){
      .seconds = seconds_of(CLOCK_MONOTONIC),
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
  receiver.socket = open_packet_socket(argv[3], ETHER_TYPE, receiver.mac);
  enter_namespace(sender_namespace);
  /* Protocol 0: a socket that only sends hears nothing, which would cost time. */
  sender.socket = open_packet_socket(argv[1], 0, sender.mac);
  prepare(&receiver, frame_bytes);
  prepare(&sender, frame_bytes);
  for (int i = 0; i < BATCH_FRAMES; i++) {
    put_ethernet_header(sender.windows[i].iov_base, receiver.mac, sender.mac);
  }

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
