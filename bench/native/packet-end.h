/* A packet socket on an interface of some network namespace, and how programs here give up. */
#pragma once
#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE first"
#endif
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
  MAC_BYTES = 6,
  ETHER_TYPE_OFFSET = 12,
  /* "Local experimental": drivers and endpoints on the same wire do not hear it. */
  ETHER_TYPE = 0x88b5,
  MAX_FRAME_BYTES = 9014,
  BATCH_FRAMES = 64,
  SOCKET_BUFFER_BYTES = 16 << 20,
};

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

static void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* One sentence, with the system's reason if there is one, and the end. */
static void fail(const char *format, ...) {
  int error = errno;
  va_list arguments;
  va_start(arguments, format);
  fprintf(stderr, "%s: ", program_invocation_short_name);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fprintf(stderr, error == 0 ? "\n" : ": %s\n", strerror(error));
  exit(1);
}

static inline double parse_number(const char *text, double least, double most, const char *what) {
  char *end = NULL;
  double value = strtod(text, &end);
  if (end != text && *end == '\0' && value >= least && value <= most) return value;
  errno = 0;
  fail("%s: \"%s\" is not a number from %g to %g", what, text, least, most);
}

static inline double seconds_of(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) fail("reading a clock");
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static inline int open_namespace(const char *path) {
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail("%s", path);
  return file;
}

/* From here on, this thread makes its sockets in that namespace. */
static inline void enter_namespace(int file) {
  if (setns(file, CLONE_NEWNET) != 0) fail("entering a network namespace");
  close(file);
}

/* Asks for a large buffer past the system's limit, and within it where that is not allowed. */
static inline void enlarge_buffer(int socket, int forced, int ordinary) {
  int bytes = SOCKET_BUFFER_BYTES;
  if (setsockopt(socket, SOL_SOCKET, forced, &bytes, sizeof bytes) == 0) return;
  if (setsockopt(socket, SOL_SOCKET, ordinary, &bytes, sizeof bytes) != 0) fail("socket buffer");
}

/*
 * Opens a packet socket that hears `protocol` (0: nothing) on an interface of the namespace that the
 * thread is in, past the queueing discipline, with large buffers. Stores the interface's address.
 */
static inline int open_packet_socket(const char *name, int protocol, unsigned char mac[MAC_BYTES]) {
  int end = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(protocol));
  if (end < 0) fail("opening a packet socket");
  struct ifreq request = {0};
  if (strlen(name) >= sizeof request.ifr_name) {
    errno = 0;
    fail("%s is no name of an interface", name);
  }
  strcpy(request.ifr_name, name);
  if (ioctl(end, SIOCGIFHWADDR, &request) != 0) fail("%s", name);
  memcpy(mac, request.ifr_hwaddr.sa_data, MAC_BYTES);
  if (ioctl(end, SIOCGIFINDEX, &request) != 0) fail("%s", name);
  struct sockaddr_ll address = {.sll_family = AF_PACKET,
                                .sll_protocol = htons(protocol),
                                .sll_ifindex = request.ifr_ifindex};
  if (bind(end, (struct sockaddr *)&address, sizeof address) != 0) fail("%s", name);
  int yes = 1;
  /* Older kernels lack it; then what we send is heard, and ignored. */
  (void)setsockopt(end, SOL_PACKET, PACKET_IGNORE_OUTGOING, &yes, sizeof yes);
  if (setsockopt(end, SOL_PACKET, PACKET_QDISC_BYPASS, &yes, sizeof yes) != 0) {
    fail("bypassing the queueing discipline");
  }
  enlarge_buffer(end, SO_RCVBUFFORCE, SO_RCVBUF);
  enlarge_buffer(end, SO_SNDBUFFORCE, SO_SNDBUF);
  struct timeval patience = {.tv_usec = 50000};
  if (setsockopt(end, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0) {
    fail("receive time-out");
  }
  return end;
}

static inline void put_ethernet_header(unsigned char *frame, const unsigned char *to,
                                       const unsigned char *from) {
  memcpy(frame, to, MAC_BYTES);
  memcpy(frame + MAC_BYTES, from, MAC_BYTES);
  frame[ETHER_TYPE_OFFSET] = ETHER_TYPE >> 8;
  frame[ETHER_TYPE_OFFSET + 1] = ETHER_TYPE & 0xff;
}
