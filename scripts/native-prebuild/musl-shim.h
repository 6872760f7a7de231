// Put in front of every file of an addon for musl: the headers of Debian's libstdc++ are set up for
// glibc, and name these few things that musl has not, or has under another name. None is called.
#pragma once

#define __GLIBC_PREREQ(major, minor) 0

#include <locale.h>
#include <pthread.h>

typedef locale_t __locale_t;
extern "C" int pthread_cond_clockwait(pthread_cond_t*, pthread_mutex_t*, clockid_t,
                                      const struct timespec*);
extern "C" int pthread_mutex_clocklock(pthread_mutex_t*, clockid_t, const struct timespec*);
