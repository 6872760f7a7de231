#include "nbd_netlink.h"

#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>

#include "netlink_message.h"

namespace nbd_kernel {
namespace {

// A message of the kernel to this family, without its headers.
using OnMessage = std::function<void(uint8_t command, AttributeReader attributes)>;

// STATUS of all devices comes in one message; this holds thousands of them.
constexpr size_t kReceiveBytes = 64 * 1024;

OwnedFd OpenSocket(int type_flags, SystemError* error) {
  OwnedFd fd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | type_flags, NETLINK_GENERIC));
  if (!fd.is_open()) {
    *error = {"socket(AF_NETLINK)", errno};
    return fd;
  }
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    *error = {"bind(AF_NETLINK)", errno};
    fd.Reset();
  }
  return fd;
}

// Goes through the messages of one datagram. Returns true at the final answer, whose errno (0:
// success) it leaves in `answer`.
bool ReadDatagram(const uint8_t* data, size_t length, const OnMessage& on_message, int* answer) {
  while (length >= NLMSG_HDRLEN) {
    nlmsghdr header;
    std::memcpy(&header, data, sizeof(header));
    if (header.nlmsg_len < NLMSG_HDRLEN || header.nlmsg_len > length) return false;
    const uint8_t* payload = data + NLMSG_HDRLEN;
    const size_t payload_length = header.nlmsg_len - NLMSG_HDRLEN;
    if (header.nlmsg_type == NLMSG_ERROR && payload_length >= sizeof(int)) {
      int number = 0;
      std::memcpy(&number, payload, sizeof(number));
      *answer = -number;
      return true;
    }
    if (header.nlmsg_type >= NLMSG_MIN_TYPE && payload_length >= GENL_HDRLEN) {
      on_message(payload[0],
                 AttributeReader(payload + GENL_HDRLEN, payload_length - GENL_HDRLEN));
    }
    const size_t step = NLMSG_ALIGN(header.nlmsg_len);
    if (step >= length) return false;
    data += step;
    length -= step;
  }
  return false;
}

// Sends a request and waits until the kernel has said yes or no.
bool Ask(int fd, NetlinkMessage* message, const char* call, const OnMessage& on_message,
         SystemError* error) {
  const std::vector<uint8_t>& bytes = message->Finish();
  if (send(fd, bytes.data(), bytes.size(), 0) < 0) {
    *error = {call, errno};
    return false;
  }
  std::vector<uint8_t> buffer(kReceiveBytes);
  for (;;) {
    const ssize_t length = recv(fd, buffer.data(), buffer.size(), 0);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0) {
      *error = {call, errno};
      return false;
    }
    int answer = 0;
    if (!ReadDatagram(buffer.data(), static_cast<size_t>(length), on_message, &answer)) continue;
    if (answer == 0) return true;
    *error = {call, answer};
    return false;
  }
}

bool AskForFamily(int fd, NbdFamily* family, SystemError* error) {
  NetlinkMessage message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
  message.PutString(CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME);
  const auto read = [family](uint8_t, AttributeReader attributes) {
    while (attributes.Next()) {
      if (attributes.type() == CTRL_ATTR_FAMILY_ID) family->id = attributes.U16();
      if (attributes.type() != CTRL_ATTR_MCAST_GROUPS) continue;
      AttributeReader groups = attributes.Nested();
      while (groups.Next()) {
        AttributeReader group = groups.Nested();
        std::string name;
        uint32_t id = 0;
        while (group.Next()) {
          if (group.type() == CTRL_ATTR_MCAST_GRP_NAME) name = group.Text();
          if (group.type() == CTRL_ATTR_MCAST_GRP_ID) id = group.U32();
        }
        if (name == NBD_GENL_MCAST_GROUP_NAME) family->multicast_group = id;
      }
    }
  };
  if (!Ask(fd, &message, "CTRL_CMD_GETFAMILY", read, error)) return false;
  if (family->id != 0) return true;
  *error = {"CTRL_CMD_GETFAMILY", ENOENT};
  return false;
}

void PutIfSet(NetlinkMessage* message, uint16_t type, const std::optional<uint64_t>& value) {
  if (value) message->PutU64(type, *value);
}

void PutDevice(NetlinkMessage* message, const NetlinkDevice& device) {
  if (device.index) message->PutU32(NBD_ATTR_INDEX, *device.index);
  PutIfSet(message, NBD_ATTR_SIZE_BYTES, device.size_bytes);
  PutIfSet(message, NBD_ATTR_BLOCK_SIZE_BYTES, device.block_bytes);
  PutIfSet(message, NBD_ATTR_TIMEOUT, device.timeout_seconds);
  PutIfSet(message, NBD_ATTR_DEAD_CONN_TIMEOUT, device.dead_connection_seconds);
  PutIfSet(message, NBD_ATTR_SERVER_FLAGS, device.server_flags);
  PutIfSet(message, NBD_ATTR_CLIENT_FLAGS, device.client_flags);
  if (device.backend_identifier) {
    message->PutString(NBD_ATTR_BACKEND_IDENTIFIER, *device.backend_identifier);
  }
  if (device.sockets.empty()) return;
  const size_t sockets = message->BeginNest(NBD_ATTR_SOCKETS);
  for (const int fd : device.sockets) {
    const size_t item = message->BeginNest(NBD_SOCK_ITEM);
    message->PutU32(NBD_SOCK_FD, static_cast<uint32_t>(fd));
    message->EndNest(item);
  }
  message->EndNest(sockets);
}

