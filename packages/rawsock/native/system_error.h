#pragma once

namespace rawsock {

// A failed system call: which one, and errno. `call` points at a string literal.
struct SystemError {
  const char* call = nullptr;
  int number = 0;
};

}  // namespace rawsock
