#pragma once

#include <string>

#include "system_error.h"

namespace nbd_kernel {

// Sends one datagram to a unix socket and does not wait: EAGAIN when the receiver's queue is full.
// `address` is a path, or @ and an abstract name.
SystemError SendDatagram(const std::string& address, const std::string& text);

}  // namespace nbd_kernel
