// The exports of the addon, as src/native-binding.ts declares them. Arguments are checked there;
// here is no policy.

#include <napi.h>

#include <cerrno>
#include <optional>
#include <string>

#include "device_wrap.h"
#include "link_watch.h"
#include "nbd_ioctl.h"
#include "nbd_netlink.h"
#include "process_wrap.h"
#include "stream_wrap.h"
#include "thread_task.h"

namespace nbd_kernel {
namespace {

// What belongs to one environment: the main thread or a worker.
struct EnvironmentData {
  Napi::FunctionReference device_class;
  Napi::FunctionReference link_watch_class;
  Napi::FunctionReference stream_class;
};

EnvironmentData& DataOf(const Napi::CallbackInfo& info) {
  return *info.Env().GetInstanceData<EnvironmentData>();
}

std::optional<uint64_t> ReadU64(const Napi::Object& from, const char* name) {
  const Napi::Value value = from.Get(name);
  if (!value.IsNumber()) return std::nullopt;
  return static_cast<uint64_t>(value.As<Napi::Number>().DoubleValue());
}

std::optional<uint32_t> ReadIndex(const Napi::Value& value) {
  if (!value.IsNumber()) return std::nullopt;
  return value.As<Napi::Number>().Uint32Value();
}

NetlinkDevice ReadDevice(const Napi::Object& given) {
  NetlinkDevice device;
  device.index = ReadIndex(given.Get("index"));
  device.size_bytes = ReadU64(given, "sizeBytes");
  device.block_bytes = ReadU64(given, "blockBytes");
  device.timeout_seconds = ReadU64(given, "timeoutSeconds");
  device.dead_connection_seconds = ReadU64(given, "deadConnectionSeconds");
  device.server_flags = ReadU64(given, "flags");
  device.client_flags = ReadU64(given, "clientFlags");
  const Napi::Value identifier = given.Get("backendIdentifier");
  if (identifier.IsString()) device.backend_identifier = identifier.ToString().Utf8Value();
  const Napi::Value sockets = given.Get("sockets");
  if (sockets.IsArray()) {
    const auto list = sockets.As<Napi::Array>();
    for (uint32_t i = 0; i < list.Length(); i++) {
      device.sockets.push_back(Napi::Value(list[i]).ToNumber().Int32Value());
    }
  }
  return device;
}

Napi::Value HasNetlinkFamily(const Napi::CallbackInfo& info) {
  NbdFamily family;
  SystemError error;
  const bool found = FindNbdFamily(&family, &error);
  if (!found && error.number != ENOENT) {
    MakeSystemError(info.Env(), error).ThrowAsJavaScriptException();
  }
  return Napi::Boolean::New(info.Env(), found);
}

Napi::Value Connect(const Napi::CallbackInfo& info) {
  const NetlinkDevice device = ReadDevice(info[0].As<Napi::Object>());
  return RunOnThread(
      info.Env(), [device] { return NetlinkConnect(device); },
      [](Napi::Env env, const TaskOutcome& outcome) {
        return Napi::Number::New(env, outcome.number);
      });
}

Napi::Value Reconfigure(const Napi::CallbackInfo& info) {
  const NetlinkDevice device = ReadDevice(info[0].As<Napi::Object>());
  return RunOnThread(info.Env(), [device] { return NetlinkReconfigure(device); }, NoValue);
}

Napi::Value Disconnect(const Napi::CallbackInfo& info) {
  const uint32_t index = info[0].ToNumber().Uint32Value();
  return RunOnThread(info.Env(), [index] { return NetlinkDisconnect(index); }, NoValue);
}

Napi::Value Status(const Napi::CallbackInfo& info) {
  const std::optional<uint32_t> index = ReadIndex(info[0]);
  return RunOnThread(
      info.Env(), [index] { return NetlinkStatus(index); },
      [](Napi::Env env, const TaskOutcome& outcome) {
        auto list = Napi::Array::New(env, outcome.devices.size());
        for (uint32_t i = 0; i < outcome.devices.size(); i++) {
          auto entry = Napi::Object::New(env);
          entry.Set("index", outcome.devices[i].index);
          entry.Set("isConnected", outcome.devices[i].connected);
          list.Set(i, entry);
        }
        return list;
      });
}

Napi::Value Scan(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  return RunOnThread(info.Env(), [path] { return ScanNode(path); }, NoValue);
}

Napi::Value End(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  const int drain_millis = info[1].ToNumber().Int32Value();
  return RunOnThread(
      info.Env(), [path, drain_millis] { return EndNode(path, drain_millis); }, NoValue);
}

Napi::Value Flush(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  return RunOnThread(info.Env(), [path] { return FlushNode(path); }, NoValue);
}

Napi::Value OpenDevice(const Napi::CallbackInfo& info) {
  return DataOf(info).device_class.New({info[0]});
}

Napi::Value CreateStream(const Napi::CallbackInfo& info) {
  return DataOf(info).stream_class.New({info[0]});
}

Napi::Value WatchLinks(const Napi::CallbackInfo& info) {
  return DataOf(info).link_watch_class.New({info[0]});
}

Napi::Object Initialize(Napi::Env env, Napi::Object exports) {
  auto* data = new EnvironmentData;
  data->device_class = Napi::Persistent(DeviceWrap::DefineClass(env));
  data->link_watch_class = Napi::Persistent(LinkWatch::DefineClass(env));
  data->stream_class = Napi::Persistent(StreamWrap::DefineClass(env));
  env.SetInstanceData(data);
  const auto put = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, call, name));
  };
  put("hasNetlinkFamily", HasNetlinkFamily);
  put("netlinkConnect", Connect);
  put("netlinkReconfigure", Reconfigure);
  put("netlinkDisconnect", Disconnect);
  put("netlinkStatus", Status);
  put("watchLinks", WatchLinks);
  put("openDevice", OpenDevice);
  put("createStream", CreateStream);
  put("scanNode", Scan);
  put("flushNode", Flush);
  put("endNode", End);
  DefineProcess(env, exports);
  return exports;
}

}  // namespace

NODE_API_MODULE(NODE_GYP_MODULE_NAME, Initialize)

}  // namespace nbd_kernel
