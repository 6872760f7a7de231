import { mkdirSync } from 'node:fs';

import type { FileReader } from '@oxmem/nbd-kernel';

import { systemCode } from '../errors.ts';
import type { LeftoverFiles } from '../runtime/leftover-files.ts';
import type { ContentWitness, Sample } from '../witness/content-witness.ts';
import { WitnessFile, readWitnessFile, witnessPath } from '../witness/witness-file.ts';
import {
  processStartTime,
  readRecord,
  recordPath,
  removeRecord,
  writeRecord,
  type DeviceRecord,
} from './device-record.ts';

/**
 * What this process leaves on the machine about one device while it serves it: the record that says
 * whose it is, and the samples with which a successor proves its contents. Both are removed in the
 * end, unless the device is left to a successor; a process that is killed leaves them behind.
 */
export class DeviceTraces {
  readonly #path: string;
  readonly #folder: string;
  readonly #leftovers: LeftoverFiles;
  #record: DeviceRecord | undefined = undefined;
  #witnessPath: string | undefined = undefined;

  /**
   * @param path    of the node, "/dev/nbd0"
   * @param folder  in memory, so that nothing in it survives a restart of the machine
   */
  constructor(path: string, folder: string, leftovers: LeftoverFiles) {
    this.#path = path;
    this.#folder = folder;
    this.#leftovers = leftovers;
  }

  /** What the last process that served the device has seen of it. */
  samples(): Sample[] {
    return readWitnessFile(this.#witnessFile);
  }

  /**
   * Lets the witness write down what it sees.
   *
   * @param known  what is true of the device already
   * @returns undefined, or why nothing can be written: an errno name
   */
  beginWitness(witness: ContentWitness, known: readonly Sample[]): string | undefined {
    try {
      mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
      witness.begin(new WitnessFile(this.#witnessFile), known);
    } catch (thrown) {
      return systemCode(thrown) ?? String(thrown);
    }
    this.#witnessPath = this.#witnessFile;
    this.#leftovers.add(this.#witnessPath);
    return undefined;
  }

  /** @returns undefined, or why it could not be written: an errno name */
  writeRecord(
    about: Omit<DeviceRecord, 'pid' | 'startTime' | 'device'>,
    files: FileReader,
  ): string | undefined {
    const startTime = processStartTime(process.pid, files) ?? 0;
    const record = { ...about, pid: process.pid, startTime, device: this.#path };
    const problem = writeRecord(record, this.#folder);
    if (problem !== undefined) return problem;
    this.#record = record;
    this.#leftovers.add(this.#recordFile);
    return undefined;
  }

  remove(): void {
    if (this.#record !== undefined) {
      removeRecord(this.#record, this.#folder);
      this.#leftovers.forget(this.#recordFile);
    }
    if (this.#witnessPath === undefined) return;
    this.#leftovers.remove(this.#witnessPath);
  }

  /** Removes what a former driver has left behind. */
  removeFormer(): void {
    const record = readRecord(this.#path, this.#folder);
    if (record !== undefined) removeRecord(record, this.#folder);
    this.#leftovers.remove(this.#witnessFile);
  }

  /** Leaves them to a successor. */
  leave(): void {
    this.#leftovers.forget(this.#recordFile);
    if (this.#witnessPath !== undefined) this.#leftovers.forget(this.#witnessPath);
  }

  get #recordFile(): string {
    return recordPath(this.#path, this.#folder);
  }

  get #witnessFile(): string {
    return witnessPath(this.#path, this.#folder);
  }
}
