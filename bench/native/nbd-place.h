/* The sockets of nbd-load: a server's export, or an end that another process holds. */
#pragma once
#include <endian.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/un.h>

#include "packet-end.h"

enum { FLAGS_FIXED_NO_ZEROES = 3, OPTION_EXPORT_NAME = 1 };

/* A connected socket and the bytes of what is behind it. */
struct place {
  int socket;
  uint64_t size_bytes;
};

static void give_up(const char *sentence) __attribute__((noreturn));

/* The end, for a reason that the system does not know. */
static void give_up(const char *sentence) {
  errno = 0;
  fail("%s", sentence);
}

static inline void receive_whole(int socket, void *bytes, size_t length) {
  if (recv(socket, bytes, length, MSG_WAITALL) != (ssize_t)length) fail("the handshake of a server");
}

/* Newstyle, EXPORT_NAME: the shortest that there is. NBD protocol, "Newstyle negotiation". */
static inline uint64_t shake_hands(int socket, const char *name) {
  unsigned char greeting[18], answer[10], option[20] = {0};
  receive_whole(socket, greeting, sizeof greeting);
  if (memcmp(greeting, "NBDMAGICIHAVEOPT", 16) != 0) give_up("this is no NBD server");
  uint32_t flags = htobe32(FLAGS_FIXED_NO_ZEROES), kind = htobe32(OPTION_EXPORT_NAME);
  uint32_t length = htobe32((uint32_t)strlen(name));
  memcpy(option, &flags, 4);
  memcpy(option + 4, "IHAVEOPT", 8);
  memcpy(option + 12, &kind, 4);
  memcpy(option + 16, &length, 4);
  if (send(socket, option, sizeof option, 0) != sizeof option ||
      send(socket, name, strlen(name), 0) != (ssize_t)strlen(name)) {
    fail("the handshake of a server");
  }
  receive_whole(socket, answer, sizeof answer);
  uint64_t size;
  memcpy(&size, answer, sizeof size);
  return be64toh(size);
}

/* PATH:EXPORT; the colon is overwritten. */
static inline struct place connect_unix(char *path) {
  char *name = strrchr(path, ':');
  if (name == NULL) give_up("a target is unix:PATH:EXPORT or fd:PID:FD:BYTES");
  *name++ = '\0';
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) give_up("the path of a socket is too long");
  strcpy(address.sun_path, path);
  int end = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (end < 0) fail("making a socket");
  if (connect(end, (struct sockaddr *)&address, sizeof address) != 0) fail("%s", path);
  return (struct place){end, shake_hands(end, name)};
}

/* PID:FD:BYTES */
static inline struct place fetch_descriptor(const char *text) {
  int pid = 0, descriptor = 0;
  unsigned long long bytes = 0;
  if (sscanf(text, "%d:%d:%llu", &pid, &descriptor, &bytes) != 3) give_up("fd:PID:FD:BYTES");
  int process = (int)syscall(SYS_pidfd_open, pid, 0);
  if (process < 0) fail("process %d", pid);
  int end = (int)syscall(SYS_pidfd_getfd, process, descriptor, 0);
  if (end < 0) fail("descriptor %d of process %d", descriptor, pid);
  close(process);
  return (struct place){end, bytes};
}
