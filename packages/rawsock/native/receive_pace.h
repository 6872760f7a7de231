#pragma once

#include <cstdint>

namespace rawsock {

// Says when frames come in such a crowd that one should rest a moment and fetch them together.
// A receiver that is faster than its sender finds one frame at a time otherwise, and pays a system
// call, a turn of the event loop and a call into JavaScript for each.
class ReceivePace {
 public:
  static constexpr uint64_t kRestNanos = 50'000;

  // After a look that found `frames`: whether to rest before the next one. `awaited`: how many
  // frames are sure to come; negative: nobody knows.
  constexpr bool Rests(uint32_t frames, int32_t awaited, uint64_t now_nanos) {
    frames_ += frames;
    const uint64_t passed = now_nanos - since_nanos_;
    if (passed >= kWindowNanos) {
      frames_per_milli_ = frames_ * 1e6 / static_cast<double>(passed);
      since_nanos_ = now_nanos;
      frames_ = 0;
    }
    if (awaited >= 0) return awaited >= kCrowd && frames_per_milli_ >= kTrickle;
    rests_ = frames_per_milli_ >= (rests_ ? kTorrent / 2 : kTorrent);
    return rests_;
  }

 private:
  static constexpr uint64_t kWindowNanos = 500'000;
  // With fewer frames to come, somebody may be waiting for the last of them.
  static constexpr int32_t kCrowd = 128;
  // Frames in a millisecond: a rest is worth its timer; it is so even though nobody knows whether
  // this frame was the last one.
  static constexpr double kTrickle = 20;
  static constexpr double kTorrent = 120;

  uint64_t since_nanos_ = 0;
  uint32_t frames_ = 0;
  double frames_per_milli_ = 0;
  bool rests_ = false;
};

}  // namespace rawsock
