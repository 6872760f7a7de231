/** A kernel without a kernel: the native binding's double, for tests that need no privileges. */
export { MockKernel } from './mock-kernel.ts';
export type { MockKernelOptions } from './mock-kernel.ts';
export { MockDevice } from './mock-device.ts';
export type { MockConfig } from './mock-device.ts';
export { MockProcess } from './mock-process.ts';
export type { MockProgram } from './mock-process.ts';
