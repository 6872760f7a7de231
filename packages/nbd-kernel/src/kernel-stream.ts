import { ByteStream } from './byte-stream.ts';

/**
 * The stream between the kernel's NBD client and this process: makes both ends, and keeps the
 * kernel's until NbdDevice has handed it over.
 */
export class KernelStream extends ByteStream {
  /** @internal The kernel's end, for NbdDevice. */
  get kernelFd(): number {
    return this.native.kernelFd();
  }

  /** @internal */
  closeKernelEnd(): void {
    this.native.closeKernelEnd();
  }
}
