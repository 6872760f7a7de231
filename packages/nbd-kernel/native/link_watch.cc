#include "link_watch.h"

#include <vector>

#include "nbd_netlink.h"
#include "system_error.h"

namespace nbd_kernel {

Napi::Function LinkWatch::DefineClass(Napi::Env env) {
  return ObjectWrap::DefineClass(env, "NativeLinkWatch",
                                 {InstanceMethod<&LinkWatch::Close>("close")});
}

LinkWatch::LinkWatch(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  SystemError error;
  fd_ = SubscribeLinkNotices(&error);
  if (!fd_.is_open()) {
    MakeSystemError(info.Env(), error).ThrowAsJavaScriptException();
    return;
  }
  int uv_error = 0;
  loop_ = PollLoop::Create(info.Env(), fd_.get(), this, &uv_error);
  if (loop_ == nullptr) {
    fd_.Reset();
    MakeSystemError(info.Env(), {"uv_poll_init", -uv_error}).ThrowAsJavaScriptException();
    return;
  }
  on_dead_ = Napi::Persistent(info[0].As<Napi::Function>());
  loop_->Poll(true, false);
  Ref();
}

LinkWatch::~LinkWatch() {
  if (loop_ != nullptr) loop_->Close();
}

void LinkWatch::Close(const Napi::CallbackInfo&) {
  if (loop_ == nullptr) return;
  Release();
  on_dead_.Reset();
  Unref();
}

void LinkWatch::OnReadable() {
  const Napi::HandleScope scope(Env());
  [[maybe_unused]] const Napi::Object self = Value();
  std::vector<uint32_t> indexes;
  SystemError error;
  // A lost notice (ENOBUFS) is no reason to stop: the end of the stream tells the same.
  ReadLinkNotices(fd_.get(), &indexes, &error);
  for (const uint32_t index : indexes) {
    if (loop_ == nullptr) return;
    const napi_value argument = Napi::Number::New(Env(), index);
    const napi_status status =
        napi_make_callback(Env(), nullptr, Value(), on_dead_.Value(), 1, &argument, nullptr);
    napi_value thrown = nullptr;
    if (status == napi_pending_exception &&
        napi_get_and_clear_last_exception(Env(), &thrown) == napi_ok) {
      napi_fatal_exception(Env(), thrown);
    }
  }
}

void LinkWatch::OnEnvironmentEnd() { Release(); }

void LinkWatch::Release() {
  loop_->Close();
  loop_ = nullptr;
  fd_.Reset();
}

}  // namespace nbd_kernel
