#pragma once

#include <cstdint>
#include <optional>

#include "interface_info.h"
#include "system_error.h"

namespace rawsock {

// Which frames the kernel hands to a socket.
struct FrameFilter {
  uint16_t ether_type = 0;
  MacAddress own_mac{};
  std::optional<MacAddress> peer_mac;
  // Frames of the EtherType come whole, whoever sends them to whom.
  bool takes_all = false;
};

// Puts a filter on a packet socket, in place of the one before.
//
// Frames of another EtherType are dropped. Frames to `own_mac`, and from `peer_mac` if there is
// one, come whole. All other frames of this EtherType are cut to their MAC header: cheap, yet
// enough to count them and to name who sends to whom.
bool AttachFilter(int fd, const FrameFilter& filter, SystemError* error);

}  // namespace rawsock
