#include "kernel_stream.h"

#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>

namespace nbd_kernel {
namespace {

void SetSendBuffer(int fd, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) == 0) return;
  setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

}  // namespace

bool KernelStream::Open(int buffer_bytes, SystemError* error) {
  int ends[2];
  // Our calls ask not to wait; the kernel's end must be a blocking socket.
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    *error = {"socketpair", errno};
    return false;
  }
  ours_ = OwnedFd(ends[0]);
  kernels_ = OwnedFd(ends[1]);
  SetSendBuffer(ends[0], buffer_bytes);
  SetSendBuffer(ends[1], buffer_bytes);
  return true;
}

bool KernelStream::Adopt(int socket, SystemError* error) {
  const int duplicate = fcntl(socket, F_DUPFD_CLOEXEC, 0);
  if (duplicate < 0) {
    *error = {"fcntl", errno};
    return false;
  }
  ours_ = OwnedFd(duplicate);
  return true;
}

void KernelStream::Close() {
  kernels_.Reset();
  ours_.Reset();
}

ssize_t KernelStream::Receive(uint8_t* bytes, size_t room) {
  ssize_t length;
  do {
    length = recv(ours_.get(), bytes, room, MSG_DONTWAIT);
  } while (length < 0 && errno == EINTR);
  return length < 0 ? -errno : length;
}

ssize_t KernelStream::Send(iovec* vectors, size_t count) {
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = count;
  ssize_t length;
  do {
    length = sendmsg(ours_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (length < 0 && errno == EINTR);
  return length < 0 ? -errno : length;
}

}  // namespace nbd_kernel
