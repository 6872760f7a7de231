#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>

#include "owned_fd.h"
#include "system_error.h"

namespace nbd_kernel {

// The byte stream between an NBD client and us: both ends of a new pair, one of them for the kernel's
// client, or our end of a socket that was there. It knows neither Node-API nor an event loop.
class KernelStream {
 public:
  // Makes a socketpair whose ends may hold `buffer_bytes` to send each. The kernel caps that at
  // net.core.wmem_max unless the process has CAP_NET_ADMIN.
  bool Open(int buffer_bytes, SystemError* error);
  // Takes a duplicate of a connected stream socket, which the caller may close afterwards.
  bool Adopt(int socket, SystemError* error);
  // Idempotent; the kernel's driver sees the end of the stream.
  void Close();

  bool is_open() const { return ours_.is_open(); }
  int fd() const { return ours_.get(); }
  // The end to be handed to the driver; -1 after CloseKernelEnd.
  int kernel_fd() const { return kernels_.get(); }
  // The driver holds a reference of its own. As long as ours is open, its end would go unseen.
  void CloseKernelEnd() { kernels_.Reset(); }

  // One recv, without waiting: bytes read, 0 at the end of the stream, or -errno.
  ssize_t Receive(uint8_t* bytes, size_t room);
  // One sendmsg, without waiting: bytes taken, or -errno.
  ssize_t Send(iovec* vectors, size_t count);

 private:
  OwnedFd ours_;
  OwnedFd kernels_;
};

}  // namespace nbd_kernel
