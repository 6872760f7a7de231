#include "interface_info.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace rawsock {
namespace {

class ControlSocket {
 public:
  ControlSocket() : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {}
  ~ControlSocket() {
    if (fd_ >= 0) close(fd_);
  }
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;
  int fd() const { return fd_; }

 private:
  int fd_;
};

bool ReadFlags(int fd, ifreq* request) { return ioctl(fd, SIOCGIFFLAGS, request) == 0; }

// IFF_RUNNING follows the carrier only after a delay of up to a second; the driver knows at once.
bool ReadCarrier(int fd, ifreq* request) {
  ethtool_value value{};
  value.cmd = ETHTOOL_GLINK;
  request->ifr_data = reinterpret_cast<char*>(&value);
  if (ioctl(fd, SIOCETHTOOL, request) == 0) return value.data != 0;
  return ReadFlags(fd, request) && (request->ifr_flags & IFF_RUNNING) != 0;
}

bool NameRequest(int fd, int index, ifreq* request) {
  std::memset(request, 0, sizeof(*request));
  request->ifr_ifindex = index;
  return ioctl(fd, SIOCGIFNAME, request) == 0;
}

}  // namespace

Lookup FindInterface(const std::string& name, InterfaceInfo* info, SystemError* error) {
  // The kernel would read "eth0:1" as eth0.
  if (name.empty() || name.size() >= IFNAMSIZ || name.find(':') != std::string::npos) {
    return Lookup::kMissing;
  }
  ControlSocket control;
  if (control.fd() < 0) {
    *error = {"socket", errno};
    return Lookup::kFailed;
  }
  ifreq request{};
  std::memcpy(request.ifr_name, name.data(), name.size());
  auto ask = [&](unsigned long what) { return ioctl(control.fd(), what, &request) == 0; };

  info->name = name;
  bool answered = ask(SIOCGIFINDEX);
  if (answered) info->index = request.ifr_ifindex;
  answered = answered && ask(SIOCGIFHWADDR);
  if (answered) {
    const unsigned short hardware = request.ifr_hwaddr.sa_family;
    std::memcpy(info->mac.data(), request.ifr_hwaddr.sa_data, info->mac.size());
    info->is_ethernet = hardware == ARPHRD_ETHER || hardware == ARPHRD_LOOPBACK;
  }
  answered = answered && ask(SIOCGIFMTU);
  if (answered) info->mtu_bytes = request.ifr_mtu;
  answered = answered && ask(SIOCGIFFLAGS);
  if (answered) {
    info->is_up = (request.ifr_flags & IFF_UP) != 0;
    info->is_loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
    info->has_carrier = info->is_up && ReadCarrier(control.fd(), &request);
    return Lookup::kFound;
  }
  if (errno == ENODEV || errno == ENXIO) return Lookup::kMissing;
  *error = {"ioctl", errno};
  return Lookup::kFailed;
}

bool ListInterfaces(std::vector<std::string>* names, SystemError* error) {
  struct if_nameindex* list = if_nameindex();
  if (list == nullptr) {
    *error = {"if_nameindex", errno};
    return false;
  }
  for (const struct if_nameindex* entry = list; entry->if_index != 0; entry++) {
    names->emplace_back(entry->if_name);
  }
  if_freenameindex(list);
  return true;
}

bool InterfaceIsUp(int fd, int index) {
  ifreq request;
  return NameRequest(fd, index, &request) && ReadFlags(fd, &request) &&
         (request.ifr_flags & IFF_UP) != 0;
}

bool InterfaceHasCarrier(int fd, int index) {
  ifreq request;
  return InterfaceIsUp(fd, index) && NameRequest(fd, index, &request) && ReadCarrier(fd, &request);
}

}  // namespace rawsock
