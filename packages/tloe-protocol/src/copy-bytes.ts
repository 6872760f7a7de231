import type { ByteRegion } from './byte-region.ts';

/**
 * Copies `length` bytes between regions without making a view when everything is 4-byte aligned.
 * The regions must not overlap.
 */
// oxlint-disable-next-line max-params -- the two ends of a copy, without an object per call
export function copyBytes(
  target: ByteRegion,
  targetOffset: number,
  source: ByteRegion,
  sourceOffset: number,
  length: number,
): void {
  if (((targetOffset | sourceOffset | length) & 3) === 0) {
    const to = target.words;
    const from = source.words;
    const shift = (sourceOffset >> 2) - (targetOffset >> 2);
    const end = (targetOffset + length) >> 2;
    for (let i = targetOffset >> 2; i < end; i++) to[i] = from[i + shift] as number;
    return;
  }
  target.bytes.set(source.bytes.subarray(sourceOffset, sourceOffset + length), targetOffset);
}

/**
 * Copies `length` bytes and reverses every group of eight: data order `spec`, in which the byte at
 * the lowest address travels last. OmniXtend 1.0.3 figures 25-30.
 *
 * `length` and both offsets are multiples of 8.
 */
// oxlint-disable-next-line max-params -- the two ends of a copy, without an object per call
export function copyReversed(
  target: ByteRegion,
  targetOffset: number,
  source: ByteRegion,
  sourceOffset: number,
  length: number,
): void {
  const to = target.view;
  const from = source.view;
  for (let i = 0; i < length; i += 8) {
    to.setUint32(targetOffset + i, from.getUint32(sourceOffset + i + 4, true), false);
    to.setUint32(targetOffset + i + 4, from.getUint32(sourceOffset + i, true), false);
  }
}
