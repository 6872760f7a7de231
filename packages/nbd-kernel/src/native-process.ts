/**
 * What the native addon does for the process that serves a device, beside the device itself: it
 * prepares the process for swap space, and tells the service manager how it fares.
 *
 * Thin like `NativeBinding`: errors go up as a system call and an errno (`NativeError`). One suite
 * (`test/process-contract.ts`) runs against the addon and its mock.
 */
export interface NativeProcess {
  /**
   * Marks this thread, and whatever it starts or executes from now on: its allocations never wait
   * for I/O, which may be the I/O that it serves (PR_SET_IO_FLUSHER, Linux 5.6).
   *
   * @throws NativeError EPERM without CAP_SYS_RESOURCE, EINVAL on an older kernel
   */
  setIoFlusher(): void;
  /** Whether this thread is marked. @throws NativeError as `setIoFlusher` does */
  isIoFlusher(): boolean;
  /**
   * Gives this thread, and whatever it starts or executes from now on, the lowest real-time
   * priority (SCHED_RR 1). The kernel lets such threads have part of the memory that it keeps back
   * from all others; an IO flusher that needs memory when there is none left would otherwise ask
   * for it for ever.
   *
   * @throws NativeError EPERM without CAP_SYS_NICE
   */
  setRealTime(): void;
  /**
   * Replaces the program of this process, which keeps its id and its standard streams. To be called
   * on the main thread; comes back only by throwing.
   *
   * @param environment  each `NAME=value`
   * @throws NativeError
   */
  replaceProgram(path: string, argv: readonly string[], environment: readonly string[]): void;
  /** The addon's own file, for LD_PRELOAD; empty if unknown. */
  libraryFile(): string;
  /** Whether this process was started with the addon preloaded. */
  isPreloaded(): boolean;
  /**
   * Reads in all that is mapped, the program's own file included (some 100 MB), and keeps it and
   * whatever is mapped later out of the swap space.
   *
   * Only with the addon preloaded: without its `madvise`, V8 ends the process at the first garbage
   * collection that gives locked pages back.
   *
   * @throws NativeError ENOMEM or EPERM without CAP_SYS_RESOURCE and CAP_IPC_LOCK; Error when the
   *         addon was not preloaded
   */
  lockMemory(): void;
  /**
   * Keeps what a file in memory (tmpfs) holds now out of the swap space, until the process ends.
   *
   * @throws NativeError
   */
  pinFile(path: string): void;
  /**
   * Sends one datagram to a unix socket; never waits.
   *
   * @param address  a path, or @ and an abstract name; at most 107 and 108 bytes
   * @throws NativeError ENOENT and ECONNREFUSED: nobody is there; EAGAIN: its queue is full
   */
  sendDatagram(address: string, text: string): void;
}
