#include "nbd_ioctl.h"

#include <fcntl.h>
#include <linux/nbd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <thread>

namespace nbd_kernel {
namespace {

bool Ioctl(int fd, unsigned long request, unsigned long argument, const char* call,
           SystemError* error) {
  if (ioctl(fd, request, argument) == 0) return true;
  *error = {call, errno};
  return false;
}

TaskOutcome IoctlOutcome(int fd, unsigned long request, const char* call) {
  TaskOutcome outcome;
  Ioctl(fd, request, 0, call, &outcome.error);
  return outcome;
}

constexpr int kLookMillis = 5;

// Whether the server owes the kernel an answer. False also when nobody can tell.
bool HasRequests(const std::string& path) {
  const std::string name = path.substr(path.rfind('/') + 1);
  const OwnedFd file(open(("/sys/block/" + name + "/inflight").c_str(), O_RDONLY | O_CLOEXEC));
  char text[64] = {};
  if (!file.is_open() || read(file.get(), text, sizeof text - 1) <= 0) return false;
  unsigned reads = 0;
  unsigned writes = 0;
  return std::sscanf(text, "%u %u", &reads, &writes) == 2 && reads + writes > 0;
}

}  // namespace

OwnedFd OpenNode(const std::string& path, SystemError* error) {
  OwnedFd fd(open(path.c_str(), O_RDWR | O_CLOEXEC));
  if (!fd.is_open()) *error = {"open", errno};
  return fd;
}

OwnedFd DuplicateNode(int fd, SystemError* error) {
  OwnedFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy.is_open()) *error = {"fcntl(F_DUPFD_CLOEXEC)", errno};
  return copy;
}

bool ConfigureNode(int fd, const IoctlDevice& device, SystemError* error) {
  return Ioctl(fd, NBD_SET_BLKSIZE, device.block_bytes, "NBD_SET_BLKSIZE", error) &&
         Ioctl(fd, NBD_SET_SIZE_BLOCKS, device.blocks, "NBD_SET_SIZE_BLOCKS", error) &&
         Ioctl(fd, NBD_SET_TIMEOUT, device.timeout_seconds, "NBD_SET_TIMEOUT", error) &&
         Ioctl(fd, NBD_SET_FLAGS, device.flags, "NBD_SET_FLAGS", error);
}

bool SetSocket(int fd, int socket, SystemError* error) {
  return Ioctl(fd, NBD_SET_SOCK, static_cast<unsigned long>(socket), "NBD_SET_SOCK", error);
}

TaskOutcome ServeNode(int fd) {
  TaskOutcome outcome;
  if (ioctl(fd, NBD_DO_IT, 0) != 0) outcome.number = errno;
  ioctl(fd, NBD_CLEAR_SOCK, 0);
  return outcome;
}

TaskOutcome DisconnectNode(int fd) { return IoctlOutcome(fd, NBD_DISCONNECT, "NBD_DISCONNECT"); }

TaskOutcome ClearNode(int fd) { return IoctlOutcome(fd, NBD_CLEAR_SOCK, "NBD_CLEAR_SOCK"); }

TaskOutcome EndNode(const std::string& path, int drain_millis) {
  TaskOutcome outcome;
  // Not for writing: udev takes the end of that for a change of the device, and reads it.
  const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    outcome.error = {"open", errno};
    return outcome;
  }
  outcome = DisconnectNode(fd.get());
  if (outcome.error.call != nullptr) return outcome;
  for (int waited = 0; waited < drain_millis && HasRequests(path); waited += kLookMillis) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kLookMillis));
  }
  return ClearNode(fd.get());
}

TaskOutcome ScanNode(const std::string& path) {
  TaskOutcome outcome;
  const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) outcome.error = {"open", errno};
  return outcome;
}

TaskOutcome FlushNode(const std::string& path) {
  TaskOutcome outcome;
  const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) {
    outcome.error = {"open", errno};
  } else if (fsync(fd.get()) != 0) {
    outcome.error = {"fsync", errno};
  }
  return outcome;
}

}  // namespace nbd_kernel
