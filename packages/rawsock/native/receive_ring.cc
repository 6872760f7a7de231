#include "receive_ring.h"

#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <algorithm>

namespace rawsock {
namespace {

// Blocks are contiguous in the kernel's memory, so they should not be large; slots do not cross
// from one to the next.
constexpr uint32_t kBlockBytes = 64 * 1024;
constexpr uint32_t kCacheLine = 64;

// Where the kernel puts a frame in its slot: so that what follows the MAC header is aligned.
constexpr uint32_t kFrameOffset = TPACKET_ALIGN(TPACKET2_HDRLEN + 16) - ETH_HLEN;

constexpr uint32_t RoundUp(uint32_t bytes, uint32_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

bool ReceiveRing::Open(int fd, uint32_t frame_bytes, uint32_t frames) {
  const int version = TPACKET_V2;
  if (setsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, sizeof(version)) != 0) return false;
  slot_bytes_ = RoundUp(kFrameOffset + frame_bytes, kCacheLine);
  block_bytes_ = std::max(kBlockBytes, RoundUp(slot_bytes_, kBlockBytes));
  slots_per_block_ = block_bytes_ / slot_bytes_;
  const uint32_t blocks = (frames + slots_per_block_ - 1) / slots_per_block_;
  slots_ = slots_per_block_ * blocks;
  tpacket_req request{};
  request.tp_block_size = block_bytes_;
  request.tp_block_nr = blocks;
  request.tp_frame_size = slot_bytes_;
  request.tp_frame_nr = slots_;
  if (setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request)) != 0) return false;
  const size_t size = size_t{block_bytes_} * blocks;
  void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    request = {};
    setsockopt(fd, SOL_PACKET, PACKET_RX_RING, &request, sizeof(request));
    return false;
  }
  bytes_ = static_cast<uint8_t*>(memory);
  size_ = size;
  is_open_ = true;
  return true;
}

void ReceiveRing::Close() {
  if (!is_open_) return;
  is_open_ = false;
  if (is_shared_) {
    mmap(bytes_, size_, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  } else {
    Unmap(bytes_, size_);
  }
}

uint8_t* ReceiveRing::Share() {
  is_shared_ = true;
  return bytes_;
}

bool ReceiveRing::Take(Frame* frame) {
  if (taken_ == slots_) return false;
  const uint32_t slot = OffsetOf(next_);
  const auto* header = reinterpret_cast<const tpacket2_hdr*>(bytes_ + slot);
  if ((__atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER) == 0) return false;
  frame->offset = slot + header->tp_mac;
  frame->length = header->tp_snaplen;
  // What the filter cuts keeps its MAC header alone.
  frame->is_truncated = header->tp_snaplen < header->tp_len && header->tp_snaplen != ETH_HLEN;
  next_ = next_ + 1 == slots_ ? 0 : next_ + 1;
  taken_++;
  // Another processor has written all this. Its first lines and its last one are read for each
  // frame, soon, and one after the other; they may as well be on their way together.
  const uint8_t* first = bytes_ + frame->offset;
  __builtin_prefetch(bytes_ + OffsetOf(next_));
  __builtin_prefetch(first);
  __builtin_prefetch(first + kCacheLine);
  __builtin_prefetch(first + frame->length - 1);
  return true;
}

void ReceiveRing::GiveBack() {
  if (!is_open_) return;
  uint32_t slot = next_ >= taken_ ? next_ - taken_ : next_ + slots_ - taken_;
  for (; taken_ > 0; taken_--) {
    auto* header = reinterpret_cast<tpacket2_hdr*>(bytes_ + OffsetOf(slot));
    __atomic_store_n(&header->tp_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    slot = slot + 1 == slots_ ? 0 : slot + 1;
  }
}

void ReceiveRing::Unmap(void* bytes, size_t size) { munmap(bytes, size); }

uint32_t ReceiveRing::OffsetOf(uint32_t slot) const {
  return slot / slots_per_block_ * block_bytes_ + slot % slots_per_block_ * slot_bytes_;
}

}  // namespace rawsock
