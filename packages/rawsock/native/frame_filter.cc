#include "frame_filter.h"

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace rawsock {
namespace {

constexpr uint32_t kEtherTypeOffset = 12;
constexpr uint32_t kDestinationOffset = 0;
constexpr uint32_t kSourceOffset = 6;

// Builds a classic BPF program whose conditional jumps all lead forward to one of three ends.
class Program {
 public:
  enum class End { kCut, kDrop };

  void RequireEtherType(uint16_t ether_type) {
    Load(BPF_H, kEtherTypeOffset);
    Require(ether_type, End::kDrop);
  }

  void RequireMac(uint32_t offset, const MacAddress& mac) {
    // The low part differs between neighbours on a network, so it decides fastest.
    Load(BPF_W, offset + 2);
    Require(uint32_t{mac[2]} << 24 | uint32_t{mac[3]} << 16 | uint32_t{mac[4]} << 8 | mac[5],
            End::kCut);
    Load(BPF_H, offset);
    Require(uint32_t{mac[0]} << 8 | mac[1], End::kCut);
  }

  // Adds the three ends and fills in the distances to them.
  sock_fprog Finish() {
    const unsigned whole_at = length_;
    for (unsigned i = 0; i < whole_at; i++) {
      if (code_[i].code != (BPF_JMP | BPF_JEQ | BPF_K)) continue;
      const unsigned target = whole_at + (ends_[i] == End::kCut ? 1 : 2);
      code_[i].jf = static_cast<uint8_t>(target - i - 1);
    }
    Return(UINT32_MAX);
    Return(ETH_HLEN);
    Return(0);
    return sock_fprog{static_cast<unsigned short>(length_), code_.data()};
  }

 private:
  void Load(uint16_t width, uint32_t offset) {
    code_[length_++] = BPF_STMT(static_cast<uint16_t>(BPF_LD | width | BPF_ABS), offset);
  }
  void Require(uint32_t value, End otherwise) {
    ends_[length_] = otherwise;
    code_[length_++] = BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 0);
  }
  void Return(uint32_t bytes) { code_[length_++] = BPF_STMT(BPF_RET | BPF_K, bytes); }

  static constexpr unsigned kCapacity = 16;
  std::array<sock_filter, kCapacity> code_{};
  std::array<End, kCapacity> ends_{};
  unsigned length_ = 0;
};

}  // namespace

bool AttachFilter(int fd, const FrameFilter& filter, SystemError* error) {
  Program program;
  program.RequireEtherType(filter.ether_type);
  if (!filter.takes_all) program.RequireMac(kDestinationOffset, filter.own_mac);
  if (!filter.takes_all && filter.peer_mac) {
    program.RequireMac(kSourceOffset, *filter.peer_mac);
  }
  const sock_fprog code = program.Finish();
  if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &code, sizeof(code)) == 0) return true;
  *error = {"setsockopt(SO_ATTACH_FILTER)", errno};
  return false;
}

}  // namespace rawsock
