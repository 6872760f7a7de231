#include "datagram.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstring>

#include "owned_fd.h"

namespace nbd_kernel {

SystemError SendDatagram(const std::string& address, const std::string& text) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  const bool is_abstract = !address.empty() && address.front() == '@';
  // A path ends with a zero; an abstract name begins with one, in place of its @.
  const size_t length = address.size() + (is_abstract ? 0 : 1);
  if (length > sizeof(to.sun_path)) return {"sendto", ENAMETOOLONG};
  std::memcpy(to.sun_path, address.c_str(), length);
  if (is_abstract) to.sun_path[0] = '\0';
  const OwnedFd fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return {"socket", errno};
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length);
  ssize_t sent;
  do {
    sent = sendto(fd.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&to), size);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return {"sendto", errno};
  return {};
}

}  // namespace nbd_kernel
