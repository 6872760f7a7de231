#include "stream_wrap.h"

#include <cerrno>

namespace nbd_kernel {
namespace {

// Slabs delivered before other handles of the loop get their turn.
constexpr int kReceivesPerTurn = 8;

}  // namespace

Napi::Function StreamWrap::DefineClass(Napi::Env env) {
  return ObjectWrap::DefineClass(
      env, "NativeStream",
      {
          InstanceMethod<&StreamWrap::KernelFd>("kernelFd"),
          InstanceMethod<&StreamWrap::CloseKernelEnd>("closeKernelEnd"),
          InstanceMethod<&StreamWrap::Start>("start"),
          InstanceMethod<&StreamWrap::Pause>("pause"),
          InstanceMethod<&StreamWrap::Resume>("resume"),
          InstanceMethod<&StreamWrap::Send>("send"),
          InstanceMethod<&StreamWrap::Close>("close"),
      });
}

StreamWrap::StreamWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  const auto given = info[0].As<Napi::Object>();
  auto slab = given.Get("slab").As<Napi::Uint8Array>();
  auto counters = given.Get("counters").As<Napi::Float64Array>();
  slab_ = slab.Data();
  slab_bytes_ = slab.ByteLength();
  if (slab_bytes_ == 0 || counters.ElementLength() < kCounterCount) {
    Napi::RangeError::New(env, "the shared memory is too small").ThrowAsJavaScriptException();
    return;
  }
  counters_ = reinterpret_cast<StreamCounters*>(counters.Data());

  SystemError error;
  const Napi::Value socket = given.Get("socket");
  is_adopted_ = socket.IsNumber();
  if (!(is_adopted_ ? stream_.Adopt(socket.ToNumber().Int32Value(), &error)
                    : stream_.Open(given.Get("bufferBytes").ToNumber().Int32Value(), &error))) {
    MakeSystemError(env, error).ThrowAsJavaScriptException();
    return;
  }
  int uv_error = 0;
  loop_ = PollLoop::Create(env, stream_.fd(), this, &uv_error);
  if (loop_ == nullptr) {
    stream_.Close();
    MakeSystemError(env, {"uv_poll_init", -uv_error}).ThrowAsJavaScriptException();
    return;
  }
  // The options object holds both arrays.
  memory_ = Napi::Persistent(given);
  Ref();
}

StreamWrap::~StreamWrap() {
  if (loop_ != nullptr) loop_->Close();
}

Napi::Value StreamWrap::KernelFd(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), stream_.kernel_fd());
}

void StreamWrap::CloseKernelEnd(const Napi::CallbackInfo&) { stream_.CloseKernelEnd(); }

void StreamWrap::Start(const Napi::CallbackInfo& info) {
  if (!stream_.is_open() || is_started_) return;
  on_receive_ = Napi::Persistent(info[0].As<Napi::Function>());
  on_writable_ = Napi::Persistent(info[1].As<Napi::Function>());
  on_end_ = Napi::Persistent(info[2].As<Napi::Function>());
  is_started_ = true;
  UpdatePoll();
}

void StreamWrap::Pause(const Napi::CallbackInfo&) {
  is_paused_ = true;
  UpdatePoll();
}

void StreamWrap::Resume(const Napi::CallbackInfo&) {
  is_paused_ = false;
  UpdatePoll();
}

