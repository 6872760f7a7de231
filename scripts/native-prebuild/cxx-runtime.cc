// What the addons need of the C++ library, so that a prebuilt one needs nothing but libc: no
// libstdc++ of a certain age, and none of another libc. Compiled into prebuilt addons only.
//
// They are built without exceptions; what the library would throw ends the process either way.

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <string>

namespace {

[[noreturn]] void Die(const char* reason) {
  std::fputs("oxmem: ", stderr);
  std::fputs(reason, stderr);
  std::fputs("\n", stderr);
  std::abort();
}

}  // namespace

void* operator new(std::size_t size) {
  void* const memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) Die("out of memory");
  return memory;
}
void* operator new[](std::size_t size) { return operator new(size); }
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

extern "C" {
[[noreturn]] void __cxa_pure_virtual() { Die("pure virtual method called"); }
// Destructors of static objects are not run: an addon stays until the process ends.
void* __dso_handle = nullptr;
// See glibc-floor.h.
char oxmem_single_threaded = 0;
}

namespace std {

[[noreturn]] void __throw_bad_alloc() { Die("out of memory"); }
[[noreturn]] void __throw_bad_array_new_length() { Die("bad array length"); }
[[noreturn]] void __throw_bad_function_call() { Die("bad function call"); }
[[noreturn]] void __throw_length_error(const char* what) { Die(what); }
[[noreturn]] void __throw_logic_error(const char* what) { Die(what); }
[[noreturn]] void __throw_out_of_range_fmt(const char* what, ...) { Die(what); }

// Asked by make_shared where there is no type information.
bool _Sp_make_shared_tag::_S_eq(const type_info&) noexcept { return false; }

template class basic_string<char>;

}  // namespace std
