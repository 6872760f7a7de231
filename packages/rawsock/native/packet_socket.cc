#include "packet_socket.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

namespace rawsock {
namespace {

// Frames start two bytes into their slot: what follows the 14-byte MAC header is then aligned.
constexpr uint32_t kFrameOffset = 2;

// The forced form needs CAP_NET_ADMIN; without it the system's limit applies silently.
void SetBuffer(int fd, int forced, int plain, int bytes) {
  if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof(bytes)) == 0) return;
  setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof(bytes));
}

}  // namespace

bool PacketSocket::Open(const SocketOptions& options, const ReceiveSlab& slab, Counters* counters,
                        SystemError* error) {
  counters_ = counters;
  slab_ = slab;
  interface_index_ = options.interface_index;
  // Protocol 0: nothing is received before bind, so nothing passes by the filter.
  fd_ = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) {
    *error = {"socket", errno};
    return false;
  }
  if (!Configure(options, error)) {
    Close();
    return false;
  }
  return true;
}

bool PacketSocket::Configure(const SocketOptions& options, SystemError* error) {
  const int on = 1;
  // Both are savings that old kernels lack.
  if (!options.monitor) {
    setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
  }
  if (options.bypass_qdisc) {
    setsockopt(fd_, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
  }
  const bool has_ring = options.ring_frames > 0 && !options.monitor &&
                        ring_.Open(fd_, slab_.slot_bytes - kFrameOffset, options.ring_frames);
  if (!has_ring) SetBuffer(fd_, SO_RCVBUFFORCE, SO_RCVBUF, options.receive_buffer_bytes);
  SetBuffer(fd_, SO_SNDBUFFORCE, SO_SNDBUF, options.send_buffer_bytes);
  if (!AttachFilter(fd_, options.filter, error)) return false;
  if (options.monitor && !StartMonitor(error)) return false;

  sockaddr_ll address{};
  address.sll_family = AF_PACKET;
  // What leaves is shown to sockets for all protocols only.
  address.sll_protocol = htons(options.monitor ? ETH_P_ALL : options.filter.ether_type);
  address.sll_ifindex = options.interface_index;
  if (bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return true;
  *error = {"bind", errno};
  return false;
}

bool PacketSocket::StartMonitor(SystemError* error) {
  const int on = 1;
  if (setsockopt(fd_, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) != 0) {
    *error = {"setsockopt(SO_TIMESTAMPNS)", errno};
    return false;
  }
  packet_mreq request{};
  request.mr_ifindex = interface_index_;
  request.mr_type = PACKET_MR_PROMISC;
  if (setsockopt(fd_, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &request, sizeof(request)) == 0) {
    return true;
  }
  *error = {"setsockopt(PACKET_ADD_MEMBERSHIP)", errno};
  return false;
}

void PacketSocket::ReceiveInto(uint8_t* bytes) {
  slab_.bytes = bytes;
  receive_vectors_.resize(slab_.slots);
  receive_messages_.assign(slab_.slots, mmsghdr{});
  for (uint32_t i = 0; i < slab_.slots; i++) {
    receive_vectors_[i].iov_base = bytes + size_t{i} * slab_.slot_bytes + kFrameOffset;
    receive_vectors_[i].iov_len = slab_.slot_bytes - kFrameOffset;
    receive_messages_[i].msg_hdr.msg_iov = &receive_vectors_[i];
    receive_messages_[i].msg_hdr.msg_iovlen = 1;
  }
  if (slab_.times != nullptr) receive_controls_.resize(slab_.slots);
}

void PacketSocket::NoteTime(uint32_t slot, uint32_t frame) {
  msghdr* header = &receive_messages_[slot].msg_hdr;
  timespec time{};
  for (cmsghdr* part = CMSG_FIRSTHDR(header); part != nullptr; part = CMSG_NXTHDR(header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_TIMESTAMPNS) continue;
    std::memcpy(&time, CMSG_DATA(part), sizeof(time));
  }
  slab_.times[2 * frame] = static_cast<double>(time.tv_sec);
  slab_.times[2 * frame + 1] = static_cast<double>(time.tv_nsec);
}

void PacketSocket::Close() {
  if (fd_ < 0) return;
  ring_.Close();
  close(fd_);
  fd_ = -1;
}

ReceiveResult PacketSocket::Receive() {
  if (ring_.is_open()) return ReceiveFromRing();
  ReceiveResult result;
  for (uint32_t i = 0; i < receive_controls_.size(); i++) {
    receive_messages_[i].msg_hdr.msg_control = receive_controls_[i].bytes;
    receive_messages_[i].msg_hdr.msg_controllen = sizeof(receive_controls_[i].bytes);
  }
  const int received =
      recvmmsg(fd_, receive_messages_.data(), slab_.slots, MSG_DONTWAIT, nullptr);
  counters_->receive_calls++;
  if (received < 0) {
    result.interface_down = errno == ENETDOWN;
    result.may_have_more = errno == EINTR || errno == ENETDOWN;
    return result;
  }
  for (uint32_t i = 0; i < static_cast<uint32_t>(received); i++) {
    if ((receive_messages_[i].msg_hdr.msg_flags & MSG_TRUNC) != 0) {
      counters_->receive_truncated++;
      continue;
    }
    if (slab_.times != nullptr) NoteTime(i, result.frames);
    Describe(i * slab_.slot_bytes + kFrameOffset, receive_messages_[i].msg_len, &result);
  }
  result.may_have_more = static_cast<uint32_t>(received) == slab_.slots;
  return result;
}

ReceiveResult PacketSocket::ReceiveFromRing() {
  ReceiveResult result;
  counters_->receive_calls++;
  ReceiveRing::Frame frame;
  while (result.frames < slab_.slots && ring_.Take(&frame)) {
    if (frame.is_truncated) {
      counters_->receive_truncated++;
    } else {
      Describe(frame.offset, frame.length, &result);
    }
  }
  result.may_have_more = result.frames == slab_.slots;
  return result;
}

void PacketSocket::Describe(uint32_t offset, uint32_t length, ReceiveResult* result) {
  int32_t* pair = slab_.descriptors + 2 * size_t{result->frames};
  pair[0] = static_cast<int32_t>(offset);
  pair[1] = static_cast<int32_t>(length);
  result->frames++;
  counters_->frames_received++;
  counters_->bytes_received += length;
}

SendResult PacketSocket::Send(const uint8_t* region, const int32_t* descriptors, uint32_t count) {
  SendResult result;
  retried_after_error_ = false;
  while (result.taken < count) {
    const uint32_t left = count - result.taken;
    const uint32_t chunk = std::min(left, kSendChunk);
    const int32_t* pair = descriptors + 2 * size_t{result.taken};
    for (uint32_t i = 0; i < chunk; i++, pair += 2) {
      send_vectors_[i].iov_base = const_cast<uint8_t*>(region) + pair[0];
      send_vectors_[i].iov_len = static_cast<size_t>(pair[1]);
      send_messages_[i] = mmsghdr{};
      send_messages_[i].msg_hdr.msg_iov = &send_vectors_[i];
      send_messages_[i].msg_hdr.msg_iovlen = 1;
    }
    const int sent = sendmmsg(fd_, send_messages_.data(), chunk, MSG_DONTWAIT);
    counters_->send_calls++;
    if (sent > 0) {
      for (int i = 0; i < sent; i++) counters_->bytes_sent += send_messages_[i].msg_len;
      counters_->frames_sent += sent;
      result.taken += static_cast<uint32_t>(sent);
      continue;
    }
    uint32_t skip = 0;
    const bool goes_on = HandleSendError(errno, left, &result, &skip);
    counters_->send_errors += skip;
    result.taken += skip;
    if (!goes_on) break;
  }
  return result;
}

bool PacketSocket::HandleSendError(int error, uint32_t left, SendResult* result, uint32_t* skip) {
  switch (error) {
    case EINTR:
      return true;
    case EAGAIN:
      counters_->send_blocked++;
      result->block = SendBlock::kSocketFull;
      return false;
    case ENOBUFS:
    case ENOMEM:
      // A bypassed queue reports a missing carrier as a full device, for as long as it is missing.
      if (!InterfaceHasCarrier(fd_, interface_index_)) {
        *skip = left;
        return false;
      }
      counters_->send_blocked++;
      result->block = SendBlock::kDeviceFull;
      return false;
    case ENETDOWN:
      // May be the note of an outage that is over; asking a second time tells.
      if (!retried_after_error_) {
        retried_after_error_ = true;
        return true;
      }
      [[fallthrough]];
    case ENXIO:
    case ENODEV:
      result->interface_down = true;
      *skip = left;
      return false;
    default:
      // Too long, too short: no later attempt would fare better, and the rest must not wait.
      *skip = 1;
      return true;
  }
}

bool PacketSocket::SetFilter(const FrameFilter& filter, SystemError* error) {
  return AttachFilter(fd_, filter, error);
}

int PacketSocket::TakeError() {
  int error = 0;
  socklen_t length = sizeof(error);
  if (getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

bool PacketSocket::InterfaceIsGone() const {
  sockaddr_ll address{};
  socklen_t length = sizeof(address);
  if (getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &length) != 0) return true;
  return address.sll_ifindex != interface_index_;
}

bool PacketSocket::InterfaceIsUp() const { return rawsock::InterfaceIsUp(fd_, interface_index_); }

void PacketSocket::CollectDrops() {
  tpacket_stats statistics{};
  socklen_t length = sizeof(statistics);
  if (getsockopt(fd_, SOL_PACKET, PACKET_STATISTICS, &statistics, &length) == 0) {
    counters_->kernel_drops += statistics.tp_drops;
  }
}

}  // namespace rawsock
