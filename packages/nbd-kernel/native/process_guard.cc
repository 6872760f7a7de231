#include "process_guard.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "owned_fd.h"

namespace nbd_kernel {
namespace {

// Headers before Linux 5.6 do not have them.
constexpr int kSetIoFlusher = 57;
constexpr int kGetIoFlusher = 58;

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Node has all descriptors closed at the next execve, the standard streams among them.
void InheritStandardStreams(bool are_inherited) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
    fcntl(fd, F_SETFD, are_inherited ? 0 : FD_CLOEXEC);
  }
}

// A library that has no name in the file system is preloaded through its descriptor, which the new
// program must have from the start.
void InheritPreloaded(const std::vector<std::string>& environment, bool is_inherited) {
  constexpr char kPrefix[] = "LD_PRELOAD=/proc/self/fd/";
  for (const std::string& text : environment) {
    if (text.compare(0, sizeof kPrefix - 1, kPrefix) != 0) continue;
    const int fd = std::atoi(text.c_str() + sizeof kPrefix - 1);
    fcntl(fd, F_SETFD, is_inherited ? 0 : FD_CLOEXEC);
  }
}

}  // namespace

SystemError SetIoFlusher() {
  if (prctl(kSetIoFlusher, 1, 0, 0, 0) == 0) return {};
  return {"prctl(PR_SET_IO_FLUSHER)", errno};
}

bool IsIoFlusher(SystemError* error) {
  const int state = prctl(kGetIoFlusher, 0, 0, 0, 0);
  if (state < 0) *error = {"prctl(PR_GET_IO_FLUSHER)", errno};
  return state == 1;
}

SystemError SetRealTime() {
  sched_param parameters{};
  parameters.sched_priority = sched_get_priority_min(SCHED_RR);
  if (sched_setscheduler(0, SCHED_RR, &parameters) == 0) return {};
  return {"sched_setscheduler", errno};
}

SystemError ReplaceProgram(const std::string& path, const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment) {
  const std::vector<char*> argv = Pointers(arguments);
  const std::vector<char*> envp = Pointers(environment);
  InheritStandardStreams(true);
  InheritPreloaded(environment, true);
  execve(path.c_str(), argv.data(), envp.data());
  const int number = errno;
  InheritStandardStreams(false);
  InheritPreloaded(environment, false);
  return {"execve", number};
}

SystemError LockMemory() {
  const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  // With a limit, memory that is mapped later could not be had at all. Whoever has CAP_IPC_LOCK has
  // none; for anybody else mlockall says what this call leaves unsaid.
  setrlimit(RLIMIT_MEMLOCK, &unlimited);
  // What is mapped now is read in: the program must not wait for its own pages. What comes later is
  // locked page by page as it is touched; V8 reserves far more than it ever uses.
  if (mlockall(MCL_CURRENT) != 0 || mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) != 0) {
    return {"mlockall", errno};
  }
  return {};
}

SystemError PinFile(const std::string& path) {
  const OwnedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_open()) return {"open", errno};
  const off_t end = lseek(fd.get(), 0, SEEK_END);
  if (end < 0) return {"lseek", errno};
  const auto size = static_cast<size_t>(end);
  if (size == 0) return {};
  // A locked page is locked for whoever uses it; the mapping is never used, nor taken back.
  void* const pages = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd.get(), 0);
  if (pages == MAP_FAILED) return {"mmap", errno};
  if (mlock(pages, size) != 0) return {"mlock", errno};
  return {};
}

}  // namespace nbd_kernel
