import { constants } from 'node:os';
import type { NativeError } from '../native-binding.ts';

/** The error that the native binding throws when `syscall` fails. */
export function nativeError(syscall: string, name: keyof typeof constants.errno): NativeError {
  const errno = constants.errno[name];
  return Object.assign(new Error(`${syscall}: ${name}`), { syscall, errno });
}
