#pragma once

#include <napi.h>

#include <cstdint>

#include "counters.h"
#include "packet_socket.h"
#include "poll_loop.h"
#include "receive_pace.h"

namespace rawsock {

// The socket as JavaScript sees it (NativeSocket in src/native-binding.ts): a PacketSocket, its
// PollLoop, references that keep the shared memory alive, and three callbacks.
//
// While the socket is open it holds itself alive; Close gives it to the garbage collector.
class SocketWrap final : public Napi::ObjectWrap<SocketWrap>, private PollListener {
 public:
  static Napi::Function DefineClass(Napi::Env env);

  // Called by DefineClass's function, which takes the options of openSocket.
  explicit SocketWrap(const Napi::CallbackInfo& info);
  ~SocketWrap() override;

 private:
  // Methods.
  void Start(const Napi::CallbackInfo& info);
  Napi::Value Send(const Napi::CallbackInfo& info);
  void SetPeerMac(const Napi::CallbackInfo& info);
  void CollectDrops(const Napi::CallbackInfo& info);
  void Close(const Napi::CallbackInfo& info);

  // PollListener.
  void OnReadable() override;
  void OnWritable() override;
  void OnSocketError() override;
  void OnWatch() override;
  void OnEnvironmentEnd() override;

  Napi::ArrayBuffer ReceiveMemory(Napi::Env env, const ReceiveSlab& slab);
  bool IsOpen() const { return socket_.is_open(); }
  void WaitForMore(uint32_t frames, bool may_have_more);
  void NoteInterfaceDown();
  void Fail(const char* call, int number);
  void Release();
  void Call(const Napi::FunctionReference& callback, std::initializer_list<napi_value> arguments);

  PacketSocket socket_;
  PollLoop* loop_ = nullptr;
  FrameFilter filter_;
  uint32_t busy_poll_micros_ = 0;
  ReceivePace pace_;
  // How many frames are sure to come, as JavaScript says; negative: it does not.
  const int32_t* awaited_ = nullptr;
  bool may_rest_ = false;
  bool rests_ = false;
  bool is_started_ = false;
  bool is_blocked_ = false;
  bool has_failed_ = false;

  Napi::ObjectReference memory_;
  Napi::FunctionReference on_batch_;
  Napi::FunctionReference on_writable_;
  Napi::FunctionReference on_failure_;
};

// Makes `error` pending as an Error with the properties syscall and errno (positive).
void ThrowSystemError(Napi::Env env, const SystemError& error);

}  // namespace rawsock
