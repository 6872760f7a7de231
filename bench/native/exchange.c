/*
 * What a C program makes of the same exchange of frames: reads and writes of a memory on the other
 * side of a pair of interfaces, with frames of the lengths that OmniXtend gives them. The reference
 * for the protocol alone.
 *
 *   exchange INITIATOR NETNS ENDPOINT NETNS KIND ORDER ACCESS_BYTES
 *            REQUEST_BYTES DEPTH SECONDS [SPIN]
 *
 * Each interface is followed by the file of its network namespace. KIND is read or write, ORDER
 * sequential or random. With SPIN 1 neither side ever sleeps.
 *
 * Frames: up to 32 Gets in a request, an answer with the data of one access each; a write with the
 * data of one access in a frame, up to 32 acknowledgements in an answer. Each side numbers its
 * frames, checks the other's numbers, keeps every frame until it is acknowledged (an acknowledgement
 * rides on every frame), and copies the data of an access once: out of the memory into a frame, out
 * of a frame into the request's buffer. Every byte is compared. Left out: loss and repetition,
 * credits, round trips, time-outs, several kinds of messages, counters, overlapping requests.
 *
 * Two threads, one socket each, recvmmsg and sendmmsg. Prints one line of JSON.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "exchange-frames.h"
#include "latency-histogram.h"
#include "packet-end.h"
#include "test-pattern.h"

enum {
  ADDRESS_BYTES = 8,
  MESSAGES_PER_FRAME = 32,
  WINDOW = 256, /* accesses in flight */
  MOST_DEPTH = 1024,
};

#define MEMORY_BYTES (64ull << 20)
static const double WARM_UP_SECONDS = 0.2;
static const double PATIENCE_SECONDS = 3;

enum opcode { GET = 4, PUT = 0, ACK = 0x10, ACK_DATA = 0x11 };

static struct end initiator, endpoint;
static unsigned char *memory;
static size_t access_bytes;
static uint8_t access_log2;
static atomic_bool should_stop;

static void answer_get(struct message get, uint64_t address) {
  struct frame frame = begin_frame(&endpoint);
  size_t length = (size_t)1 << get.size_log2;
  unsigned char *data = add_message(
      &frame, (struct message){get.source, ACK_DATA, get.size_log2}, length);
  memcpy(data, memory + address, length);
  end_frame(&endpoint, &frame);
}

static void serve_batch(int count) {
  struct frame acks = {0};
  for (int i = 0; i < count; i++) {
    const unsigned char *bytes = endpoint.in_windows[i].iov_base;
    unsigned messages = accept_frame(&endpoint, bytes, endpoint.in[i].msg_len);
    const unsigned char *at = bytes + HEADER_BYTES;
    for (; messages > 0; messages--) {
      struct message message = read_message(at);
      uint64_t address = load64(at + MESSAGE_BYTES);
      at += MESSAGE_BYTES + ADDRESS_BYTES;
      if (message.opcode == GET) {
        if (acks.messages > 0) end_frame(&endpoint, &acks);
        acks.messages = 0;
        answer_get(message, address);
        continue;
      }
      size_t length = (size_t)1 << message.size_log2;
      memcpy(memory + address, at, length);
      at += length;
      if (acks.messages == 0) acks = begin_frame(&endpoint);
      add_message(&acks, (struct message){message.source, ACK, message.size_log2}, 0);
      if (acks.messages < MESSAGES_PER_FRAME) continue;
      end_frame(&endpoint, &acks);
      acks.messages = 0;
    }
  }
  if (acks.messages > 0) end_frame(&endpoint, &acks);
  send_queued(&endpoint);
}

static void *run_endpoint(void *unused) {
  while (!atomic_load_explicit(&should_stop, memory_order_relaxed)) serve_batch(receive(&endpoint));
  return unused;
}

struct request {
  uint64_t offset;
  size_t issued, answered;
  double started;
  unsigned char *buffer;
};

struct access {
  struct request *request;
  size_t start;
};

/* Everything that the initiator has in flight, and what it has counted. */
static struct {
  bool writes, is_random;
  size_t request_bytes;
  unsigned depth;
  struct pattern pattern;
  struct request requests[MOST_DEPTH];
  /* Requests of which not everything is issued, in order. */
  struct request *ready[MOST_DEPTH];
  unsigned ready_first, ready_count;
  struct access accesses[WINDOW];
  uint32_t free_sources[WINDOW];
  unsigned free_count;
  uint64_t next_offset;
  uint32_t random;
  double now;
  bool measures;
  struct histogram latencies;
  unsigned long long done;
} load = {.random = 0x2545f491};

/* Whether a request in flight is about this range: of two writes nobody knows which was last. */
static bool is_busy(uint64_t offset) {
  for (unsigned i = 0; i < load.depth; i++) {
    const struct request *other = &load.requests[i];
    if (other->offset == offset && other->answered < load.request_bytes) return true;
  }
  return false;
}

