#pragma once

#include <napi.h>
#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "kernel_stream.h"
#include "poll_loop.h"

namespace nbd_kernel {

// What a stream has done, in memory that JavaScript reads as a Float64Array. The order is the one
// of STREAM_COUNTERS in src/native-binding.ts.
struct StreamCounters {
  double bytes_received;
  double bytes_sent;
  double receive_calls;
  double send_calls;
  double send_blocked;
};

constexpr unsigned kCounterCount = 5;
static_assert(sizeof(StreamCounters) == kCounterCount * sizeof(double), "one double per counter");

// NativeStream of src/native-binding.ts: a KernelStream, its PollLoop, references that keep the
// shared memory alive, and three callbacks. Open, it holds itself alive.
class StreamWrap final : public Napi::ObjectWrap<StreamWrap>, private PollListener {
 public:
  static Napi::Function DefineClass(Napi::Env env);
  explicit StreamWrap(const Napi::CallbackInfo& info);
  ~StreamWrap() override;

 private:
  Napi::Value KernelFd(const Napi::CallbackInfo& info);
  void CloseKernelEnd(const Napi::CallbackInfo& info);
  void Start(const Napi::CallbackInfo& info);
  void Pause(const Napi::CallbackInfo& info);
  void Resume(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  void OnReadable() override;
  void OnWritable() override;
  void OnEnvironmentEnd() override;

  // Delivers what has come, one turn's worth at most; returns whether there may be more.
  bool ReadSome();
  void UpdatePoll();
  // The other end sends nothing more.
  void EndInput();
  void End(int number);
  void Release();
  void Call(const Napi::FunctionReference& callback, std::initializer_list<napi_value> arguments);

  static constexpr uint32_t kMaxWindows = 256;

  KernelStream stream_;
  PollLoop* loop_ = nullptr;
  uint8_t* slab_ = nullptr;
  size_t slab_bytes_ = 0;
  StreamCounters* counters_ = nullptr;
  bool is_started_ = false;
  bool is_paused_ = false;
  bool is_blocked_ = false;
  // A socket's client may have said all and still listen.
  bool is_adopted_ = false;
  bool has_input_ended_ = false;
  bool has_ended_ = false;
  // errno of a send that found the stream dead; told from the event loop.
  int send_error_ = 0;
  std::array<iovec, kMaxWindows> vectors_{};

  Napi::ObjectReference memory_;
  Napi::FunctionReference on_receive_;
  Napi::FunctionReference on_writable_;
  Napi::FunctionReference on_end_;
};

}  // namespace nbd_kernel
