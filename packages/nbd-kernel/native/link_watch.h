#pragma once

#include <napi.h>

#include "owned_fd.h"
#include "poll_loop.h"

namespace nbd_kernel {

// NativeLinkWatch of src/native-binding.ts: tells which devices have lost a connection. Open, it
// holds itself alive.
class LinkWatch final : public Napi::ObjectWrap<LinkWatch>, private PollListener {
 public:
  static Napi::Function DefineClass(Napi::Env env);
  explicit LinkWatch(const Napi::CallbackInfo& info);
  ~LinkWatch() override;

 private:
  void Close(const Napi::CallbackInfo& info);

  void OnReadable() override;
  void OnEnvironmentEnd() override;
  void Release();

  OwnedFd fd_;
  PollLoop* loop_ = nullptr;
  Napi::FunctionReference on_dead_;
};

}  // namespace nbd_kernel
