import { deviceIndex, devicePath } from '@oxmem/nbd-kernel';
import { SECOND, requestBudgetMicros } from '@oxmem/tloe-protocol';
import { formatAddress, formatMac } from '@oxmem/tloe-protocol/text';

import { DEFAULT_DEVICE, type Options } from '../cli/options.ts';
import type { DeviceSlice } from '../device/device-slices.ts';
import { reissuePolicy } from '../endpoint/reissue.ts';

/** The devices follow each other from the first on. */
export function devicePathOf({ device = DEFAULT_DEVICE }: Options, index: number): string {
  const first = deviceIndex(device);
  return first === undefined ? device : devicePath(first + index);
}

/** What a successor has to show the kernel: the same part of the same memory. */
export function backendIdentifier({ mac }: Pick<Options, 'mac'>, slice: DeviceSlice): string {
  return `oxmem ${formatMac(mac)} ${formatAddress(slice.base)}+${slice.sizeBytes}`;
}

/** The MAC address in an identifier; undefined: it is not one of ours. */
export function macIn(identifier: string): string | undefined {
  return /^oxmem (\S+) /.exec(identifier)?.[1];
}

/**
 * After so many seconds the kernel gives a request up, and its connection with it. More than our
 * own patience, so that a request fails by itself first; with requests that wait, never.
 */
export function kernelPatienceSeconds(options: Options): number {
  if (options.endpointLost === 'wait') return 0;
  const budget = requestBudgetMicros(reissuePolicy(options));
  return Math.ceil((2 * budget) / SECOND) + SPARE_SECONDS;
}

const SPARE_SECONDS = 10;
