import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { basename, join } from 'node:path';

import { SAMPLES, type Sample, type SampleStore } from './content-witness.ts';

/**
 * Samples in a file that survives this process, not a restart of the machine: it belongs in a
 * folder in memory. One slot is 16 bytes, little-endian, after a head of 16 bytes:
 *
 *     0  u64 offset + 1, or 0 for an empty slot
 *     8  u32 crc
 *    12  u32 0
 *
 * A slot is written by one system call, so a kill leaves the old or the new one.
 */
export class WitnessFile implements SampleStore {
  readonly #file: number;
  readonly #slot = Buffer.alloc(SLOT_BYTES);

  /**
   * Makes the file anew, readable by its owner only.
   *
   * @throws Error of the system
   */
  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o600);
    const empty = Buffer.alloc(HEAD_BYTES + SAMPLES * SLOT_BYTES);
    empty.write(MAGIC, 0, 'latin1');
    writeSync(this.#file, empty, 0, empty.length, 0);
  }

  put(slot: number, { offset, crc }: Sample): void {
    this.#slot.writeBigUInt64LE(BigInt(offset) + 1n, 0);
    this.#slot.writeUInt32LE(crc, 8);
    this.#write(slot);
  }

  clear(slot: number): void {
    this.#slot.fill(0);
    this.#write(slot);
  }

  close(): void {
    closeSync(this.#file);
  }

  #write(slot: number): void {
    writeSync(this.#file, this.#slot, 0, SLOT_BYTES, HEAD_BYTES + slot * SLOT_BYTES);
  }
}

/**
 * Where the samples of a device are.
 *
 * @param device  path of the node, "/dev/nbd0"
 */
export function witnessPath(device: string, folder: string): string {
  return join(folder, `${basename(device)}.witness`);
}

/** Removes the samples that a process has left behind, as far as the system lets us. */
export function removeWitnessFile(device: string, folder: string): void {
  try {
    rmSync(witnessPath(device, folder), { force: true });
  } catch {
    // It does no harm: whoever serves the device next makes it anew.
  }
}

/** The samples that a process has left behind; none where there is no such file, or another one. */
export function readWitnessFile(path: string): Sample[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return [];
  }
  const isOurs = bytes.length === HEAD_BYTES + SAMPLES * SLOT_BYTES;
  if (!isOurs || bytes.toString('latin1', 0, MAGIC.length) !== MAGIC) return [];
  const samples: Sample[] = [];
  for (let at = HEAD_BYTES; at < bytes.length; at += SLOT_BYTES) {
    const mark = bytes.readBigUInt64LE(at);
    if (mark === 0n || mark > BigInt(Number.MAX_SAFE_INTEGER)) continue;
    samples.push({ offset: Number(mark - 1n), crc: bytes.readUInt32LE(at + 8) });
  }
  return samples;
}

const MAGIC = 'oxmem-witness-1\n';
const HEAD_BYTES = 16;
const SLOT_BYTES = 16;
