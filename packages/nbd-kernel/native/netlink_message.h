#pragma once

#include <linux/netlink.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace nbd_kernel {

// A generic netlink message under construction: nlmsghdr, genlmsghdr, attributes. Host byte order,
// every attribute padded to 4 bytes.
class NetlinkMessage {
 public:
  // `command` and `version` are those of the family.
  NetlinkMessage(uint16_t family, uint8_t command, uint8_t version);

  void PutU32(uint16_t type, uint32_t value);
  void PutU64(uint16_t type, uint64_t value);
  // With the terminating NUL.
  void PutString(uint16_t type, const std::string& text);
  // Attributes put until EndNest stand inside this one.
  size_t BeginNest(uint16_t type);
  void EndNest(size_t nest);

  // The finished bytes, with their length filled in.
  const std::vector<uint8_t>& Finish();

 private:
  size_t PutHeader(uint16_t type);
  void PutBytes(uint16_t type, const void* data, size_t length);
  void EndAttribute(size_t header);

  std::vector<uint8_t> bytes_;
};

// A stretch of attributes in a received message; reads nothing outside of it.
class AttributeReader {
 public:
  AttributeReader(const uint8_t* data, size_t length) : data_(data), left_(length) {}

  // Steps to the next attribute; false when there is none, or none that is whole.
  bool Next();

  uint16_t type() const { return type_; }
  // 0 if the attribute is too short.
  uint8_t U8() const;
  uint16_t U16() const;
  uint32_t U32() const;
  // Up to the first NUL.
  std::string Text() const;
  AttributeReader Nested() const { return AttributeReader(payload_, payload_length_); }

 private:
  const uint8_t* data_;
  size_t left_;
  uint16_t type_ = 0;
  const uint8_t* payload_ = nullptr;
  size_t payload_length_ = 0;
};

}  // namespace nbd_kernel
