#include "socket_wrap.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

namespace rawsock {
namespace {

// Batches delivered before other handles of the loop get their turn.
constexpr int kBatchesPerTurn = 8;

MacAddress ReadMac(const Napi::Value& value) {
  const auto bytes = value.As<Napi::Uint8Array>();
  MacAddress mac{};
  std::memcpy(mac.data(), bytes.Data(), std::min(bytes.ByteLength(), mac.size()));
  return mac;
}

uint32_t ReadUint(const Napi::Object& object, const char* name) {
  return object.Get(name).ToNumber().Uint32Value();
}

// Whether descriptors first .. first + count - 1 exist and describe bytes of the region.
bool DescribesRegion(const Napi::Int32Array& descriptors, double first, double count,
                     size_t region_bytes) {
  const double pairs = static_cast<double>(descriptors.ElementLength() / 2);
  if (!(first >= 0 && count >= 0 && first + count <= pairs)) return false;
  const int32_t* pair = descriptors.Data() + 2 * static_cast<size_t>(first);
  const int32_t* end = pair + 2 * static_cast<size_t>(count);
  for (; pair != end; pair += 2) {
    if (pair[0] < 0 || pair[1] < 0) return false;
    if (static_cast<size_t>(pair[0]) + static_cast<size_t>(pair[1]) > region_bytes) return false;
  }
  return true;
}

}  // namespace

void ThrowSystemError(Napi::Env env, const SystemError& error) {
  Napi::Error thrown =
      Napi::Error::New(env, std::string(error.call) + ": " + std::strerror(error.number));
  thrown.Set("syscall", Napi::String::New(env, error.call));
  thrown.Set("errno", Napi::Number::New(env, error.number));
  thrown.ThrowAsJavaScriptException();
}

Napi::Function SocketWrap::DefineClass(Napi::Env env) {
  return ObjectWrap::DefineClass(
      env, "NativeSocket",
      {
          InstanceMethod<&SocketWrap::Start>("start"),
          InstanceMethod<&SocketWrap::Send>("send"),
          InstanceMethod<&SocketWrap::SetPeerMac>("setPeerMac"),
          InstanceMethod<&SocketWrap::CollectDrops>("collectDrops"),
          InstanceMethod<&SocketWrap::Close>("close"),
      });
}

SocketWrap::SocketWrap(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const Napi::Env env = info.Env();
  const auto given = info[0].As<Napi::Object>();

  SocketOptions options;
  options.interface_index = static_cast<int>(ReadUint(given, "interfaceIndex"));
  options.filter.ether_type = static_cast<uint16_t>(ReadUint(given, "etherType"));
  options.filter.own_mac = ReadMac(given.Get("ownMac"));
  if (given.Get("peerMac").IsTypedArray()) options.filter.peer_mac = ReadMac(given.Get("peerMac"));
  options.receive_buffer_bytes = static_cast<int>(ReadUint(given, "receiveBufferBytes"));
  options.send_buffer_bytes = static_cast<int>(ReadUint(given, "sendBufferBytes"));
  options.bypass_qdisc = given.Get("bypassQdisc").ToBoolean();
  options.monitor = given.Get("times").IsTypedArray();
  options.filter.takes_all = options.monitor;
  options.ring_frames = ReadUint(given, "receiveRingFrames");
  busy_poll_micros_ = ReadUint(given, "busyPollMicros");
  filter_ = options.filter;

  auto descriptors = given.Get("descriptors").As<Napi::Int32Array>();
  auto counters = given.Get("counters").As<Napi::Float64Array>();
  ReceiveSlab slab{nullptr, ReadUint(given, "slotBytes"), ReadUint(given, "slots"),
                   descriptors.Data(), nullptr};
  bool has_room_for_times = true;
  if (options.monitor) {
    auto times = given.Get("times").As<Napi::Float64Array>();
    slab.times = times.Data();
    has_room_for_times = times.ElementLength() >= 2 * size_t{slab.slots};
  }
  auto awaited = given.Get("awaited").As<Napi::Int32Array>();
  if (awaited.ElementLength() < 1 || descriptors.ElementLength() < 2 * size_t{slab.slots} ||
      counters.ElementLength() < kCounterCount || !has_room_for_times) {
    Napi::RangeError::New(env, "the shared memory is too small").ThrowAsJavaScriptException();
    return;
  }

  SystemError error;
  if (!socket_.Open(options, slab, reinterpret_cast<Counters*>(counters.Data()), &error)) {
    ThrowSystemError(env, error);
    return;
  }
  int uv_error = 0;
  loop_ = PollLoop::Create(env, socket_.fd(), this, &uv_error);
  if (loop_ == nullptr) {
    socket_.Close();
    ThrowSystemError(env, {"uv_poll_init", -uv_error});
    return;
  }
  awaited_ = awaited.Data();
  // A spinning loop looks all the time; and what recvmmsg fetches is slow enough to come in crowds.
  may_rest_ = busy_poll_micros_ == 0 && socket_.ring().is_open();
  // The options object holds the arrays; so does it the memory, until the socket is closed.
  const Napi::ArrayBuffer memory = ReceiveMemory(env, slab);
  given.Set("memory", memory);
  info.This().As<Napi::Object>().Set("memory", memory);
  memory_ = Napi::Persistent(given);
  Ref();
}

Napi::ArrayBuffer SocketWrap::ReceiveMemory(Napi::Env env, const ReceiveSlab& slab) {
  ReceiveRing& ring = socket_.ring();
  if (ring.is_open()) {
    const size_t size = ring.size();
    return Napi::ArrayBuffer::New(env, ring.Share(), size, [size](Napi::Env, void* bytes) {
      ReceiveRing::Unmap(bytes, size);
    });
  }
  Napi::ArrayBuffer memory = Napi::ArrayBuffer::New(env, size_t{slab.slot_bytes} * slab.slots);
  socket_.ReceiveInto(static_cast<uint8_t*>(memory.Data()));
  return memory;
}

SocketWrap::~SocketWrap() {
  if (loop_ != nullptr) loop_->Close();
}

void SocketWrap::Start(const Napi::CallbackInfo& info) {
  if (!IsOpen() || is_started_) return;
  on_batch_ = Napi::Persistent(info[0].As<Napi::Function>());
  on_writable_ = Napi::Persistent(info[1].As<Napi::Function>());
  on_failure_ = Napi::Persistent(info[2].As<Napi::Function>());
  is_started_ = true;
  loop_->Poll(is_blocked_);
}

Napi::Value SocketWrap::Send(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const auto region = info[0].As<Napi::Uint8Array>();
  const auto descriptors = info[1].As<Napi::Int32Array>();
  const double first = info[2].ToNumber().DoubleValue();
  const double count = info[3].ToNumber().DoubleValue();
  if (!DescribesRegion(descriptors, first, count, region.ByteLength())) {
    Napi::RangeError::New(env, "a descriptor points outside its region")
        .ThrowAsJavaScriptException();
    return env.Undefined();
  }
  if (!IsOpen()) return info[3];
  const SendResult result =
      socket_.Send(region.Data(), descriptors.Data() + 2 * static_cast<size_t>(first),
                   static_cast<uint32_t>(count));
  if (result.block != SendBlock::kNone) {
    is_blocked_ = true;
    if (result.block == SendBlock::kDeviceFull) {
      loop_->RetrySoon();
    } else if (is_started_) {
      loop_->Poll(true);
    }
  }
  if (result.interface_down) NoteInterfaceDown();
  if (busy_poll_micros_ > 0 && is_started_ && !has_failed_) loop_->SpinFor(busy_poll_micros_);
  return Napi::Number::New(env, result.taken);
}

void SocketWrap::SetPeerMac(const Napi::CallbackInfo& info) {
  if (!IsOpen()) return;
  filter_.peer_mac.reset();
  if (info[0].IsTypedArray()) filter_.peer_mac = ReadMac(info[0]);
  SystemError error;
  if (!socket_.SetFilter(filter_, &error)) ThrowSystemError(info.Env(), error);
}

void SocketWrap::CollectDrops(const Napi::CallbackInfo&) {
  if (IsOpen()) socket_.CollectDrops();
}

void SocketWrap::Close(const Napi::CallbackInfo&) {
  if (!IsOpen()) return;
  socket_.CollectDrops();
  Release();
  on_batch_.Reset();
  on_writable_.Reset();
  on_failure_.Reset();
  memory_.Reset();
  Unref();
}

void SocketWrap::Release() {
  loop_->Close();
  loop_ = nullptr;
  socket_.Close();
}

void SocketWrap::OnReadable() {
  const Napi::HandleScope scope(Env());
  // A handler may close the socket; this handle keeps the object until we are through.
  [[maybe_unused]] const Napi::Object self = Value();
  uint32_t frames = 0;
  bool may_have_more = true;
  for (int i = 0; i < kBatchesPerTurn && may_have_more; i++) {
    const ReceiveResult result = socket_.Receive();
    may_have_more = result.may_have_more;
    frames += result.frames;
    if (result.interface_down) NoteInterfaceDown();
    if (result.frames > 0) {
      if (busy_poll_micros_ > 0) loop_->SpinFor(busy_poll_micros_);
      Call(on_batch_, {Napi::Number::New(Env(), result.frames)});
    }
    // Frames that nobody was told of are given back, too.
    socket_.Done();
    if (!IsOpen() || has_failed_) return;
  }
  if (may_rest_) WaitForMore(frames, may_have_more);
}

void SocketWrap::WaitForMore(uint32_t frames, bool may_have_more) {
  const bool rested = rests_;
  rests_ = pace_.Rests(frames, *awaited_, uv_hrtime()) && !is_blocked_;
  if (rests_) {
    loop_->Rest(may_have_more ? 1 : ReceivePace::kRestNanos);
  } else if (rested) {
    loop_->Poll(is_blocked_);
  }
}

void SocketWrap::OnWritable() {
  if (!is_blocked_ || !is_started_) return;
  is_blocked_ = false;
  loop_->Poll(false);
  const Napi::HandleScope scope(Env());
  [[maybe_unused]] const Napi::Object self = Value();
  Call(on_writable_, {});
}

void SocketWrap::OnSocketError() {
  const int error = socket_.TakeError();
  if (error == ENETDOWN) NoteInterfaceDown();
  if (!has_failed_) loop_->Poll(is_blocked_);
}

void SocketWrap::NoteInterfaceDown() {
  if (!has_failed_) loop_->Watch();
}

void SocketWrap::OnWatch() {
  // Before Start there is nobody to tell; the watch goes on until then.
  if (!is_started_) return;
  if (socket_.InterfaceIsGone()) {
    Fail("recvmmsg", ENODEV);
  } else if (socket_.InterfaceIsUp()) {
    loop_->StopWatching();
  }
}

void SocketWrap::Fail(const char* call, int number) {
  has_failed_ = true;
  loop_->StopPolling();
  const Napi::HandleScope scope(Env());
  [[maybe_unused]] const Napi::Object self = Value();
  Call(on_failure_, {Napi::String::New(Env(), call), Napi::Number::New(Env(), number)});
}

void SocketWrap::OnEnvironmentEnd() { Release(); }

void SocketWrap::Call(const Napi::FunctionReference& callback,
                      std::initializer_list<napi_value> arguments) {
  const Napi::Env env = Env();
  // Runs microtasks and nextTicks afterwards, as every callback from the event loop must.
  const napi_status status = napi_make_callback(env, nullptr, Value(), callback.Value(),
                                                arguments.size(), arguments.begin(), nullptr);
  if (status != napi_pending_exception) return;
  napi_value thrown = nullptr;
  if (napi_get_and_clear_last_exception(env, &thrown) == napi_ok) {
    napi_fatal_exception(env, thrown);
  }
}

}  // namespace rawsock
