#pragma once

#include <node_api.h>
#include <uv.h>

namespace nbd_kernel {

// What a PollLoop tells. All calls come from the event loop, none from inside a PollLoop method.
class PollListener {
 public:
  virtual void OnReadable() = 0;
  virtual void OnWritable() {}
  // The environment (process or worker thread) ends; JavaScript cannot be called any more. The
  // listener closes its PollLoop.
  virtual void OnEnvironmentEnd() = 0;

 protected:
  ~PollListener() = default;
};

// The libuv handle of one descriptor.
//
// libuv closes handles later than asked, so a PollLoop is made with Create, ended with Close, and
// frees itself when the handle is closed. That also holds when the environment ends first: an open
// handle at the end of a worker thread would abort the process.
class PollLoop {
 public:
  // `fd` stays the caller's, who closes it after Close. Returns nullptr and sets `uv_error` when
  // libuv refuses.
  static PollLoop* Create(napi_env env, int fd, PollListener* listener, int* uv_error);

  // The listener is not called again. The object must not be used afterwards.
  void Close();

  // Waits for what is asked for; nothing: waits no more, and keeps the process alive no more.
  void Poll(bool readable, bool writable);

 private:
  explicit PollLoop(PollListener* listener) : listener_(listener) {}
  ~PollLoop() = default;

  static void OnPoll(uv_poll_t* handle, int status, int events);
  static void OnClosed(uv_handle_t* handle);
  static void OnCleanup(napi_async_cleanup_hook_handle handle, void* data);

  PollListener* listener_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  bool wants_writable_ = false;
  uv_poll_t poll_{};
};

}  // namespace nbd_kernel