Napi::Value StreamWrap::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto regions = info[0].As<Napi::Array>();
  const auto ranges = info[1].As<Napi::Uint32Array>();
  const uint32_t count = info[2].ToNumber().Uint32Value();
  if (count > kMaxWindows || 2 * size_t{count} > ranges.ElementLength()) {
    Napi::RangeError::New(env, "more windows than there may be").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  const uint32_t* range = ranges.Data();
  for (uint32_t i = 0; i < count; i++, range += 2) {
    const Napi::Value element = regions[i];
    if (!element.IsTypedArray()) {
      Napi::TypeError::New(env, "a window has no bytes").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    const auto bytes = element.As<Napi::Uint8Array>();
    if (size_t{range[0]} + range[1] > bytes.ByteLength()) {
      Napi::RangeError::New(env, "a window lies outside its bytes").ThrowAsJavaScriptException();
      return env.Undefined();
    }
    vectors_[i].iov_base = const_cast<uint8_t*>(bytes.Data()) + range[0];
    vectors_[i].iov_len = range[1];
  }
  if (!stream_.is_open() || has_ended_ || send_error_ != 0 || count == 0) {
    return Napi::Number::New(env, 0);
  }
  size_t total = 0;
  for (uint32_t i = 0; i < count; i++) total += vectors_[i].iov_len;
  const ssize_t sent = stream_.Send(vectors_.data(), count);
  counters_->send_calls++;
  if (sent > 0) counters_->bytes_sent += static_cast<double>(sent);
  if (sent < 0 && sent != -EAGAIN) {
    send_error_ = static_cast<int>(-sent);
    UpdatePoll();
  } else if (sent < static_cast<ssize_t>(total)) {
    counters_->send_blocked++;
    is_blocked_ = true;
    UpdatePoll();
  }
  return Napi::Number::New(env, sent > 0 ? static_cast<double>(sent) : 0);
}

void StreamWrap::Close(const Napi::CallbackInfo&) {
  if (!stream_.is_open()) return;
  Release();
  on_receive_.Reset();
  on_writable_.Reset();
  on_end_.Reset();
  memory_.Reset();
  Unref();
}

void StreamWrap::Release() {
  loop_->Close();
  loop_ = nullptr;
  stream_.Close();
}

void StreamWrap::UpdatePoll() {
  if (loop_ == nullptr || !is_started_) return;
  if (has_ended_) {
    loop_->Poll(false, false);
  } else {
    // A dead stream is writable, too: that is how its death is told outside of Send.
    loop_->Poll(!is_paused_ && !has_input_ended_, is_blocked_ || send_error_ != 0);
  }
}

void StreamWrap::OnReadable() { ReadSome(); }

bool StreamWrap::ReadSome() {
  const Napi::HandleScope scope(Env());
  // A handler may close the stream; this handle keeps the object until we are through.
  [[maybe_unused]] const Napi::Object self = Value();
  for (int i = 0; i < kReceivesPerTurn; i++) {
    if (!stream_.is_open() || has_ended_ || has_input_ended_ || is_paused_) return false;
    const ssize_t length = stream_.Receive(slab_, slab_bytes_);
    if (length == -EAGAIN) return false;
    counters_->receive_calls++;
    if (length == 0) EndInput();
    if (length < 0) End(static_cast<int>(-length));
    if (length <= 0) return false;
    counters_->bytes_received += static_cast<double>(length);
    Call(on_receive_, {Napi::Number::New(Env(), static_cast<double>(length))});
    if (static_cast<size_t>(length) < slab_bytes_) return false;
  }
  return true;
}

void StreamWrap::OnWritable() {
  if (has_ended_) return;
  const Napi::HandleScope scope(Env());
  [[maybe_unused]] const Napi::Object self = Value();
  if (send_error_ != 0) {
    // What the kernel sent before it hung up is still to be read, and may say why it did.
    if (!ReadSome() && stream_.is_open() && !has_ended_) End(send_error_);
    return;
  }
  if (!is_blocked_) return;
  is_blocked_ = false;
  UpdatePoll();
  Call(on_writable_, {});
}

void StreamWrap::EndInput() {
  if (!is_adopted_) {
    End(0);
    return;
  }
  has_input_ended_ = true;
  UpdatePoll();
  Call(on_end_, {Napi::Number::New(Env(), 0)});
}

void StreamWrap::End(int number) {
  has_ended_ = true;
  UpdatePoll();
  Call(on_end_, {Napi::Number::New(Env(), number)});
}

void StreamWrap::OnEnvironmentEnd() { Release(); }

void StreamWrap::Call(const Napi::FunctionReference& callback,
                      std::initializer_list<napi_value> arguments) {
  const Napi::Env env = Env();
  // Runs microtasks and nextTicks afterwards, as every callback from the event loop must.
  const napi_status status = napi_make_callback(env, nullptr, Value(), callback.Value(),
                                                arguments.size(), arguments.begin(), nullptr);
  if (status != napi_pending_exception) return;
  napi_value thrown = nullptr;
  if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown);
  }
}

}  // namespace nbd_kernel
