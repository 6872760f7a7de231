#include "netlink_message.h"

#include <linux/genetlink.h>

#include <algorithm>
#include <cstring>

namespace nbd_kernel {

NetlinkMessage::NetlinkMessage(uint16_t family, uint8_t command, uint8_t version) {
  bytes_.resize(NLMSG_HDRLEN + GENL_HDRLEN);
  nlmsghdr header{};
  header.nlmsg_type = family;
  header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
  header.nlmsg_seq = 1;
  std::memcpy(bytes_.data(), &header, sizeof(header));
  genlmsghdr generic{};
  generic.cmd = command;
  generic.version = version;
  std::memcpy(bytes_.data() + NLMSG_HDRLEN, &generic, sizeof(generic));
}

size_t NetlinkMessage::PutHeader(uint16_t type) {
  const size_t at = bytes_.size();
  nlattr header{};
  header.nla_type = type;
  bytes_.resize(at + NLA_HDRLEN);
  std::memcpy(bytes_.data() + at, &header, sizeof(header));
  return at;
}

void NetlinkMessage::EndAttribute(size_t at) {
  nlattr header;
  std::memcpy(&header, bytes_.data() + at, sizeof(header));
  header.nla_len = static_cast<uint16_t>(bytes_.size() - at);
  std::memcpy(bytes_.data() + at, &header, sizeof(header));
  bytes_.resize(NLA_ALIGN(bytes_.size()));
}

void NetlinkMessage::PutBytes(uint16_t type, const void* data, size_t length) {
  const size_t at = PutHeader(type);
  const auto* from = static_cast<const uint8_t*>(data);
  bytes_.insert(bytes_.end(), from, from + length);
  EndAttribute(at);
}

void NetlinkMessage::PutU32(uint16_t type, uint32_t value) { PutBytes(type, &value, 4); }

void NetlinkMessage::PutU64(uint16_t type, uint64_t value) { PutBytes(type, &value, 8); }

void NetlinkMessage::PutString(uint16_t type, const std::string& text) {
  PutBytes(type, text.c_str(), text.size() + 1);
}

size_t NetlinkMessage::BeginNest(uint16_t type) {
  return PutHeader(static_cast<uint16_t>(type | NLA_F_NESTED));
}

void NetlinkMessage::EndNest(size_t nest) { EndAttribute(nest); }

const std::vector<uint8_t>& NetlinkMessage::Finish() {
  const auto length = static_cast<uint32_t>(bytes_.size());
  std::memcpy(bytes_.data(), &length, sizeof(length));
  return bytes_;
}

bool AttributeReader::Next() {
  if (left_ < NLA_HDRLEN) return false;
  nlattr header;
  std::memcpy(&header, data_, sizeof(header));
  if (header.nla_len < NLA_HDRLEN || header.nla_len > left_) return false;
  type_ = header.nla_type & NLA_TYPE_MASK;
  payload_ = data_ + NLA_HDRLEN;
  payload_length_ = header.nla_len - NLA_HDRLEN;
  const size_t step = std::min<size_t>(NLA_ALIGN(header.nla_len), left_);
  data_ += step;
  left_ -= step;
  return true;
}

uint8_t AttributeReader::U8() const { return payload_length_ >= 1 ? payload_[0] : 0; }

uint16_t AttributeReader::U16() const {
  uint16_t value = 0;
  if (payload_length_ >= sizeof(value)) std::memcpy(&value, payload_, sizeof(value));
  return value;
}

uint32_t AttributeReader::U32() const {
  uint32_t value = 0;
  if (payload_length_ >= sizeof(value)) std::memcpy(&value, payload_, sizeof(value));
  return value;
}

std::string AttributeReader::Text() const {
  const auto* text = reinterpret_cast<const char*>(payload_);
  return std::string(text, strnlen(text, payload_length_));
}

}  // namespace nbd_kernel
