// A `madvise` that works on locked memory.
//
// V8 gives pages back with MADV_DONTNEED and ends the process when that fails, and on locked memory
// it fails, by design: sooner or later a garbage collection ends every Node process that has called
// mlockall. Preloaded, this library stands in for libc's function: it unlocks what is to be given
// back, gives it back, and locks it again for when it is used next.
//
// Loaded in the ordinary way, as an addon, it changes nothing: nobody calls its `madvise`.

#include "locked_advice.h"

#include <dlfcn.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace {

// Headers before glibc 2.27 do not have it.
constexpr int kLockOnFault = 1;

}  // namespace

extern "C" __attribute__((visibility("default"))) int madvise(void* address, size_t length,
                                                              int advice) noexcept {
  const auto advise = [&] {
    return static_cast<int>(syscall(SYS_madvise, address, length, advice));
  };
  const int result = advise();
  const bool gives_back = advice == MADV_DONTNEED || advice == MADV_FREE;
  if (result == 0 || errno != EINVAL || !gives_back) return result;
  if (syscall(SYS_munlock, address, length) != 0) return result;
  const int second = advise();
  const int number = errno;
  syscall(SYS_mlock2, address, length, kLockOnFault);
  errno = number;
  return second;
}

namespace nbd_kernel {

std::string LibraryFile() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&IsAdvicePreloaded), &info) == 0) return {};
  return info.dli_fname == nullptr ? std::string() : std::string(info.dli_fname);
}

bool IsAdvicePreloaded() {
  // The first in the order in which the program itself looks.
  void* const called = dlsym(RTLD_DEFAULT, "madvise");
  Dl_info theirs{};
  Dl_info ours{};
  return called != nullptr && dladdr(called, &theirs) != 0 &&
         dladdr(reinterpret_cast<void*>(&IsAdvicePreloaded), &ours) != 0 &&
         theirs.dli_fbase == ours.dli_fbase;
}

}  // namespace nbd_kernel
