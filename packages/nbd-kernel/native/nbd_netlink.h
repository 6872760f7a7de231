#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "owned_fd.h"
#include "system_error.h"
#include "thread_task.h"

namespace nbd_kernel {

// What the kernel calls the generic netlink family "nbd" today.
struct NbdFamily {
  uint16_t id = 0;
  uint32_t multicast_group = 0;
};

// NBD_CMD_CONNECT and NBD_CMD_RECONFIGURE. What is not set is not sent.
struct NetlinkDevice {
  std::optional<uint32_t> index;
  std::optional<uint64_t> size_bytes;
  std::optional<uint64_t> block_bytes;
  std::optional<uint64_t> timeout_seconds;
  std::optional<uint64_t> dead_connection_seconds;
  std::optional<uint64_t> server_flags;
  std::optional<uint64_t> client_flags;
  std::optional<std::string> backend_identifier;
  // Descriptors of this process; the kernel takes references of its own.
  std::vector<int> sockets;
};

// Asks for the family. ENOENT: there is no nbd module, or this is another network namespace than
// the first and the kernel does not show the family there.
bool FindNbdFamily(NbdFamily* family, SystemError* error);

// The commands. Each makes a socket of its own, asks for the family, and waits for the kernel's
// answer; CONNECT's outcome has the index as its number. They may sleep for long: not for the
// JavaScript thread.
TaskOutcome NetlinkConnect(const NetlinkDevice& device);
TaskOutcome NetlinkReconfigure(const NetlinkDevice& device);
TaskOutcome NetlinkDisconnect(uint32_t index);
// All devices, or one.
TaskOutcome NetlinkStatus(std::optional<uint32_t> index);

// A non-blocking socket that hears the family's notices.
OwnedFd SubscribeLinkNotices(SystemError* error);

// Reads what there is and appends the indexes of devices of which a connection died. False: the
// socket failed; ENOBUFS means that notices were lost and that the socket goes on.
bool ReadLinkNotices(int fd, std::vector<uint32_t>* indexes, SystemError* error);

}  // namespace nbd_kernel
