#include "process_wrap.h"

#include <string>
#include <vector>

#include "datagram.h"
#include "locked_advice.h"
#include "process_guard.h"
#include "system_error.h"

namespace nbd_kernel {
namespace {

void ThrowIfFailed(Napi::Env env, const SystemError& error) {
  if (error.call != nullptr) MakeSystemError(env, error).ThrowAsJavaScriptException();
}

std::vector<std::string> ReadTexts(const Napi::Value& value) {
  const auto list = value.As<Napi::Array>();
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < list.Length(); i++) {
    texts.push_back(Napi::Value(list[i]).ToString().Utf8Value());
  }
  return texts;
}

Napi::Value MarkIoFlusher(const Napi::CallbackInfo& info) {
  ThrowIfFailed(info.Env(), SetIoFlusher());
  return info.Env().Undefined();
}

Napi::Value MakeRealTime(const Napi::CallbackInfo& info) {
  ThrowIfFailed(info.Env(), SetRealTime());
  return info.Env().Undefined();
}

Napi::Value AskIoFlusher(const Napi::CallbackInfo& info) {
  SystemError error;
  const bool is_marked = IsIoFlusher(&error);
  ThrowIfFailed(info.Env(), error);
  return Napi::Boolean::New(info.Env(), is_marked);
}

Napi::Value Replace(const Napi::CallbackInfo& info) {
  const std::string path = info[0].ToString().Utf8Value();
  ThrowIfFailed(info.Env(), ReplaceProgram(path, ReadTexts(info[1]), ReadTexts(info[2])));
  return info.Env().Undefined();
}

Napi::Value Library(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), LibraryFile());
}

Napi::Value AskPreloaded(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), IsAdvicePreloaded());
}

Napi::Value Lock(const Napi::CallbackInfo& info) {
  if (IsAdvicePreloaded()) {
    ThrowIfFailed(info.Env(), LockMemory());
  } else {
    Napi::Error::New(info.Env(), "the addon was not preloaded").ThrowAsJavaScriptException();
  }
  return info.Env().Undefined();
}

Napi::Value Pin(const Napi::CallbackInfo& info) {
  ThrowIfFailed(info.Env(), PinFile(info[0].ToString().Utf8Value()));
  return info.Env().Undefined();
}

Napi::Value Send(const Napi::CallbackInfo& info) {
  const std::string address = info[0].ToString().Utf8Value();
  ThrowIfFailed(info.Env(), SendDatagram(address, info[1].ToString().Utf8Value()));
  return info.Env().Undefined();
}

}  // namespace

void DefineProcess(Napi::Env env, Napi::Object exports) {
  const auto put = [&](const char* name, Napi::Value (*call)(const Napi::CallbackInfo&)) {
    exports.Set(name, Napi::Function::New(env, call, name));
  };
  put("setIoFlusher", MarkIoFlusher);
  put("setRealTime", MakeRealTime);
  put("isIoFlusher", AskIoFlusher);
  put("replaceProgram", Replace);
  put("libraryFile", Library);
  put("isPreloaded", AskPreloaded);
  put("lockMemory", Lock);
  put("pinFile", Pin);
  put("sendDatagram", Send);
}

}  // namespace nbd_kernel
