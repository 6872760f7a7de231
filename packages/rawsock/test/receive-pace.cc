// Compiled by receive-pace.native.test.ts, and proved by that: when a socket rests.
#include "../native/receive_pace.h"

namespace {

using rawsock::ReceivePace;

constexpr uint64_t kMilli = 1'000'000;
constexpr int32_t kUnknown = -1;

// Whether it rests after a millisecond in which so many frames came.
constexpr bool RestsAfter(ReceivePace* pace, uint64_t* now, uint32_t frames, int32_t awaited) {
  *now += kMilli;
  return pace->Rests(frames, awaited, *now);
}

constexpr bool RestsAtOnce(uint32_t frames, int32_t awaited) {
  ReceivePace pace;
  uint64_t now = 0;
  RestsAfter(&pace, &now, 0, awaited);
  return RestsAfter(&pace, &now, frames, awaited);
}

static_assert(RestsAtOnce(20, 128), "a crowd that comes is worth a rest");
static_assert(!RestsAtOnce(1000, 127), "somebody may wait for the last of a few");
static_assert(!RestsAtOnce(1000, 0), "nothing is awaited");
static_assert(!RestsAtOnce(19, 1000), "a crowd that does not come is not slept for");
static_assert(RestsAtOnce(120, kUnknown), "a torrent is taken for a crowd");
static_assert(!RestsAtOnce(119, kUnknown), "one request after the other is not");

constexpr bool EndsWithTheFrames(int32_t awaited) {
  ReceivePace pace;
  uint64_t now = 0;
  RestsAfter(&pace, &now, 0, awaited);
  return RestsAfter(&pace, &now, 500, awaited) && !RestsAfter(&pace, &now, 0, awaited);
}
static_assert(EndsWithTheFrames(1000), "however many are awaited");
static_assert(EndsWithTheFrames(kUnknown), "nor when nobody knows");

constexpr bool GoesOnAtHalfTheRate() {
  ReceivePace pace;
  uint64_t now = 0;
  RestsAfter(&pace, &now, 0, kUnknown);
  return RestsAfter(&pace, &now, 120, kUnknown) && RestsAfter(&pace, &now, 60, kUnknown) &&
         !RestsAfter(&pace, &now, 59, kUnknown) && !RestsAfter(&pace, &now, 60, kUnknown);
}
static_assert(GoesOnAtHalfTheRate(), "it does not go to and fro");

}  // namespace
