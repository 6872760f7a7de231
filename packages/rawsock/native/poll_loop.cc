#include "poll_loop.h"

#include <sched.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>

namespace rawsock {
namespace {

constexpr uint64_t kRetryMillis = 1;
constexpr uint64_t kWatchMillis = 100;

template <typename Handle>
uv_handle_t* Base(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

PollLoop* PollLoop::Create(napi_env env, int fd, PollListener* listener, int* uv_error) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    *uv_error = UV_EINVAL;
    return nullptr;
  }
  auto* self = new PollLoop(listener);
  self->rest_fd_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
  *uv_error = self->rest_fd_ < 0 ? -errno : uv_poll_init(loop, &self->poll_, fd);
  if (*uv_error != 0) {
    delete self;
    return nullptr;
  }
  // These cannot fail.
  uv_poll_init(loop, &self->rest_, self->rest_fd_);
  uv_timer_init(loop, &self->retry_);
  uv_timer_init(loop, &self->watch_);
  uv_idle_init(loop, &self->spin_);
  self->Adopt(Base(&self->poll_));
  self->Adopt(Base(&self->rest_));
  self->Adopt(Base(&self->retry_));
  self->Adopt(Base(&self->watch_));
  self->Adopt(Base(&self->spin_));
  if (napi_add_async_cleanup_hook(env, OnCleanup, self, &self->cleanup_) != napi_ok) {
    self->cleanup_ = nullptr;
    self->Close();
    *uv_error = UV_ECANCELED;
    return nullptr;
  }
  return self;
}

void PollLoop::Adopt(uv_handle_t* handle) {
  handle->data = this;
  open_handles_++;
}

void PollLoop::Close() {
  listener_ = nullptr;
  CloseHandle(Base(&poll_));
  CloseHandle(Base(&rest_));
  CloseHandle(Base(&retry_));
  CloseHandle(Base(&watch_));
  CloseHandle(Base(&spin_));
}

void PollLoop::CloseHandle(uv_handle_t* handle) {
  if (uv_is_closing(handle) == 0) uv_close(handle, OnClosed);
}

void PollLoop::OnClosed(uv_handle_t* handle) {
  PollLoop* self = Of(handle->data);
  if (--self->open_handles_ > 0) return;
  if (self->cleanup_ != nullptr) napi_remove_async_cleanup_hook(self->cleanup_);
  delete self;
}

void PollLoop::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  PollLoop* self = Of(data);
  // Without a listener the handles are closing already, and OnClosed ends the hook.
  if (self->listener_ != nullptr) self->listener_->OnEnvironmentEnd();
}

PollLoop::~PollLoop() {
  if (rest_fd_ >= 0) close(rest_fd_);
}

void PollLoop::Poll(bool writable) {
  is_resting_ = false;
  uv_poll_start(&poll_, writable ? UV_READABLE | UV_WRITABLE : UV_READABLE, OnPoll);
}

void PollLoop::Rest(uint64_t nanos) {
  if (uv_is_active(Base(&poll_)) != 0) uv_poll_stop(&poll_);
  if (uv_is_active(Base(&rest_)) == 0) uv_poll_start(&rest_, UV_READABLE, OnRested);
  itimerspec when{};
  when.it_value.tv_nsec = static_cast<long>(nanos);
  timerfd_settime(rest_fd_, 0, &when, nullptr);
  is_resting_ = true;
}

void PollLoop::StopPolling() {
  is_resting_ = false;
  uv_poll_stop(&poll_);
  uv_poll_stop(&rest_);
  uv_timer_stop(&retry_);
  uv_timer_stop(&watch_);
  uv_idle_stop(&spin_);
}

void PollLoop::RetrySoon() {
  if (uv_is_active(Base(&retry_)) == 0) uv_timer_start(&retry_, OnRetry, kRetryMillis, 0);
}

void PollLoop::Watch() {
  if (uv_is_active(Base(&watch_)) != 0) return;
  uv_timer_start(&watch_, OnWatchTimer, kWatchMillis, kWatchMillis);
}

void PollLoop::StopWatching() { uv_timer_stop(&watch_); }

void PollLoop::SpinFor(uint32_t micros) {
  spin_until_nanos_ = uv_hrtime() + uint64_t{micros} * 1000;
  if (uv_is_active(Base(&spin_)) == 0) uv_idle_start(&spin_, OnSpin);
}

void PollLoop::OnPoll(uv_poll_t* handle, int status, int events) {
  PollLoop* self = Of(handle->data);
  // libuv has stopped the handle and does not say why.
  if (status < 0 && self->listener_ != nullptr) self->listener_->OnSocketError();
  if ((events & UV_READABLE) != 0 && self->listener_ != nullptr) self->listener_->OnReadable();
  if ((events & UV_WRITABLE) != 0 && self->listener_ != nullptr) self->listener_->OnWritable();
}

void PollLoop::OnRested(uv_poll_t* handle, int, int) {
  PollLoop* self = Of(handle->data);
  uint64_t times = 0;
  if (read(self->rest_fd_, &times, sizeof(times)) < 0) return;
  if (!self->is_resting_ || self->listener_ == nullptr) return;
  self->is_resting_ = false;
  self->listener_->OnReadable();
}

void PollLoop::OnRetry(uv_timer_t* handle) {
  PollLoop* self = Of(handle->data);
  if (self->listener_ != nullptr) self->listener_->OnWritable();
}

void PollLoop::OnWatchTimer(uv_timer_t* handle) {
  PollLoop* self = Of(handle->data);
  if (self->listener_ != nullptr) self->listener_->OnWatch();
}

void PollLoop::OnSpin(uv_idle_t* handle) {
  PollLoop* self = Of(handle->data);
  if (self->listener_ == nullptr) return;
  const uint64_t until = self->spin_until_nanos_;
  self->listener_->OnReadable();
  if (uv_hrtime() > self->spin_until_nanos_) {
    uv_idle_stop(handle);
  } else if (self->spin_until_nanos_ == until) {
    // Nothing came. Whoever we wait for may be waiting for this processor.
    sched_yield();
  }
}

}  // namespace rawsock
