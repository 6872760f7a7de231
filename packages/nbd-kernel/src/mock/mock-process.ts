import type { NativeProcess } from '../native-process.ts';
import { nativeError } from './native-error.ts';

/** What a program was replaced by. */
export interface MockProgram {
  readonly path: string;
  readonly argv: readonly string[];
  readonly environment: readonly string[];
}

/** The native process' double: remembers what was done to it. */
export class MockProcess implements NativeProcess {
  /** It has CAP_SYS_RESOURCE. */
  isPermitted = true;
  /** The kernel knows IO flushers. */
  isKernelNew = true;
  hasFlusherMark = false;
  /** It has CAP_SYS_NICE. */
  isUrgencyPermitted = true;
  isRealTime = false;
  hasPreload = false;
  isLocked = false;
  /** The call that `replaceProgram` made of this process; a real one would not have come back. */
  replacedBy: MockProgram | undefined = undefined;
  /** Paths of files that are there. */
  readonly files: Set<string> = new Set<string>();
  /** Paths, in their order. */
  readonly pinned: string[] = [];
  /** Receivers by address: texts, the oldest first. */
  readonly receivers: Map<string, string[]> = new Map<string, string[]>();
  /** Datagrams that a receiver keeps at most. */
  queueLength = 100;

  setIoFlusher(): void {
    this.#checkFlusher('prctl(PR_SET_IO_FLUSHER)');
    this.hasFlusherMark = true;
  }

  isIoFlusher(): boolean {
    this.#checkFlusher('prctl(PR_GET_IO_FLUSHER)');
    return this.hasFlusherMark;
  }

  setRealTime(): void {
    if (!this.isUrgencyPermitted) throw nativeError('sched_setscheduler', 'EPERM');
    this.isRealTime = true;
  }

  replaceProgram(path: string, argv: readonly string[], environment: readonly string[]): void {
    if (!path.startsWith('/')) throw nativeError('execve', 'ENOENT');
    this.replacedBy = { path, argv, environment };
  }

  libraryFile(): string {
    return '/mock/nbd_kernel.node';
  }

  isPreloaded(): boolean {
    return this.hasPreload;
  }

  lockMemory(): void {
    if (!this.hasPreload) throw new Error('the addon was not preloaded');
    if (!this.isPermitted) throw nativeError('mlockall', 'ENOMEM');
    this.isLocked = true;
  }

  pinFile(path: string): void {
    if (!this.files.has(path)) throw nativeError('open', 'ENOENT');
    this.pinned.push(path);
  }

  sendDatagram(address: string, text: string): void {
    const mostBytes = address.startsWith('@') ? 108 : 107;
    if (Buffer.byteLength(address) > mostBytes) throw nativeError('sendto', 'ENAMETOOLONG');
    const queue = this.receivers.get(address);
    if (queue === undefined) {
      throw nativeError('sendto', address.startsWith('@') ? 'ECONNREFUSED' : 'ENOENT');
    }
    if (queue.length >= this.queueLength) throw nativeError('sendto', 'EAGAIN');
    queue.push(text);
  }

  #checkFlusher(call: string): void {
    if (!this.isKernelNew) throw nativeError(call, 'EINVAL');
    if (!this.isPermitted) throw nativeError(call, 'EPERM');
  }
}
