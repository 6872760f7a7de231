/*
 * A load generator for NBD servers that costs little itself: any number of connections, each on a
 * memory of its own, every byte of every read compared with what was last written there.
 *
 *   nbd-load [cpu:ROLE:PID ...] [frames:INTERFACE] TARGET ...
 *
 * A TARGET is `unix:PATH:EXPORT`, shaken hands with as the NBD protocol says, or `fd:PID:FD:BYTES`,
 * a socket of another process that serves so many bytes without a handshake, as the kernel's client
 * is served. Connections to the same export share it in equal parts. ROLE and PID name processes
 * whose CPU time is read; frames that cross INTERFACE, either way, are counted.
 *
 * When connected it prints a line, then obeys lines of standard input, each answered by one line of
 * JSON, until that ends:
 *
 *   fill | verify                                  writes, or reads, all of every memory once
 *   run SECONDS WARM_UP GROUP [GROUP ...]          GROUP: FIRST COUNT KIND ORDER BYTES DEPTH
 *
 * A group is COUNT connections from number FIRST on, each with DEPTH requests of BYTES in flight;
 * KIND is read or write, ORDER sequential or random.
 */
#define _GNU_SOURCE
#include <endian.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "latency-histogram.h"
#include "nbd-place.h"
#include "test-pattern.h"

enum {
  REQUEST_BYTES = 28,
  REPLY_BYTES = 16,
  COMMAND_READ = 0,
  COMMAND_WRITE = 1,
  COMMAND_DISC = 2,
  MOST_CONNECTIONS = 64,
  MOST_DEPTH = 128,
  MOST_REQUEST_BYTES = 1 << 20,
  MOST_WINDOWS = 512,
  MOST_ROLES = 8,
  MOST_GROUPS = 4,
  PASS_BYTES = 128 << 10,
  PASS_DEPTH = 16,
  RECEIVE_BYTES = 1 << 20,
  PATIENCE_MILLIS = 10000,
};
static const uint32_t REQUEST_MAGIC = 0x25609513, REPLY_MAGIC = 0x67446698;

struct workload {
  bool writes, is_random;
  size_t request_bytes;
  unsigned depth;
};

/* What some connections do in a run, and what came of it. */
struct group {
  unsigned first, count;
  struct workload workload;
  struct histogram latencies;
};

struct slot {
  unsigned char header[REQUEST_BYTES];
  uint64_t offset;
  double started;
  bool is_open;
};

struct connection {
  int socket;
  const char *target;
  uint64_t first_byte, size_bytes;
  struct pattern pattern;
  struct group *group;
  struct slot slots[MOST_DEPTH];
  unsigned char *is_busy; /* by unit of a request's length */
  uint64_t units, next_unit, units_left;
  unsigned in_flight;
  /* Requests to be sent, in order, and how many bytes of the first one have been. */
  uint8_t queue[MOST_DEPTH];
  unsigned queue_first, queue_count;
  size_t sent_bytes;
  /* The reply that is being received. */
  unsigned char reply[REPLY_BYTES];
  size_t reply_bytes, data_left;
  unsigned reply_slot;
  uint32_t random;
  unsigned long long done;
};

static struct connection connections[MOST_CONNECTIONS];
static unsigned connection_count;
static struct {
  const char *name;
  clockid_t clock;
} roles[MOST_ROLES];
static unsigned role_count;
static const char *interface;
static unsigned char received[RECEIVE_BYTES];
static double now;
static enum { WARMING_UP, MEASURING, DRAINING } state;

/* ---- sending ---- */

static void queue_request(struct connection *connection, unsigned index, uint64_t offset) {
  const struct workload *workload = &connection->group->workload;
  struct slot *slot = &connection->slots[index];
  uint32_t magic = htobe32(REQUEST_MAGIC), length = htobe32((uint32_t)workload->request_bytes);
  uint16_t command = htobe16(workload->writes ? COMMAND_WRITE : COMMAND_READ);
  uint64_t cookie = htobe64(index), place = htobe64(connection->first_byte + offset);
  memset(slot->header, 0, sizeof slot->header);
  memcpy(slot->header, &magic, 4);
  memcpy(slot->header + 6, &command, 2);
  memcpy(slot->header + 8, &cookie, 8);
  memcpy(slot->header + 16, &place, 8);
  memcpy(slot->header + 24, &length, 4);
  slot->offset = offset;
  slot->started = now;
  slot->is_open = true;
  connection->in_flight++;
  if (workload->writes) pattern_renew(&connection->pattern, offset, workload->request_bytes);
  connection->queue[(connection->queue_first + connection->queue_count++) % MOST_DEPTH] =
      (uint8_t)index;
}

