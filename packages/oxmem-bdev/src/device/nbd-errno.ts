import { NbdErrno } from '@oxmem/nbd-protocol';
import { MemoryStatus } from '@oxmem/tloe-protocol';

/**
 * The NBD error for each way in which a request to remote memory can end. The one mapping there is.
 * A kernel client makes an I/O error of every one of them.
 */
export function errnoOf(status: MemoryStatus): NbdErrno {
  return ERRNOS[status];
}

/** The same for people, in a short sentence that fits into an NBD error reply. */
export function textOf(status: MemoryStatus): string {
  return TEXTS[status];
}

const ERRNOS: Readonly<Record<MemoryStatus, NbdErrno>> = {
  [MemoryStatus.ok]: NbdErrno.OK,
  [MemoryStatus.denied]: NbdErrno.EIO,
  [MemoryStatus.corrupt]: NbdErrno.EIO,
  [MemoryStatus.malformed]: NbdErrno.EIO,
  [MemoryStatus.timedOut]: NbdErrno.EIO,
  [MemoryStatus.lost]: NbdErrno.EIO,
  [MemoryStatus.closed]: NbdErrno.ESHUTDOWN,
  [MemoryStatus.unproven]: NbdErrno.EIO,
};

const TEXTS: Readonly<Record<MemoryStatus, string>> = {
  [MemoryStatus.ok]: 'done',
  [MemoryStatus.denied]: 'the memory endpoint refused the access',
  [MemoryStatus.corrupt]: 'the memory endpoint says that the data is damaged',
  [MemoryStatus.malformed]: 'the memory endpoint gave an answer that does not fit the access',
  [MemoryStatus.timedOut]: 'the memory endpoint did not answer in time',
  [MemoryStatus.lost]: 'the memory endpoint is silent',
  [MemoryStatus.closed]: 'the connection to the memory endpoint is closed',
  [MemoryStatus.unproven]: 'the memory endpoint may have lost what was written',
};
