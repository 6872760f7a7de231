import type { NativeError } from '../native-binding.ts';

/** The error that the native binding throws when `syscall` fails with `errno` (positive). */
export function nativeError(syscall: string, errno: number): NativeError {
  return Object.assign(new Error(`${syscall}: errno ${errno}`), { syscall, errno });
}
