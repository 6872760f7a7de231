#include "device_wrap.h"

#include <cerrno>
#include <memory>

namespace nbd_kernel {

Napi::Function DeviceWrap::DefineClass(Napi::Env env) {
  return ObjectWrap::DefineClass(env, "NativeDevice",
                                 {
                                     InstanceMethod<&DeviceWrap::Configure>("configure"),
                                     InstanceMethod<&DeviceWrap::SetSocket>("setSocket"),
                                     InstanceMethod<&DeviceWrap::Serve>("serve"),
                                     InstanceMethod<&DeviceWrap::Disconnect>("disconnect"),
                                     InstanceMethod<&DeviceWrap::ClearSocket>("clearSocket"),
                                     InstanceMethod<&DeviceWrap::Close>("close"),
                                 });
}

DeviceWrap::DeviceWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  SystemError error;
  node_ = OpenNode(info[0].ToString().Utf8Value(), &error);
  if (!node_.is_open()) MakeSystemError(info.Env(), error).ThrowAsJavaScriptException();
}

void DeviceWrap::Configure(const Napi::CallbackInfo& info) {
  const auto given = info[0].As<Napi::Object>();
  IoctlDevice device;
  device.block_bytes = given.Get("blockBytes").ToNumber().Uint32Value();
  device.blocks = static_cast<uint64_t>(given.Get("blocks").ToNumber().DoubleValue());
  device.timeout_seconds = given.Get("timeoutSeconds").ToNumber().Uint32Value();
  device.flags = given.Get("flags").ToNumber().Uint32Value();
  SystemError error;
  if (!ConfigureNode(node_.get(), device, &error)) {
    MakeSystemError(info.Env(), error).ThrowAsJavaScriptException();
  }
}

void DeviceWrap::SetSocket(const Napi::CallbackInfo& info) {
  SystemError error;
  if (nbd_kernel::SetSocket(node_.get(), info[0].ToNumber().Int32Value(), &error)) {
    has_socket_ = true;
  } else {
    MakeSystemError(info.Env(), error).ThrowAsJavaScriptException();
  }
}

Napi::Value DeviceWrap::OnDuplicate(Napi::Env env, TaskOutcome (*work)(int), TaskValue to_value) {
  SystemError error;
  const auto copy = std::make_shared<OwnedFd>(DuplicateNode(node_.get(), &error));
  // Without a descriptor the system call says so by itself, as EBADF.
  return RunOnThread(env, [copy, work] { return work(copy->get()); }, std::move(to_value));
}

Napi::Value DeviceWrap::Serve(const Napi::CallbackInfo& info) {
  if (!has_socket_) {
    Napi::Error::New(info.Env(), "the device has no socket").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return OnDuplicate(info.Env(), ServeNode, [](Napi::Env env, const TaskOutcome& outcome) {
    return Napi::Number::New(env, outcome.number);
  });
}

Napi::Value DeviceWrap::Disconnect(const Napi::CallbackInfo& info) {
  return OnDuplicate(info.Env(), DisconnectNode, NoValue);
}

Napi::Value DeviceWrap::ClearSocket(const Napi::CallbackInfo& info) {
  if (!has_socket_) {
    Napi::Error::New(info.Env(), "the device has no socket of ours").ThrowAsJavaScriptException();
    return info.Env().Undefined();
  }
  return OnDuplicate(info.Env(), ClearNode, NoValue);
}

void DeviceWrap::Close(const Napi::CallbackInfo&) { node_.Reset(); }

}  // namespace nbd_kernel
