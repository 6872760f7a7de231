import { BlockCommand, NbdErrno, type BlockBackend, type BlockRequest } from '@oxmem/nbd-protocol';
import {
  ByteRegion,
  MemoryRequest,
  MemoryStatus,
  RequestKind,
  assert,
  type Clock,
  type Micros,
  type RequestOwner,
} from '@oxmem/tloe-protocol';

import type { ContentWitness } from '../witness/content-witness.ts';
import { DeviceStats } from './device-stats.ts';
import type { MemoryAccess } from './memory-access.ts';
import { errnoOf, textOf } from './nbd-errno.ts';
import { ZERO_PIECE_BYTES, ZeroFill } from './zero-fill.ts';

/** Settings of a device. */
export interface RemoteBlockDeviceOptions {
  /** Bytes of the device: byte n is byte n of the remote memory. */
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  /** A power of two from 512 to 4096. */
  readonly preferredBlockBytes: number;
  /** Requests that can be with the device at a time; made at the start. */
  readonly capacity: number;
  /** Remembers a little of what passes; undefined: nobody does. */
  readonly witness?: ContentWitness | undefined;
  /** Takes the time of reads and writes; undefined: nobody does. */
  readonly clock?: Pick<Clock, 'now'>;
  /** Told of every request that fails, with the range that it had. */
  readonly onRequestFailed?: (block: BlockRequest, status: MemoryStatus) => void;
}

/**
 * Remote memory as a block device. Any offset and length will do: the initiator below deals with
 * parts of words and keeps overlapping requests apart.
 *
 * A write completes when the endpoint has acknowledged all of it, so a flush has nothing left to
 * do, and "durable" means: in the memory of the endpoint. A flush still fails when the endpoint is
 * gone, because what was written may be gone with it. A trim does nothing.
 *
 * Allocates nothing per request: block requests and memory requests come from pools, and the data
 * goes straight between the buffer of the block request and the frames.
 */
export class RemoteBlockDevice implements BlockBackend, RequestOwner {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly preferredBlockBytes: number;
  readonly minimumBlockBytes = 1;
  readonly stats: DeviceStats = new DeviceStats();
  readonly #memory: MemoryAccess;
  readonly #zeroFill: ZeroFill;
  readonly #free: MemoryRequest[] = [];
  /** The free ones and those on their way. */
  readonly #all: readonly MemoryRequest[];
  readonly #witness: ContentWitness | undefined;
  readonly #clock: Pick<Clock, 'now'> | undefined;
  /** When the row of submits began that the next kick ends; -1 between rows. */
  #rowAt: Micros = -1;
  readonly #probeBuffer = ByteRegion.allocate(PROBE_BYTES);
  readonly #onRequestFailed: ((block: BlockRequest, status: MemoryStatus) => void) | undefined;

