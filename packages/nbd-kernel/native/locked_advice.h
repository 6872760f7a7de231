#pragma once

#include <string>

namespace nbd_kernel {

// The file that this library was loaded from: what LD_PRELOAD has to name. Empty if unknown.
std::string LibraryFile();

// Whether this process calls the `madvise` of this library, because it was preloaded.
bool IsAdvicePreloaded();

}  // namespace nbd_kernel
