#include "thread_task.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "owned_fd.h"
#include "poll_loop.h"

namespace nbd_kernel {
namespace {

// What the thread owns. It outlives the environment if it must.
struct ThreadSide {
  TaskWork work;
  std::shared_ptr<TaskOutcome> outcome;
  OwnedFd done;
};

void* RunThread(void* argument) {
  const std::unique_ptr<ThreadSide> side(static_cast<ThreadSide*>(argument));
  *side->outcome = side->work();
  // What the work holds (descriptors) is released before anybody hears of its end.
  side->work = nullptr;
  const char byte = 1;
  // Fails only when nobody listens any more; SIGPIPE is blocked here.
  [[maybe_unused]] const ssize_t written = write(side->done.get(), &byte, 1);
  return nullptr;
}

// Starts a detached thread that has blocked all signals.
int StartThread(ThreadSide* side) {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // A new thread inherits the mask of its maker: there is no moment in which it is open.
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = pthread_create(&thread, nullptr, RunThread, side);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error == 0) pthread_detach(thread);
  return error;
}

// The JavaScript side of a task; deletes itself when the promise is settled.
class Task final : private PollListener {
 public:
  static Napi::Value Start(Napi::Env env, TaskWork work, TaskValue to_value) {
    auto* task = new Task(env, std::move(to_value));
    const Napi::Promise promise = task->deferred_.Promise();
    const SystemError error = task->Launch(std::move(work));
    if (error.call != nullptr) {
      task->deferred_.Reject(MakeSystemError(env, error).Value());
      delete task;
    }
    return promise;
  }

 private:
  Task(Napi::Env env, TaskValue to_value)
      : env_(env),
        context_(env, "nbd-kernel"),
        deferred_(Napi::Promise::Deferred::New(env)),
        to_value_(std::move(to_value)),
        outcome_(std::make_shared<TaskOutcome>()) {}
  ~Task() {
    if (loop_ != nullptr) loop_->Close();
  }

  SystemError Launch(TaskWork work) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return {"pipe2", errno};
    done_ = OwnedFd(ends[0]);
    auto side = std::make_unique<ThreadSide>();
    side->work = std::move(work);
    side->outcome = outcome_;
    side->done = OwnedFd(ends[1]);
    int uv_error = 0;
    loop_ = PollLoop::Create(env_, done_.get(), this, &uv_error);
    if (loop_ == nullptr) return {"uv_poll_init", -uv_error};
    loop_->Poll(true, false);
    const int error = StartThread(side.get());
    if (error != 0) return {"pthread_create", error};
    side.release();
    return {};
  }

  void OnReadable() override {
    const Napi::HandleScope handles(env_);
    {
      // Leaving it runs what awaits the promise.
      const Napi::CallbackScope callback(env_, context_);
      if (outcome_->error.call != nullptr) {
        deferred_.Reject(MakeSystemError(env_, outcome_->error).Value());
      } else {
        deferred_.Resolve(to_value_(env_, *outcome_));
      }
    }
    delete this;
  }

  void OnEnvironmentEnd() override { delete this; }

  Napi::Env env_;
  Napi::AsyncContext context_;
  Napi::Promise::Deferred deferred_;
  TaskValue to_value_;
  std::shared_ptr<TaskOutcome> outcome_;
  OwnedFd done_;
  PollLoop* loop_ = nullptr;
};

}  // namespace

Napi::Value RunOnThread(Napi::Env env, TaskWork work, TaskValue to_value) {
  return Task::Start(env, std::move(work), std::move(to_value));
}

Napi::Value NoValue(Napi::Env env, const TaskOutcome&) { return env.Undefined(); }

Napi::Error MakeSystemError(Napi::Env env, const SystemError& error) {
  Napi::Error made =
      Napi::Error::New(env, std::string(error.call) + ": " + std::strerror(error.number));
  made.Set("syscall", Napi::String::New(env, error.call));
  made.Set("errno", Napi::Number::New(env, error.number));
  return made;
}

}  // namespace nbd_kernel