  constructor(options: RemoteBlockDeviceOptions, memory: MemoryAccess) {
    assert(options.sizeBytes >= PROBE_BYTES, 'a device has at least one word');
    this.sizeBytes = options.sizeBytes;
    this.readOnly = options.readOnly;
    this.preferredBlockBytes = options.preferredBlockBytes;
    this.#memory = memory;
    this.#onRequestFailed = options.onRequestFailed;
    this.#witness = options.witness;
    this.#clock = options.clock;
    this.#zeroFill = new ZeroFill(memory, options.capacity, (block, status) =>
      this.#finish(block, status),
    );
    for (let i = 0; i < options.capacity; i++) this.#free.push(new MemoryRequest(this));
    this.#all = [...this.#free];
  }

  /** Requests that are with the endpoint now, or wait for it. */
  get inFlight(): number {
    return this.#all.length - this.#free.length;
  }

  submit(block: BlockRequest): void {
    switch (block.command) {
      case BlockCommand.Read:
        this.#transfer(block, RequestKind.read);
        return;
      case BlockCommand.Write:
        this.#noteWrite(block);
        this.#transfer(block, RequestKind.write);
        return;
      case BlockCommand.WriteZeroes:
        this.#noteWrite(block);
        if (block.length <= ZERO_PIECE_BYTES) this.#transfer(block, RequestKind.zero);
        else this.#zeroFill.submit(block);
        return;
      case BlockCommand.Trim:
        this.#finish(block, MemoryStatus.ok);
        return;
      case BlockCommand.Flush:
        if (this.#memory.isHealthy) this.#finish(block, MemoryStatus.ok);
        else this.#probe(block);
        return;
    }
  }

  kick(): void {
    this.#rowAt = -1;
    this.#memory.kick();
  }

  requestDone(request: MemoryRequest, status: MemoryStatus): void {
    if (status !== MemoryStatus.ok && this.#memory.keeps?.(request, status) === true) return;
    const block = request.tag as BlockRequest;
    if (status === MemoryStatus.ok && this.#witness?.isDue() === true) this.#show(request, block);
    if (status === MemoryStatus.ok) this.#time(block, request);
    request.tag = undefined;
    request.buffer = undefined;
    this.#free.push(request);
    this.#finish(block, status);
  }

  /** What the write will change is not remembered any more, unless nothing of it will be sent. */
  #noteWrite({ offset, length }: BlockRequest): void {
    if (this.#memory.isRefusing !== true) this.#witness?.beforeWrite(offset, length);
  }

  #transfer(block: BlockRequest, kind: RequestKind): void {
    const request = this.#take(block);
    request.kind = kind;
    request.offset = block.offset;
    request.length = block.length;
    request.buffer = block.buffer;
    request.bufferOffset = block.bufferOffset;
    this.#memory.submit(request);
  }

  /** Flushes while the endpoint is silent: as well as a read of one word does, now or later. */
  #probe(block: BlockRequest): void {
    const request = this.#take(block);
    request.kind = RequestKind.read;
    request.offset = 0;
    request.length = PROBE_BYTES;
    request.buffer = this.#probeBuffer;
    request.bufferOffset = 0;
    this.#memory.submit(request);
  }

  /** Shows a transfer to the witness, unless a write may be changing what it carried. */
  #show(request: MemoryRequest, block: BlockRequest): void {
    const { command, offset, length, buffer, bufferOffset } = block;
    if (command !== BlockCommand.Read && command !== BlockCommand.Write) return;
    if (buffer === undefined || this.#zeroFill.isBusy) return;
    const end = offset + length;
    for (const other of this.#all) {
      const its = other.tag as BlockRequest | undefined;
      if (other === request || its === undefined || other.kind === RequestKind.read) continue;
      if (its.offset < end && its.offset + its.length > offset) return;
    }
    this.#witness?.see({ offset, length, bytes: buffer.bytes, start: bufferOffset });
  }

  #take(block: BlockRequest): MemoryRequest {
    const request = this.#free.pop();
    assert(request !== undefined, 'no more requests than the device has room for');
    request.tag = block;
    if (this.#clock === undefined) return request;
    // What comes in one row came at one time.
    if (this.#rowAt < 0) this.#rowAt = this.#clock.now();
    request.tagMicros = this.#rowAt;
    return request;
  }

  /** It was last touched by the frame that has completed it, at the time of its batch. */
  #time({ command }: BlockRequest, { touchedAt, tagMicros }: MemoryRequest): void {
    if (this.#clock === undefined) return;
    const { readLatency, writeLatency } = this.stats;
    const micros = touchedAt > tagMicros ? touchedAt - tagMicros : 0;
    if (command === BlockCommand.Read) readLatency.record(micros);
    else if (command === BlockCommand.Write) writeLatency.record(micros);
  }

  #finish(block: BlockRequest, status: MemoryStatus): void {
    if (status === MemoryStatus.ok) {
      this.#count(block);
      block.complete(NbdErrno.OK);
      return;
    }
    (this.stats.failed[status] as number)++;
    this.#onRequestFailed?.(block, status);
    block.complete(errnoOf(status), textOf(status));
  }

  #count({ command, length }: BlockRequest): void {
    const { stats } = this;
    switch (command) {
      case BlockCommand.Read:
        stats.reads++;
        stats.bytesRead += length;
        return;
      case BlockCommand.Write:
        stats.writes++;
        stats.bytesWritten += length;
        return;
      case BlockCommand.WriteZeroes:
        stats.zeroings++;
        stats.bytesZeroed += length;
        return;
      case BlockCommand.Trim:
        stats.trims++;
        return;
      case BlockCommand.Flush:
        stats.flushes++;
    }
  }
}

/** A word, the smallest access. */
const PROBE_BYTES = 8;
