#pragma once

#include <node_api.h>
#include <uv.h>

#include <cstdint>

namespace rawsock {

// What a PollLoop tells. All calls come from the event loop, none from inside a PollLoop method.
class PollListener {
 public:
  virtual void OnReadable() = 0;
  virtual void OnWritable() = 0;
  // The kernel has noted an error on the socket.
  virtual void OnSocketError() = 0;
  // The period of WatchEvery has passed.
  virtual void OnWatch() = 0;
  // The environment (process or worker thread) ends; JavaScript cannot be called any more.
  virtual void OnEnvironmentEnd() = 0;

 protected:
  ~PollListener() = default;
};

// The libuv handles of one socket: readiness, a retry alarm, a watch period and a spin.
//
// libuv closes handles later than asked, so a PollLoop is made with Create, ended with Close, and
// frees itself when the last handle is closed. That also holds when the environment ends first: an
// open handle at the end of a worker thread would abort the process.
class PollLoop {
 public:
  // `fd` stays the caller's, who closes it after Close. Returns nullptr and sets `uv_error` when
  // libuv refuses.
  static PollLoop* Create(napi_env env, int fd, PollListener* listener, int* uv_error);

  // The listener is not called again. The object must not be used afterwards.
  void Close();

  // Waits for frames, and for room to send if `writable`.
  void Poll(bool writable);
  // Waits for nothing until `nanos` have passed, then calls OnReadable.
  void Rest(uint64_t nanos);
  void StopPolling();
  // Calls OnWritable after a moment, for devices that cannot tell when they have room.
  void RetrySoon();
  // Calls OnWatch periodically until StopWatching.
  void Watch();
  void StopWatching();
  // Calls OnReadable at every turn of the loop, which does not sleep meanwhile, for `micros` from
  // now on. Other handles and timers get their turns.
  void SpinFor(uint32_t micros);

 private:
  explicit PollLoop(PollListener* listener) : listener_(listener) {}
  ~PollLoop();

  static PollLoop* Of(void* data) { return static_cast<PollLoop*>(data); }
  static void OnPoll(uv_poll_t* handle, int status, int events);
  static void OnRested(uv_poll_t* handle, int status, int events);
  static void OnRetry(uv_timer_t* handle);
  static void OnWatchTimer(uv_timer_t* handle);
  static void OnSpin(uv_idle_t* handle);
  static void OnClosed(uv_handle_t* handle);
  static void OnCleanup(napi_async_cleanup_hook_handle handle, void* data);

  void Adopt(uv_handle_t* handle);
  void CloseHandle(uv_handle_t* handle);

  PollListener* listener_;
  napi_async_cleanup_hook_handle cleanup_ = nullptr;
  unsigned open_handles_ = 0;
  uint64_t spin_until_nanos_ = 0;
  uv_poll_t poll_{};
  // Timers of libuv are no finer than a millisecond.
  int rest_fd_ = -1;
  bool is_resting_ = false;
  uv_poll_t rest_{};
  uv_timer_t retry_{};
  uv_timer_t watch_{};
  uv_idle_t spin_{};
};

}  // namespace rawsock
