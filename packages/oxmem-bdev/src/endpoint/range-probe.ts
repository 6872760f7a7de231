import {
  MemoryStatus,
  addressPlus,
  readMemory,
  type CallableMemory,
  type RemoteAddress,
} from '@oxmem/tloe-protocol';
import { formatAddress, formatMac } from '@oxmem/tloe-protocol/text';

import type { Options } from '../cli/options.ts';
import { textOf } from '../device/nbd-errno.ts';
import { DriverError } from '../errors.ts';

/**
 * Reads the first and the last word of the range, and one access of the largest size, so that a
 * wrong range or a wire that does not carry long frames is said now, and not by mkfs.
 *
 * @throws DriverError ERR_OXMEM_RANGE, ERR_OXMEM_ENDPOINT_SILENT
 */
export async function probeRange(memory: CallableMemory, options: Options): Promise<void> {
  const largest = Math.min(1 << options.maxRequest, options.size);
  const probes: readonly Probe[] = [
    { offset: 0, length: WORD, remedy: 'give the first address of its memory as --base.' },
    {
      offset: options.size - WORD,
      length: WORD,
      remedy: '--base and --size reach beyond its memory, make --size smaller.',
    },
    {
      offset: 0,
      length: largest,
      remedy:
        `it answers shorter reads, so frames of this length are lost on the way: make ` +
        `--max-request smaller, or the MTU of the endpoint and of everything between the same ` +
        `as that of ${options.netdev}.`,
    },
  ];
  for (const probe of probes) await tryProbe(memory, options, probe);
}

interface Probe {
  readonly offset: number;
  readonly length: number;
  readonly remedy: string;
}

async function tryProbe(memory: CallableMemory, options: Options, probe: Probe): Promise<void> {
  const { offset, length, remedy } = probe;
  const { status } = await readMemory(memory, offset, length);
  // A connection that ended, or that was closed because we stop, speaks for itself.
  if (status === MemoryStatus.ok || status === MemoryStatus.closed) return;
  const at = formatAddress(addressPlus(options.base, offset) as RemoteAddress);
  const sentence =
    `A read of ${length} bytes at ${at} failed, ${textOf(status)} ` +
    `(${formatMac(options.mac)}): ${remedy}`;
  throw new DriverError('ERR_OXMEM_RANGE', sentence);
}

const WORD = 8;