static size_t message_bytes(const struct connection *connection) {
  const struct workload *workload = &connection->group->workload;
  return REQUEST_BYTES + (workload->writes ? workload->request_bytes : 0);
}

/* Windows of one message from byte `from` on; the data of a write lies in the pattern. */
static unsigned add_windows(const struct connection *connection, const struct slot *slot,
                            size_t from, struct iovec *windows, unsigned room) {
  unsigned used = 0;
  size_t end = message_bytes(connection);
  while (from < end && used < room) {
    size_t part = REQUEST_BYTES - from;
    const unsigned char *bytes = slot->header + from;
    if (from >= REQUEST_BYTES) {
      uint64_t offset = slot->offset + from - REQUEST_BYTES;
      bytes = pattern_at(&connection->pattern, offset);
      part = PATTERN_BLOCK_BYTES - offset % PATTERN_BLOCK_BYTES;
    }
    windows[used++] = (struct iovec){(void *)bytes, part};
    from += part;
  }
  return used;
}

/* Sends what the socket takes. */
static void send_queue(struct connection *connection) {
  size_t whole = message_bytes(connection);
  while (connection->queue_count > 0) {
    struct iovec windows[MOST_WINDOWS];
    unsigned used = 0;
    for (unsigned i = 0; i < connection->queue_count && used < MOST_WINDOWS; i++) {
      unsigned index = connection->queue[(connection->queue_first + i) % MOST_DEPTH];
      used += add_windows(connection, &connection->slots[index],
                          i == 0 ? connection->sent_bytes : 0, windows + used, MOST_WINDOWS - used);
    }
    struct msghdr message = {.msg_iov = windows, .msg_iovlen = used};
    ssize_t taken = sendmsg(connection->socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (taken < 0 && errno == EINTR) continue;
    if (taken < 0 && errno == EAGAIN) return;
    if (taken < 0) fail("sending to %s", connection->target);
    connection->sent_bytes += (size_t)taken;
    while (connection->queue_count > 0 && connection->sent_bytes >= whole) {
      connection->sent_bytes -= whole;
      connection->queue_first = (connection->queue_first + 1) % MOST_DEPTH;
      connection->queue_count--;
    }
  }
}

/* The next unit that no request in flight is about: of two writes nobody knows which was last. */
static void issue(struct connection *connection, unsigned index) {
  const struct workload *workload = &connection->group->workload;
  if (connection->units_left == 0) return;
  connection->units_left--;
  uint64_t unit;
  do {
    unit = workload->is_random ? next_random(&connection->random) % connection->units
                               : connection->next_unit;
    connection->next_unit = (unit + 1) % connection->units;
  } while (connection->is_busy[unit]);
  connection->is_busy[unit] = 1;
  queue_request(connection, index, unit * workload->request_bytes);
}

/* ---- receiving ---- */

static void finish(struct connection *connection) {
  struct slot *slot = &connection->slots[connection->reply_slot];
  struct group *group = connection->group;
  slot->is_open = false;
  connection->in_flight--;
  connection->is_busy[slot->offset / group->workload.request_bytes] = 0;
  if (state == MEASURING) {
    histogram_add(&group->latencies, 1e6 * (now - slot->started));
    connection->done++;
  }
  if (state != DRAINING) issue(connection, connection->reply_slot);
}

static size_t take_header(struct connection *connection, const unsigned char *bytes, size_t length) {
  size_t part = REPLY_BYTES - connection->reply_bytes;
  if (part > length) part = length;
  memcpy(connection->reply + connection->reply_bytes, bytes, part);
  connection->reply_bytes += part;
  if (connection->reply_bytes < REPLY_BYTES) return part;
  connection->reply_bytes = 0;
  uint32_t magic, error;
  uint64_t cookie;
  memcpy(&magic, connection->reply, 4);
  memcpy(&error, connection->reply + 4, 4);
  memcpy(&cookie, connection->reply + 8, 8);
  cookie = be64toh(cookie);
  if (be32toh(magic) != REPLY_MAGIC) give_up("a reply with a wrong magic number");
  if (cookie >= MOST_DEPTH || !connection->slots[cookie].is_open) give_up("a reply to no request");
  if (error != 0) give_up("a request failed");
  const struct workload *workload = &connection->group->workload;
  connection->reply_slot = (unsigned)cookie;
  connection->data_left = workload->writes ? 0 : workload->request_bytes;
  if (connection->data_left == 0) finish(connection);
  return part;
}

static size_t take_data(struct connection *connection, const unsigned char *bytes, size_t length) {
  const struct slot *slot = &connection->slots[connection->reply_slot];
  size_t part = connection->data_left < length ? connection->data_left : length;
  uint64_t offset =
      slot->offset + connection->group->workload.request_bytes - connection->data_left;
  if (!pattern_matches(&connection->pattern, offset, bytes, part)) give_up("wrong data");
  connection->data_left -= part;
  if (connection->data_left == 0) finish(connection);
  return part;
}

/* Takes what is there. */
static void receive_replies(struct connection *connection, bool may_sleep) {
  int flags = may_sleep ? 0 : MSG_DONTWAIT;
  ssize_t length = recv(connection->socket, received, RECEIVE_BYTES, flags);
  if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (length < 0) fail("receiving from %s", connection->target);
  if (length == 0) give_up("the server closed a connection");
  now = seconds_of(CLOCK_MONOTONIC);
  for (size_t at = 0; at < (size_t)length;) {
    size_t left = (size_t)length - at;
    at += connection->data_left > 0 ? take_data(connection, received + at, left)
                                    : take_header(connection, received + at, left);
  }
}

/* ---- runs ---- */

static unsigned used_connections(struct connection **used) {
  unsigned count = 0;
  for (unsigned i = 0; i < connection_count; i++) {
    if (connections[i].group != NULL) used[count++] = &connections[i];
  }
  return count;
}

static void begin(struct connection *connection, struct group *group, uint64_t requests) {
  connection->group = group;
  connection->units = connection->size_bytes / group->workload.request_bytes;
  if (connection->units < 2 * (uint64_t)group->workload.depth) give_up("the memory is too small");
  connection->is_busy = calloc(connection->units, 1);
  if (connection->is_busy == NULL) fail("memory for a run");
  connection->next_unit = 0;
  connection->units_left = requests;
  connection->done = 0;
  connection->queue_first = connection->queue_count = 0;
  connection->sent_bytes = 0;
  for (unsigned i = 0; i < group->workload.depth; i++) issue(connection, i);
}

static void wait_and_receive(struct connection **used, unsigned count) {
  struct pollfd polls[MOST_CONNECTIONS];
  if (count == 1 && used[0]->queue_count == 0) {
    receive_replies(used[0], true);
    return;
  }
  for (unsigned i = 0; i < count; i++) {
    short events = used[i]->queue_count > 0 ? POLLIN | POLLOUT : POLLIN;
    polls[i] = (struct pollfd){.fd = used[i]->socket, .events = events};
  }
  int ready = poll(polls, count, PATIENCE_MILLIS);
  if (ready == 0) give_up("no answer for 10 s");
  for (unsigned i = 0; i < count; i++) {
    if (polls[i].revents != 0) receive_replies(used[i], false);
  }
}

/* Frames that have crossed the interface so far, either way. */
static double count_frames(void) {
  FILE *file = interface == NULL ? NULL : fopen("/proc/net/dev", "r");
  if (file == NULL) return 0;
  double frames = 0;
  char line[512], name[64];
  while (fgets(line, sizeof line, file) != NULL) {
    double received, sent;
    if (sscanf(line, " %63[^:]: %*s %lf %*s %*s %*s %*s %*s %*s %*s %lf", name, &received, &sent) == 3 &&
        strcmp(name, interface) == 0) {
      frames = received + sent;
    }
  }
  fclose(file);
  return frames;
}

/* What is read at both ends of the measured time. */
struct reading {
  double now, cpu[MOST_ROLES], frames;
};

static struct reading read_all(void) {
  struct reading reading = {.now = now, .frames = count_frames()};
  for (unsigned i = 0; i < role_count; i++) reading.cpu[i] = seconds_of(roles[i].clock);
  return reading;
}

/* Runs until the time is over, or, without one, until every connection has done its requests. */
static struct reading drive(double warm_up, double seconds) {
  struct connection *used[MOST_CONNECTIONS];
  unsigned count = used_connections(used);
  double start = now;
  struct reading from = {0}, to = {0};
  state = WARMING_UP;
  for (;;) {
    unsigned in_flight = 0;
    for (unsigned i = 0; i < count; i++) {
      send_queue(used[i]);
      in_flight += used[i]->in_flight;
    }
    if (in_flight == 0) break;
    wait_and_receive(used, count);
    if (state == WARMING_UP && now - start >= warm_up) {
      state = MEASURING;
      from = read_all();
    } else if (state == MEASURING && seconds > 0 && now - from.now >= seconds) {
      state = DRAINING;
      to = read_all();
    }
  }
  to.now -= from.now;
  to.frames -= from.frames;
  for (unsigned i = 0; i < role_count; i++) to.cpu[i] -= from.cpu[i];
  for (unsigned i = 0; i < count; i++) free(used[i]->is_busy);
  for (unsigned i = 0; i < connection_count; i++) connections[i].group = NULL;
  return to;
}

static void pass(bool writes) {
  struct group all = {.count = connection_count,
                      .workload = {writes, false, PASS_BYTES, PASS_DEPTH}};
  now = seconds_of(CLOCK_MONOTONIC);
  for (unsigned i = 0; i < connection_count; i++) {
    begin(&connections[i], &all, connections[i].size_bytes / PASS_BYTES);
  }
  drive(0, 0);
  puts("{}");
}

static void print_group(const struct group *group, double seconds) {
  double requests = 0;
  printf("{\"connectionRates\":[");
  for (unsigned i = 0; i < group->count; i++) {
    double done = (double)connections[group->first + i].done;
    printf("%s%.1f", i == 0 ? "" : ",", done / seconds);
    requests += done;
  }
  double bytes = requests * (double)group->workload.request_bytes;
  printf("],\"requests\":%.0f,\"megabytesPerSecond\":%.2f,\"requestsPerSecond\":%.1f,"
         "\"latencyMicros\":{\"p50\":%.2f,\"p99\":%.2f,\"p999\":%.2f}}",
         requests, bytes / seconds / 1e6, requests / seconds,
         histogram_percentile(&group->latencies, 0.5),
         histogram_percentile(&group->latencies, 0.99),
         histogram_percentile(&group->latencies, 0.999));
}

static char *next_word(void) {
  char *word = strtok(NULL, " \n");
  if (word == NULL) give_up("a line of standard input is too short");
  return word;
}

static struct group *read_group(char *first) {
  struct group *group = calloc(1, sizeof *group);
  if (group == NULL) fail("memory for a run");
  group->first = (unsigned)parse_number(first, 0, MOST_CONNECTIONS, "FIRST");
  group->count = (unsigned)parse_number(next_word(), 1, MOST_CONNECTIONS, "COUNT");
  group->workload.writes = strcmp(next_word(), "write") == 0;
  group->workload.is_random = strcmp(next_word(), "random") == 0;
  group->workload.request_bytes =
      (size_t)parse_number(next_word(), PATTERN_BLOCK_BYTES, MOST_REQUEST_BYTES, "BYTES");
  group->workload.depth = (unsigned)parse_number(next_word(), 1, MOST_DEPTH, "DEPTH");
  if (group->first + group->count > connection_count) give_up("there are fewer connections");
  return group;
}

static void run(void) {
  double seconds = parse_number(next_word(), 0.01, 3600, "SECONDS");
  double warm_up = parse_number(next_word(), 0, 3600, "WARM_UP");
  struct group *groups[MOST_GROUPS];
  unsigned count = 0;
  now = seconds_of(CLOCK_MONOTONIC);
  for (char *word; count < MOST_GROUPS && (word = strtok(NULL, " \n")) != NULL; count++) {
    groups[count] = read_group(word);
  }
  for (unsigned i = 0; i < count; i++) {
    for (unsigned j = 0; j < groups[i]->count; j++) {
      begin(&connections[groups[i]->first + j], groups[i], UINT64_MAX);
    }
  }
  struct reading spent = drive(warm_up, seconds);
  printf("{\"seconds\":%.4f,\"frames\":%.0f,\"cpuSeconds\":{", spent.now, spent.frames);
  for (unsigned i = 0; i < role_count; i++) {
    printf("%s\"%s\":%.6f", i == 0 ? "" : ",", roles[i].name, spent.cpu[i]);
  }
  printf("},\"groups\":[");
  for (unsigned i = 0; i < count; i++) {
    if (i > 0) putchar(',');
    print_group(groups[i], spent.now);
    free(groups[i]);
  }
  puts("]}");
}

static void add_target(char *target) {
  if (connection_count == MOST_CONNECTIONS) give_up("too many connections");
  struct connection *connection = &connections[connection_count++];
  connection->target = strdup(target);
  struct place place = {0};
  if (strncmp(target, "unix:", 5) == 0) place = connect_unix(target + 5);
  else if (strncmp(target, "fd:", 3) == 0) place = fetch_descriptor(target + 3);
  else give_up("a target is unix:PATH:EXPORT or fd:PID:FD:BYTES");
  connection->socket = place.socket;
  connection->size_bytes = place.size_bytes;
  int bytes = 4 << 20;
  if (setsockopt(connection->socket, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes) != 0) {
    (void)setsockopt(connection->socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
  }
  struct timeval patience = {.tv_sec = PATIENCE_MILLIS / 1000};
  setsockopt(connection->socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
}

static void add_role(char *text) {
  char *pid = strchr(text, ':');
  if (pid == NULL || role_count == MOST_ROLES) give_up("cpu:ROLE:PID");
  *pid++ = '\0';
  roles[role_count].name = text;
  pid_t process = (pid_t)parse_number(pid, 1, 1 << 30, "PID");
  errno = clock_getcpuclockid(process, &roles[role_count++].clock);
  if (errno != 0) fail("process %s", pid);
}

/* Equal parts for those who share an export. */
static void share_memory(void) {
  for (unsigned i = 0; i < connection_count; i++) {
    unsigned before = 0, sharers = 0;
    for (unsigned j = 0; j < connection_count; j++) {
      if (strcmp(connections[i].target, connections[j].target) != 0) continue;
      sharers++;
      before += j < i;
    }
    uint64_t part = connections[i].size_bytes / sharers / MOST_REQUEST_BYTES * MOST_REQUEST_BYTES;
    connections[i].first_byte = before * part;
    connections[i].pattern = make_pattern(part);
    if (connections[i].pattern.noise == NULL) fail("memory for the pattern");
    connections[i].random = 0x2545f491 + i;
  }
  /* Only now: the whole was needed up to here. */
  for (unsigned i = 0; i < connection_count; i++) {
    connections[i].size_bytes = connections[i].pattern.blocks * PATTERN_BLOCK_BYTES;
  }
}

static void disconnect_all(void) {
  for (unsigned i = 0; i < connection_count; i++) {
    unsigned char request[REQUEST_BYTES] = {0};
    uint32_t magic = htobe32(REQUEST_MAGIC);
    uint16_t command = htobe16(COMMAND_DISC);
    memcpy(request, &magic, 4);
    memcpy(request + 6, &command, 2);
    (void)send(connections[i].socket, request, sizeof request, MSG_NOSIGNAL);
    /* The server says good-bye by closing. */
    (void)recv(connections[i].socket, request, 1, 0);
    close(connections[i].socket);
  }
}

int main(int argc, char **argv) {
  static char cpu_self[] = "client:";
  for (int i = 1; i < argc; i++) {
    if (strncmp(argv[i], "cpu:", 4) == 0) add_role(argv[i] + 4);
    else if (strncmp(argv[i], "frames:", 7) == 0) interface = argv[i] + 7;
    else add_target(argv[i]);
  }
  if (connection_count == 0) {
    fputs("usage: nbd-load [cpu:ROLE:PID ...] [frames:INTERFACE] unix:PATH:EXPORT|fd:PID:FD:BYTES ...\n", stderr);
    return 2;
  }
  if (role_count < MOST_ROLES) {
    cpu_self[6] = '\0';
    roles[role_count].name = cpu_self;
    roles[role_count++].clock = CLOCK_PROCESS_CPUTIME_ID;
  }
  share_memory();
  setvbuf(stdout, NULL, _IOLBF, 0);
  printf("{\"connections\":%u}\n", connection_count);
  char line[1024];
  while (fgets(line, sizeof line, stdin) != NULL) {
    const char *word = strtok(line, " \n");
    if (word == NULL) continue;
    if (strcmp(word, "fill") == 0) pass(true);
    else if (strcmp(word, "verify") == 0) pass(false);
    else if (strcmp(word, "run") == 0) run();
    else give_up("a line of standard input is none of fill, verify, run");
  }
  disconnect_all();
  return 0;
}
