#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>
#include <ctime>
#include <vector>

#include "counters.h"
#include "frame_filter.h"
#include "receive_ring.h"
#include "system_error.h"

namespace rawsock {

struct SocketOptions {
  int interface_index = 0;
  FrameFilter filter;
  int receive_buffer_bytes = 0;
  int send_buffer_bytes = 0;
  bool bypass_qdisc = true;
  // Hears all that passes the interface, both ways, and notes when.
  bool monitor = false;
  // Room for so many frames in a ring that the kernel shares; 0: none, frames are copied. Nor is
  // there one for a monitor, or where the kernel refuses it.
  uint32_t ring_frames = 0;
};

// Memory that tells of received frames; belongs to JavaScript, which keeps it as long as the socket
// is open. Frame i of a batch lies at descriptors[2i] in the socket's memory (its ring, or `bytes`
// where it has none) and is descriptors[2i + 1] bytes long.
struct ReceiveSlab {
  uint8_t* bytes = nullptr;
  uint32_t slot_bytes = 0;
  uint32_t slots = 0;
  int32_t* descriptors = nullptr;
  // Seconds since 1970 and nanoseconds of frame i at 2i and 2i + 1; null: nobody asks.
  double* times = nullptr;
};

struct ReceiveResult {
  uint32_t frames = 0;
  bool may_have_more = false;
  bool interface_down = false;
};

enum class SendBlock {
  kNone,
  kSocketFull,  // the socket's send buffer is full; the socket becomes writable again
  kDeviceFull,  // the device's queue is full; nothing tells when it has room
};

struct SendResult {
  uint32_t taken = 0;
  SendBlock block = SendBlock::kNone;
  bool interface_down = false;
};

// Where the kernel puts the time stamp of a received frame.
union TimeControl {
  cmsghdr align;
  char bytes[CMSG_SPACE(sizeof(timespec))];
};

// A non-blocking AF_PACKET socket bound to one interface and one EtherType. It knows neither
// Node-API nor an event loop.
class PacketSocket {
 public:
  PacketSocket() = default;
  ~PacketSocket() { Close(); }
  PacketSocket(const PacketSocket&) = delete;
  PacketSocket& operator=(const PacketSocket&) = delete;

  // `slab` and `counters` must stay valid until Close. `slab.bytes` may be null as long as nothing
  // is received, and is not needed with a ring.
  bool Open(const SocketOptions& options, const ReceiveSlab& slab, Counters* counters,
            SystemError* error);
  // Memory to receive into, of a socket without a ring: slab.slots times slab.slot_bytes.
  void ReceiveInto(uint8_t* bytes);
  // Idempotent.
  void Close();

  int fd() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }

  // At most slab.slots frames, from the ring or by one recvmmsg. They stay where they are until
  // Done.
  ReceiveResult Receive();
  // Nobody looks at the frames of the last Receive any more.
  void Done() { ring_.GiveBack(); }
  // The memory that frames are received into belongs to the socket.
  ReceiveRing& ring() { return ring_; }

  // Sends `count` frames that lie in `region`; descriptors must have been checked against it.
  // Frames that the interface cannot carry now or ever are taken, lost and counted.
  SendResult Send(const uint8_t* region, const int32_t* descriptors, uint32_t count);

  bool SetFilter(const FrameFilter& filter, SystemError* error);

  // Clears the error that the kernel has noted on the socket, and returns it.
  int TakeError();
  // The interface was removed, or moved to another namespace: the socket is dead for good.
  bool InterfaceIsGone() const;
  bool InterfaceIsUp() const;
  // Adds what the kernel has dropped since the last call to counters.kernel_drops.
  void CollectDrops();

 private:
  bool Configure(const SocketOptions& options, SystemError* error);
  bool StartMonitor(SystemError* error);
  ReceiveResult ReceiveFromRing();
  void Describe(uint32_t offset, uint32_t length, ReceiveResult* result);
  void NoteTime(uint32_t slot, uint32_t frame);
  // After a failed sendmmsg: true if the batch goes on, having skipped `*skip` frames.
  bool HandleSendError(int error, uint32_t left, SendResult* result, uint32_t* skip);

  static constexpr uint32_t kSendChunk = 64;

  int fd_ = -1;
  int interface_index_ = 0;
  bool retried_after_error_ = false;
  Counters* counters_ = nullptr;
  ReceiveSlab slab_;
  ReceiveRing ring_;
  std::vector<iovec> receive_vectors_;
  std::vector<mmsghdr> receive_messages_;
  // Room for a time stamp per slot; empty unless times are asked for.
  std::vector<TimeControl> receive_controls_;
  std::array<iovec, kSendChunk> send_vectors_{};
  std::array<mmsghdr, kSendChunk> send_messages_{};
};

}  // namespace rawsock
