#pragma once

#include <cstddef>
#include <cstdint>

namespace rawsock {

// A kernel's ring of received frames (PACKET_RX_RING, TPACKET_V2), mapped into this process: the
// kernel puts frames there as they come, and nothing is called to get them.
//
// Slot i holds one frame behind a header of the kernel's. A slot belongs to the kernel until it has
// put a frame there, and again once the frame is given back.
class ReceiveRing {
 public:
  // A frame where the kernel has put it.
  struct Frame {
    uint32_t offset = 0;  // in the ring
    uint32_t length = 0;
    bool is_truncated = false;
  };

  ReceiveRing() = default;
  ~ReceiveRing() { Close(); }
  ReceiveRing(const ReceiveRing&) = delete;
  ReceiveRing& operator=(const ReceiveRing&) = delete;

  // Room for at least `frames` frames of `frame_bytes`, before the socket is bound. False: the
  // kernel refuses, and the socket is as it was.
  bool Open(int fd, uint32_t frame_bytes, uint32_t frames);

  // Takes the ring from the socket, which lives as long as it is mapped. If it was shared, its place
  // keeps memory, with zeros, because somebody may still look at it. Idempotent.
  void Close();

  bool is_open() const { return is_open_; }
  size_t size() const { return size_; }
  // The memory, for somebody who will end it by Unmap: Close does not any more.
  uint8_t* Share();

  // The next frame, if there is one. It stays where it is until GiveBack.
  bool Take(Frame* frame);
  // All that was taken belongs to the kernel again.
  void GiveBack();

  // Releases the memory at `bytes` once nobody can look at it any more.
  static void Unmap(void* bytes, size_t size);

 private:
  uint32_t OffsetOf(uint32_t slot) const;

  bool is_open_ = false;
  bool is_shared_ = false;
  uint8_t* bytes_ = nullptr;
  size_t size_ = 0;
  uint32_t slot_bytes_ = 0;
  uint32_t block_bytes_ = 0;
  uint32_t slots_per_block_ = 0;
  uint32_t slots_ = 0;
  uint32_t next_ = 0;
  uint32_t taken_ = 0;
};

}  // namespace rawsock
