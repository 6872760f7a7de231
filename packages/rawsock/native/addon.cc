// The exports of the addon, as src/native-binding.ts declares them. Arguments are checked there;
// here is no policy.

#include <napi.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "interface_info.h"
#include "socket_wrap.h"

namespace rawsock {
namespace {

// What belongs to one environment: the main thread or a worker.
struct EnvironmentData {
  Napi::FunctionReference socket_class;
};

Napi::Value GetInterfaceInfo(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  InterfaceInfo found;
  SystemError error;
  switch (FindInterface(info[0].ToString().Utf8Value(), &found, &error)) {
    case Lookup::kMissing:
      return env.Undefined();
    case Lookup::kFailed:
      ThrowSystemError(env, error);
      return env.Undefined();
    case Lookup::kFound:
      break;
  }
  auto mac = Napi::Uint8Array::New(env, found.mac.size());
  std::copy(found.mac.begin(), found.mac.end(), mac.Data());
  auto result = Napi::Object::New(env);
  result.Set("name", found.name);
  result.Set("index", found.index);
  result.Set("mac", mac);
  result.Set("mtuBytes", found.mtu_bytes);
  result.Set("isUp", found.is_up);
  result.Set("hasCarrier", found.has_carrier);
  result.Set("isLoopback", found.is_loopback);
  result.Set("isEthernet", found.is_ethernet);
  return result;
}

Napi::Value GetInterfaceNames(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  std::vector<std::string> names;
  SystemError error;
  if (!ListInterfaces(&names, &error)) {
    ThrowSystemError(env, error);
    return env.Undefined();
  }
  auto result = Napi::Array::New(env, names.size());
  for (uint32_t i = 0; i < names.size(); i++) result.Set(i, names[i]);
  return result;
}

Napi::Value OpenSocket(const Napi::CallbackInfo& info) {
  return info.Env().GetInstanceData<EnvironmentData>()->socket_class.New({info[0]});
}

// Of the process, as its exit code is.
volatile sig_atomic_t late_exit_code = 0;

// A signal, because whoever waits for a thread that hangs in a system call can do nothing else.
void EndAfter(const Napi::CallbackInfo& info) {
  late_exit_code = info[0].ToNumber().Int32Value();
  const int millis = info[1].ToNumber().Int32Value();
  signal(SIGALRM, [](int) { _exit(late_exit_code); });
  itimerval timer{};
  timer.it_value = {millis / 1000, millis % 1000 * 1000};
  setitimer(ITIMER_REAL, &timer, nullptr);
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  auto* data = new EnvironmentData;
  data->socket_class = Napi::Persistent(SocketWrap::DefineClass(env));
  env.SetInstanceData(data);
  exports.Set("endAfter", Napi::Function::New<EndAfter>(env, "endAfter"));
  exports.Set("interfaceInfo", Napi::Function::New<GetInterfaceInfo>(env, "interfaceInfo"));
  exports.Set("listInterfaces", Napi::Function::New<GetInterfaceNames>(env, "listInterfaces"));
  exports.Set("openSocket", Napi::Function::New<OpenSocket>(env, "openSocket"));
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Initialize)

}  // namespace rawsock
