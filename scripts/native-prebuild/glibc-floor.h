// Put in front of every file of an addon for glibc: it takes the oldest version of what glibc has
// several of, so that an addon built here runs wherever Node 20 itself does (glibc 2.28).
#pragma once

// Until glibc 2.34 these were in libraries of their own, under the first version of the platform.
#ifdef __aarch64__
#define OXMEM_FIRST "GLIBC_2.17"
#else
#define OXMEM_FIRST "GLIBC_2.2.5"
#endif
__asm__(".symver dladdr, dladdr@" OXMEM_FIRST);
__asm__(".symver dlsym, dlsym@" OXMEM_FIRST);
__asm__(".symver pthread_create, pthread_create@" OXMEM_FIRST);
__asm__(".symver pthread_detach, pthread_detach@" OXMEM_FIRST);
__asm__(".symver pthread_sigmask, pthread_sigmask@" OXMEM_FIRST);

// glibc 2.32 tells whether there is a second thread; in Node there always is (cxx-runtime.cc).
#define __libc_single_threaded oxmem_single_threaded
