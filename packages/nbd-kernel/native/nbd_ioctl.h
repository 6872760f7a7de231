#pragma once

#include <cstdint>
#include <string>

#include "owned_fd.h"
#include "system_error.h"
#include "thread_task.h"

namespace nbd_kernel {

struct IoctlDevice {
  uint32_t block_bytes = 0;
  uint64_t blocks = 0;
  uint32_t timeout_seconds = 0;
  uint32_t flags = 0;
};

// Opens a device node for reading and writing.
OwnedFd OpenNode(const std::string& path, SystemError* error);

// A second descriptor of the same opening.
OwnedFd DuplicateNode(int fd, SystemError* error);

// Block size, size, timeout, flags, in this order. The kernel stores them and applies them when the
// device starts; while it runs, block size and size take effect at once.
bool ConfigureNode(int fd, const IoctlDevice& device, SystemError* error);

// Adds a socket to the device. All sockets of a device must come from one thread.
bool SetSocket(int fd, int socket, SystemError* error);

// NBD_DO_IT, and NBD_CLEAR_SOCK right after it: until then requests in flight are not failed and
// their readers hang. The outcome's number is the errno of NBD_DO_IT, 0 if it returned 0; this is
// no system error, because a device that has run and ended is no failed call.
TaskOutcome ServeNode(int fd);

// NBD_DISCONNECT: the kernel says DISC on every socket. Sleeps if a socket is full.
TaskOutcome DisconnectNode(int fd);

// NBD_CLEAR_SOCK. Only for a device that has accepted our socket.
TaskOutcome ClearNode(int fd);

// Ends a device that is anybody's: NBD_DISCONNECT, time for the server to answer what is open, and
// NBD_CLEAR_SOCK. All with one opening of the node: the first open after NBD_DISCONNECT makes the
// kernel read the partition table, from a server that answers nothing any more.
TaskOutcome EndNode(const std::string& path, int drain_millis);

// Opens the node and closes it, upon which the kernel reads the partition table of a device that
// has just been started.
TaskOutcome ScanNode(const std::string& path);

// Has the kernel write what it holds for this device in its page cache.
TaskOutcome FlushNode(const std::string& path);

}  // namespace nbd_kernel
