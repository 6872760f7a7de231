#pragma once

#include <napi.h>

#include "nbd_ioctl.h"

namespace nbd_kernel {

// NativeDevice of src/native-binding.ts: an open /dev/nbdN. Every thread that works on it has a
// descriptor of its own, so that closing this one pulls nothing from under them.
class DeviceWrap final : public Napi::ObjectWrap<DeviceWrap> {
 public:
  static Napi::Function DefineClass(Napi::Env env);
  explicit DeviceWrap(const Napi::CallbackInfo& info);

 private:
  void Configure(const Napi::CallbackInfo& info);
  void SetSocket(const Napi::CallbackInfo& info);
  Napi::Value Serve(const Napi::CallbackInfo& info);
  Napi::Value Disconnect(const Napi::CallbackInfo& info);
  Napi::Value ClearSocket(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  // Runs `work` on a thread, with a duplicate of the descriptor that it closes at the end.
  Napi::Value OnDuplicate(Napi::Env env, TaskOutcome (*work)(int), TaskValue to_value);

  OwnedFd node_;
  // The driver has accepted a socket of ours, so what NBD_CLEAR_SOCK ends is ours.
  bool has_socket_ = false;
};

}  // namespace nbd_kernel
