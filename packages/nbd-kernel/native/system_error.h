#pragma once

#include <napi.h>

namespace nbd_kernel {

// A failed system call: which one (or which ioctl), and errno. `call` points at a string literal;
// nullptr: nothing failed.
struct SystemError {
  const char* call = nullptr;
  int number = 0;
};

// An Error with the properties syscall and errno (positive).
Napi::Error MakeSystemError(Napi::Env env, const SystemError& error);

}  // namespace nbd_kernel