static void begin_request(struct request *request) {
  uint64_t units = MEMORY_BYTES / load.request_bytes;
  uint64_t offset;
  do {
    offset = load.is_random ? next_random(&load.random) % units * load.request_bytes
                            : load.next_offset;
    load.next_offset = (offset + load.request_bytes) % MEMORY_BYTES;
  } while (is_busy(offset));
  request->offset = offset;
  request->issued = request->answered = 0;
  request->started = load.now;
  if (load.writes) pattern_renew(&load.pattern, offset, load.request_bytes);
  load.ready[(load.ready_first + load.ready_count++) % MOST_DEPTH] = request;
}

/* Sends as many accesses as the window has room for. */
static void issue(void) {
  struct frame gets = {0};
  while (load.ready_count > 0 && load.free_count > 0) {
    struct request *request = load.ready[load.ready_first];
    uint32_t source = load.free_sources[--load.free_count];
    load.accesses[source] = (struct access){request, request->issued};
    uint64_t address = request->offset + request->issued;
    if (load.writes) {
      struct frame frame = begin_frame(&initiator);
      struct message put = {source, PUT, access_log2};
      unsigned char *at = add_message(&frame, put, ADDRESS_BYTES + access_bytes);
      store64(at, address);
      memcpy(at + ADDRESS_BYTES, pattern_at(&load.pattern, address), access_bytes);
      end_frame(&initiator, &frame);
    } else {
      if (gets.messages == 0) gets = begin_frame(&initiator);
      store64(add_message(&gets, (struct message){source, GET, access_log2}, ADDRESS_BYTES), address);
      if (gets.messages == MESSAGES_PER_FRAME) {
        end_frame(&initiator, &gets);
        gets.messages = 0;
      }
    }
    request->issued += access_bytes;
    if (request->issued < load.request_bytes) continue;
    load.ready_first = (load.ready_first + 1) % MOST_DEPTH;
    load.ready_count--;
  }
  if (gets.messages > 0) end_frame(&initiator, &gets);
  send_queued(&initiator);
}

static void take_answer(struct message answer, const unsigned char *data) {
  if (answer.source >= WINDOW) fail("an answer to no access");
  struct access *access = &load.accesses[answer.source];
  struct request *request = access->request;
  if (answer.opcode == ACK_DATA) memcpy(request->buffer + access->start, data, access_bytes);
  load.free_sources[load.free_count++] = answer.source;
  request->answered += access_bytes;
  if (request->answered < load.request_bytes) return;
  if (!load.writes &&
      !pattern_matches(&load.pattern, request->offset, request->buffer, load.request_bytes)) {
    errno = 0;
    fail("wrong data");
  }
  if (load.measures) {
    histogram_add(&load.latencies, 1e6 * (seconds_of(CLOCK_MONOTONIC) - request->started));
    load.done++;
  }
  begin_request(request);
}

static void take_batch(int count) {
  for (int i = 0; i < count; i++) {
    const unsigned char *bytes = initiator.in_windows[i].iov_base;
    unsigned messages = accept_frame(&initiator, bytes, initiator.in[i].msg_len);
    const unsigned char *at = bytes + HEADER_BYTES;
    for (; messages > 0; messages--) {
      struct message message = read_message(at);
      at += MESSAGE_BYTES;
      take_answer(message, at);
      if (message.opcode == ACK_DATA) at += (size_t)1 << message.size_log2;
    }
  }
}

/* What is counted between two moments. */
struct reading {
  double now, initiator_cpu, endpoint_cpu;
  unsigned long long initiator_frames, endpoint_frames;
};

static struct reading read_all(clockid_t endpoint_clock) {
  return (struct reading){
      .now = seconds_of(CLOCK_MONOTONIC),
      .initiator_cpu = seconds_of(CLOCK_THREAD_CPUTIME_ID),
      .endpoint_cpu = seconds_of(endpoint_clock),
      .initiator_frames = initiator.frames_sent + initiator.frames_received,
      /* The wire loses nothing: what one sends the other receives. */
      .endpoint_frames = initiator.frames_sent + initiator.frames_received,
  };
}

static void prepare_load(void) {
  load.pattern = make_pattern(MEMORY_BYTES);
  if (load.pattern.noise == NULL) fail("memory for the pattern");
  for (uint64_t at = 0; at < MEMORY_BYTES; at += PATTERN_BLOCK_BYTES) {
    memcpy(memory + at, pattern_at(&load.pattern, at), PATTERN_BLOCK_BYTES);
  }
  for (uint32_t i = 0; i < WINDOW; i++) load.free_sources[load.free_count++] = i;
  load.now = seconds_of(CLOCK_MONOTONIC);
  for (unsigned i = 0; i < load.depth; i++) {
    load.requests[i].answered = load.request_bytes;
    load.requests[i].buffer = malloc(load.request_bytes);
    if (load.requests[i].buffer == NULL) fail("memory for requests");
  }
  for (unsigned i = 0; i < load.depth; i++) begin_request(&load.requests[i]);
}