using Fill = std::function<void(NetlinkMessage*)>;

TaskOutcome Command(uint8_t command, const char* call, const Fill& fill,
                    const std::function<void(TaskOutcome*, AttributeReader)>& read) {
  TaskOutcome outcome;
  const OwnedFd fd = OpenSocket(0, &outcome.error);
  if (!fd.is_open()) return outcome;
  NbdFamily family;
  if (!AskForFamily(fd.get(), &family, &outcome.error)) return outcome;
  NetlinkMessage message(family.id, command, NBD_GENL_VERSION);
  fill(&message);
  const auto on_message = [&](uint8_t, AttributeReader attributes) { read(&outcome, attributes); };
  Ask(fd.get(), &message, call, on_message, &outcome.error);
  return outcome;
}

void ReadNothing(TaskOutcome*, AttributeReader) {}

void ReadIndex(TaskOutcome* outcome, AttributeReader attributes) {
  while (attributes.Next()) {
    if (attributes.type() == NBD_ATTR_INDEX) outcome->number = attributes.U32();
  }
}

void ReadDeviceList(TaskOutcome* outcome, AttributeReader attributes) {
  while (attributes.Next()) {
    if (attributes.type() != NBD_ATTR_DEVICE_LIST) continue;
    AttributeReader items = attributes.Nested();
    while (items.Next()) {
      AttributeReader fields = items.Nested();
      DeviceStatus status;
      while (fields.Next()) {
        if (fields.type() == NBD_DEVICE_INDEX) status.index = fields.U32();
        if (fields.type() == NBD_DEVICE_CONNECTED) status.connected = fields.U8() != 0;
      }
      outcome->devices.push_back(status);
    }
  }
}

}  // namespace

bool FindNbdFamily(NbdFamily* family, SystemError* error) {
  const OwnedFd fd = OpenSocket(0, error);
  return fd.is_open() && AskForFamily(fd.get(), family, error);
}

TaskOutcome NetlinkConnect(const NetlinkDevice& device) {
  const auto fill = [&](NetlinkMessage* message) { PutDevice(message, device); };
  return Command(NBD_CMD_CONNECT, "NBD_CMD_CONNECT", fill, ReadIndex);
}

TaskOutcome NetlinkReconfigure(const NetlinkDevice& device) {
  const auto fill = [&](NetlinkMessage* message) { PutDevice(message, device); };
  return Command(NBD_CMD_RECONFIGURE, "NBD_CMD_RECONFIGURE", fill, ReadNothing);
}

TaskOutcome NetlinkDisconnect(uint32_t index) {
  const auto fill = [&](NetlinkMessage* message) { message->PutU32(NBD_ATTR_INDEX, index); };
  return Command(NBD_CMD_DISCONNECT, "NBD_CMD_DISCONNECT", fill, ReadNothing);
}

TaskOutcome NetlinkStatus(std::optional<uint32_t> index) {
  const auto fill = [&](NetlinkMessage* message) {
    if (index) message->PutU32(NBD_ATTR_INDEX, *index);
  };
  return Command(NBD_CMD_STATUS, "NBD_CMD_STATUS", fill, ReadDeviceList);
}

OwnedFd SubscribeLinkNotices(SystemError* error) {
  NbdFamily family;
  if (!FindNbdFamily(&family, error)) return OwnedFd();
  OwnedFd fd = OpenSocket(SOCK_NONBLOCK, error);
  if (!fd.is_open()) return fd;
  if (setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &family.multicast_group,
                 sizeof(family.multicast_group)) != 0) {
    *error = {"setsockopt(NETLINK_ADD_MEMBERSHIP)", errno};
    fd.Reset();
  }
  return fd;
}

bool ReadLinkNotices(int fd, std::vector<uint32_t>* indexes, SystemError* error) {
  const auto on_message = [indexes](uint8_t command, AttributeReader attributes) {
    if (command != NBD_CMD_LINK_DEAD) return;
    while (attributes.Next()) {
      if (attributes.type() == NBD_ATTR_INDEX) indexes->push_back(attributes.U32());
    }
  };
  std::array<uint8_t, 4096> buffer;
  for (;;) {
    const ssize_t length = recv(fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (length < 0 && errno == EINTR) continue;
    if (length < 0 && errno == EAGAIN) return true;
    if (length < 0) {
      *error = {"recv(AF_NETLINK)", errno};
      return false;
    }
    int answer = 0;
    ReadDatagram(buffer.data(), static_cast<size_t>(length), on_message, &answer);
  }
}

}  // namespace nbd_kernel
