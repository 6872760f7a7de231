#include "poll_loop.h"

namespace nbd_kernel {

PollLoop* PollLoop::Create(napi_env env, int fd, PollListener* listener, int* uv_error) {
  uv_loop_t* loop = nullptr;
  if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
    *uv_error = UV_EINVAL;
    return nullptr;
  }
  auto* self = new PollLoop(listener);
  *uv_error = uv_poll_init(loop, &self->poll_, fd);
  if (*uv_error != 0) {
    delete self;
    return nullptr;
  }
  self->poll_.data = self;
  if (napi_add_async_cleanup_hook(env, OnCleanup, self, &self->cleanup_) != napi_ok) {
    self->cleanup_ = nullptr;
    self->Close();
    *uv_error = UV_ECANCELED;
    return nullptr;
  }
  return self;
}

void PollLoop::Close() {
  listener_ = nullptr;
  auto* handle = reinterpret_cast<uv_handle_t*>(&poll_);
  if (uv_is_closing(handle) == 0) uv_close(handle, OnClosed);
}

void PollLoop::OnClosed(uv_handle_t* handle) {
  auto* self = static_cast<PollLoop*>(handle->data);
  if (self->cleanup_ != nullptr) napi_remove_async_cleanup_hook(self->cleanup_);
  delete self;
}

void PollLoop::OnCleanup(napi_async_cleanup_hook_handle, void* data) {
  auto* self = static_cast<PollLoop*>(data);
  // Without a listener the handle is closing already, and OnClosed ends the hook.
  if (self->listener_ != nullptr) self->listener_->OnEnvironmentEnd();
}

void PollLoop::Poll(bool readable, bool writable) {
  wants_writable_ = writable;
  const int events = (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0);
  if (events == 0) {
    uv_poll_stop(&poll_);
  } else {
    uv_poll_start(&poll_, events, OnPoll);
  }
}

void PollLoop::OnPoll(uv_poll_t* handle, int status, int events) {
  auto* self = static_cast<PollLoop*>(handle->data);
  // libuv stops a handle with an error and does not say why; the next system call tells.
  const bool failed = status < 0;
  if ((failed || (events & UV_READABLE) != 0) && self->listener_ != nullptr) {
    self->listener_->OnReadable();
  }
  if ((failed || (events & UV_WRITABLE) != 0) && self->listener_ != nullptr &&
      self->wants_writable_) {
    self->listener_->OnWritable();
  }
}

}  // namespace nbd_kernel