/* From the first request to the last moment of the measurement. */
static void run_initiator(clockid_t endpoint_clock, double seconds, struct reading *from,
                          struct reading *to) {
  double start = load.now, progress = load.now;
  issue();
  for (;;) {
    int count = receive(&initiator);
    load.now = seconds_of(CLOCK_MONOTONIC);
    if (count > 0) progress = load.now;
    if (load.now - progress > PATIENCE_SECONDS) {
      errno = 0;
      fail("no answer for %g s; larger socket buffers may be needed (root has them)",
           PATIENCE_SECONDS);
    }
    take_batch(count);
    if (!load.measures && load.now - start >= WARM_UP_SECONDS) {
      load.measures = true;
      *from = read_all(endpoint_clock);
    } else if (load.measures && load.now - from->now >= seconds) {
      *to = read_all(endpoint_clock);
      return;
    }
    issue();
  }
}

/* Every finished write must be in the memory. */
static void check_memory(void) {
  for (uint64_t at = 0; at < MEMORY_BYTES; at += load.request_bytes) {
    if (is_busy(at)) continue;
    if (!pattern_matches(&load.pattern, at, memory + at, load.request_bytes)) fail("wrong data");
  }
}

static void print_result(struct reading from, struct reading to) {
  double seconds = to.now - from.now;
  double requests = (double)load.done;
  double frames = (double)(to.initiator_frames - from.initiator_frames);
  double initiator_cpu = 1e6 * (to.initiator_cpu - from.initiator_cpu);
  double endpoint_cpu = 1e6 * (to.endpoint_cpu - from.endpoint_cpu);
  printf("{\"seconds\":%.4f,\"requests\":%llu,\"megabytesPerSecond\":%.2f,\"requestsPerSecond\":%.0f,"
         "\"latencyMicros\":{\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f},\"frames\":%.0f,"
         "\"cpuMicrosPerRequest\":{\"driver\":%.3f,\"endpoint\":%.3f},"
         "\"cpuMicrosPerFrame\":{\"driver\":%.4f,\"endpoint\":%.4f}}\n",
         seconds, load.done, requests * (double)load.request_bytes / seconds / 1e6,
         requests / seconds, histogram_percentile(&load.latencies, 0.5),
         histogram_percentile(&load.latencies, 0.99), histogram_percentile(&load.latencies, 0.999),
         frames, initiator_cpu / requests, endpoint_cpu / requests, initiator_cpu / frames,
         endpoint_cpu / frames);
}

static void read_arguments(char **argv, int argc) {
  load.writes = strcmp(argv[5], "write") == 0;
  load.is_random = strcmp(argv[6], "random") == 0;
  access_bytes = (size_t)parse_number(argv[7], 8, 4096, "ACCESS_BYTES");
  access_log2 = (uint8_t)__builtin_ctzl(access_bytes);
  load.request_bytes = (size_t)parse_number(argv[8], PATTERN_BLOCK_BYTES, 1 << 20, "REQUEST_BYTES");
  load.depth = (unsigned)parse_number(argv[9], 1, MOST_DEPTH, "DEPTH");
  if (load.request_bytes % access_bytes != 0 || load.request_bytes % PATTERN_BLOCK_BYTES != 0 ||
      (uint64_t)load.depth * load.request_bytes > MEMORY_BYTES / 2) {
    errno = 0;
    fail("requests must be whole blocks of 4096 bytes, and fit into half of the memory");
  }
  initiator.spins = endpoint.spins = argc > 11 && strcmp(argv[11], "1") == 0;
}

int main(int argc, char **argv) {
  if (argc < 11) {
    fputs("usage: exchange INITIATOR NETNS ENDPOINT NETNS read|write sequential|random ACCESS_BYTES "
          "REQUEST_BYTES DEPTH SECONDS [SPIN]\n",
          stderr);
    return 2;
  }
  read_arguments(argv, argc);
  double seconds = parse_number(argv[10], 0.01, 3600, "SECONDS");
  /* Both before the first is entered: /proc/self/ns/net changes its meaning with that. */
  int initiator_namespace = open_namespace(argv[2]);
  enter_namespace(open_namespace(argv[4]));
  endpoint.socket = open_packet_socket(argv[3], ETHER_TYPE, endpoint.mac);
  enter_namespace(initiator_namespace);
  initiator.socket = open_packet_socket(argv[1], ETHER_TYPE, initiator.mac);
  prepare(&initiator, &endpoint);
  prepare(&endpoint, &initiator);
  memory = malloc(MEMORY_BYTES);
  if (memory == NULL) fail("memory to serve");
  prepare_load();

  pthread_t thread;
  errno = pthread_create(&thread, NULL, run_endpoint, NULL);
  clockid_t clock;
  if (errno == 0) errno = pthread_getcpuclockid(thread, &clock);
  if (errno != 0) fail("starting a thread");
  struct reading from = {0}, to = {0};
  run_initiator(clock, seconds, &from, &to);
  atomic_store(&should_stop, true);
  pthread_join(thread, NULL);
  errno = 0;
  check_memory();
  print_result(from, to);
  return 0;
}
