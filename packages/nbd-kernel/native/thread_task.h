#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <vector>

#include "system_error.h"

namespace nbd_kernel {

// One line of the answer to NBD_CMD_STATUS.
struct DeviceStatus {
  uint32_t index = 0;
  bool connected = false;
};

// What a piece of work on a thread comes to. Which fields count is up to the work.
struct TaskOutcome {
  SystemError error;
  double number = 0;
  std::vector<DeviceStatus> devices;
};

using TaskWork = std::function<TaskOutcome()>;
using TaskValue = std::function<Napi::Value(Napi::Env, const TaskOutcome&)>;

// Runs `work` on a native thread of its own and returns a promise of what `to_value` makes of the
// outcome, or of a system error.
//
// Calls into the nbd driver may sleep until this very process has answered a request, so none may
// run on the JavaScript thread; and they may sleep for as long as a device lives, so none may take
// a thread of libuv's pool. All signals are blocked in the thread from its first instruction on: a
// signal would end NBD_DO_IT and with it the device.
//
// `work` must not touch JavaScript. If the environment ends first, the work goes on to its end and
// the promise is forgotten.
Napi::Value RunOnThread(Napi::Env env, TaskWork work, TaskValue to_value);

// For works without a result.
Napi::Value NoValue(Napi::Env env, const TaskOutcome& outcome);

}  // namespace nbd_kernel
