#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "system_error.h"

namespace rawsock {

using MacAddress = std::array<uint8_t, 6>;

// What the kernel says about a network interface at the moment of the question.
struct InterfaceInfo {
  std::string name;
  int index = 0;
  MacAddress mac{};
  int mtu_bytes = 0;
  bool is_up = false;
  bool has_carrier = false;
  bool is_loopback = false;
  bool is_ethernet = false;
};

enum class Lookup { kFound, kMissing, kFailed };

// Looks up one interface of this network namespace. No privilege is needed.
Lookup FindInterface(const std::string& name, InterfaceInfo* info, SystemError* error);

// Names of all interfaces of this network namespace, in the order of their index.
bool ListInterfaces(std::vector<std::string>* names, SystemError* error);

// State of the interface with this index, asked through any open socket of its namespace.
bool InterfaceIsUp(int fd, int index);
bool InterfaceHasCarrier(int fd, int index);

}  // namespace rawsock
