#pragma once

#include <napi.h>

namespace nbd_kernel {

// Puts the functions of src/native-process.ts among the exports.
void DefineProcess(Napi::Env env, Napi::Object exports);

}  // namespace nbd_kernel
