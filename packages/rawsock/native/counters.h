#pragma once

namespace rawsock {

// What a socket has done, in memory that JavaScript reads as a Float64Array. Doubles hold whole
// numbers exactly up to 2^53, and reading one makes no BigInt. The order is the one of
// COUNTER_NAMES in src/native-binding.ts.
struct Counters {
  double frames_sent;
  double bytes_sent;
  double frames_received;
  double bytes_received;
  double send_calls;
  double receive_calls;
  double send_blocked;
  double send_errors;
  double receive_truncated;
  double kernel_drops;
};

constexpr unsigned kCounterCount = 10;
static_assert(sizeof(Counters) == kCounterCount * sizeof(double), "one double per counter");

}  // namespace rawsock
