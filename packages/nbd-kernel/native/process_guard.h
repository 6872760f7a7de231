#pragma once

#include <string>
#include <vector>

#include "system_error.h"

namespace nbd_kernel {

// What a process does to itself before it serves a device that the kernel swaps to.

// Marks the calling thread, and whatever it starts or executes from now on: its allocations never
// wait for I/O (PR_SET_IO_FLUSHER, Linux 5.6, CAP_SYS_RESOURCE).
SystemError SetIoFlusher();

// Whether the calling thread is marked. The question needs the same capability.
bool IsIoFlusher(SystemError* error);

// Gives the calling thread, and whatever it starts or executes from now on, the lowest real-time
// priority (SCHED_RR, CAP_SYS_NICE): the kernel lets such threads have part of the memory that it
// keeps back from all others.
SystemError SetRealTime();

// Replaces the program of this process; returns only when that fails. The caller is the main
// thread: the others are gone, and the process id stays. A first LD_PRELOAD that names a descriptor
// (/proc/self/fd/N) is inherited.
SystemError ReplaceProgram(const std::string& path, const std::vector<std::string>& arguments,
                           const std::vector<std::string>& environment);

// Reads in all that is mapped, the program's own file included, and keeps it and whatever is mapped
// later out of the swap space. Needs CAP_SYS_RESOURCE, CAP_IPC_LOCK or no limit of locked memory.
SystemError LockMemory();

// Keeps what a file in memory (tmpfs) holds now out of the swap space, until the process ends.
SystemError PinFile(const std::string& path);

}  // namespace nbd_kernel
