import { open, type FileHandle } from 'node:fs/promises';

import { assert } from '../assert.ts';
import { ByteRegion } from '../byte-region.ts';
import type { Alarm, Clock } from '../host/clock.ts';
import type { FrameSink } from '../host/capturing-transport.ts';
import { MILLISECOND, type Micros } from '../units.ts';
import {
  PCAP_FILE_HEADER_BYTES,
  PCAP_RECORD_HEADER_BYTES,
  writePcapFileHeader,
  writePcapRecordHeader,
} from '../wire/pcap.ts';

/** How a capture file is written. */
export interface PcapFileOptions {
  readonly clock: Clock;
  /** Microseconds from the start of 1970 to the clock's zero. Default 0. */
  readonly originUnixMicros?: Micros;
  /** Memory for frames not yet on disk, in two halves. Default 32 MiB. */
  readonly bufferBytes?: number;
  /** The most bytes kept of a frame. Default 65 535. */
  readonly snapLengthBytes?: number;
  /** Called once if the file cannot be written any more; frames are then only counted. */
  readonly onFailure?: (error: Error) => void;
}

/** The part of a file that a capture needs. */
export interface CaptureFile {
  write(bytes: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  close(): Promise<void>;
}

/**
 * A capture file that Wireshark opens, written behind the back of the data path.
 *
 * Frames are copied to one half of a buffer while the other half is being written: one write at a
 * time, started when a piece has come together or a moment after the first frame. A disk that
 * cannot keep up costs frames of the capture, which are counted, and never time on the data path.
 */
export class PcapFile implements FrameSink {
  /** Frames in the file, or on their way to it as far as anybody knows. */
  framesCaptured = 0;
  /** Frames left out because the disk could not keep up or has failed. */
  framesDropped = 0;
  /** Why nothing is written any more, if so. */
  failure: Error | undefined;

  readonly #file: CaptureFile;
  readonly #options: PcapFileOptions;
  readonly #snapLengthBytes: number;
  readonly #flushBytes: number;
  readonly #alarm: Alarm;
  readonly #record = { unixMicros: 0, capturedBytes: 0, originalBytes: 0 };
  #filling: ByteRegion;
  #filledBytes = 0;
  #filledFrames = 0;
  #spare: ByteRegion;
  #writing: Promise<void> | undefined;
  #writtenFrames = 0;
  /** From `close` on: is due when the disk does not get on. */
  #patience: Alarm | undefined;
  #closing: Promise<void> | undefined;

  /**
   * Creates the file, or empties it, and returns the capture, ready for frames.
   *
   * @throws what the system says when the file cannot be created: ENOENT, EACCES, EISDIR, …
   */
  static async open(path: string, options: PcapFileOptions): Promise<PcapFile> {
    return new PcapFile(fileOf(await open(path, 'w')), options);
  }

  /** @param file  empty and open for writing; belongs to the capture from now on */
  constructor(file: CaptureFile, options: PcapFileOptions) {
    const halfBytes = ((options.bufferBytes ?? DEFAULT_BUFFER_BYTES) >> 4) << 3;
    assert(halfBytes >= PCAP_FILE_HEADER_BYTES, 'the buffer of a capture holds its file header');
    this.#file = file;
    this.#options = options;
    this.#snapLengthBytes = options.snapLengthBytes ?? DEFAULT_SNAP_LENGTH_BYTES;
    this.#flushBytes = Math.min(FLUSH_BYTES, halfBytes);
    this.#filling = ByteRegion.allocate(halfBytes);
    this.#spare = ByteRegion.allocate(halfBytes);
    this.#alarm = options.clock.createAlarm(() => this.#flush());
    writePcapFileHeader(this.#filling.view, 0, this.#snapLengthBytes);
    this.#filledBytes = PCAP_FILE_HEADER_BYTES;
    this.#flush();
  }

  frame(region: ByteRegion, offset: number, lengthBytes: number): void {
    const captured = Math.min(lengthBytes, this.#snapLengthBytes);
    if (!this.#makeRoom(PCAP_RECORD_HEADER_BYTES + captured)) {
      this.framesDropped += 1;
      return;
    }
    const start = this.#filledBytes;
    const end = start + PCAP_RECORD_HEADER_BYTES + captured;
    const now = this.#options.clock.now();
    this.#record.unixMicros = now + (this.#options.originUnixMicros ?? 0);
    this.#record.capturedBytes = captured;
    this.#record.originalBytes = lengthBytes;
    writePcapRecordHeader(this.#filling.view, start, this.#record);
    const body = region.bytes.subarray(offset, offset + captured);
    this.#filling.bytes.set(body, start + PCAP_RECORD_HEADER_BYTES);
    this.#filledBytes = end;
    this.#filledFrames += 1;
    this.framesCaptured += 1;
    if (end >= this.#flushBytes) this.#flush();
    else if (start === 0) this.#alarm.arm(now + FLUSH_DELAY);
  }

  /**
   * Writes what is left and closes the file. Idempotent. Frames that come later are counted as
   * dropped. A disk that takes nothing for half a second is not waited for. Does not reject: see
   * `failure`.
   */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#alarm.close();
      const patience = this.#options.clock.createAlarm(() => {
        if (this.#writing !== undefined) {
          this.#fail(new Error('what is left is not written in time'), this.#writtenFrames);
        }
        resolve();
      });
      this.#patience = patience;
      this.#bePatient();
      void this.#finish().then(() => {
        patience.close();
        resolve();
      });
    });
    return this.#closing;
  }

  #bePatient(): void {
    this.#patience?.arm(this.#options.clock.now() + PATIENCE);
  }

  #makeRoom(lengthBytes: number): boolean {
    if (this.failure !== undefined || this.#closing !== undefined) return false;
    if (this.#filledBytes + lengthBytes > this.#filling.bytes.length) this.#flush();
    return this.#filledBytes + lengthBytes <= this.#filling.bytes.length;
  }

  async #finish(): Promise<void> {
    while (this.#writing !== undefined || this.#filledBytes > 0) {
      this.#flush();
      await (this.#writing as Promise<void> | undefined);
    }
    await this.#file.close().catch((error: unknown) => this.#fail(error, 0));
  }

  /** Starts to write what has been filled, unless a write is under way: that one goes on itself. */
  #flush(): void {
    if (this.#writing !== undefined || this.#filledBytes === 0) return;
    const region = this.#filling;
    const length = this.#filledBytes;
    this.#writtenFrames = this.#filledFrames;
    this.#filling = this.#spare;
    this.#spare = region;
    this.#filledBytes = 0;
    this.#filledFrames = 0;
    this.#writing = this.#write(region.bytes, length);
  }

  async #write(bytes: Uint8Array, length: number): Promise<void> {
    try {
      for (let done = 0; done < length && this.failure === undefined;) {
        const piece = Math.min(length - done, WRITE_BYTES);
        const { bytesWritten } = await this.#file.write(bytes, done, piece);
        done += bytesWritten;
        this.#bePatient();
      }
    } catch (error) {
      this.#fail(error, this.#writtenFrames);
    }
    this.#writing = undefined;
    if (this.failure === undefined && this.#filledBytes > 0) {
      if (this.#filledBytes >= this.#flushBytes) this.#flush();
      else if (this.#closing === undefined) {
        this.#alarm.arm(this.#options.clock.now() + FLUSH_DELAY);
      }
    }
  }

  #fail(error: unknown, framesLost: number): void {
    if (this.failure !== undefined) return;
    this.failure = error instanceof Error ? error : new Error(String(error));
    this.framesCaptured -= framesLost + this.#filledFrames;
    this.framesDropped += framesLost + this.#filledFrames;
    this.#filledBytes = 0;
    this.#filledFrames = 0;
    this.#options.onFailure?.(this.failure);
  }
}

function fileOf(handle: FileHandle): CaptureFile {
  return {
    write: (bytes, offset, length) => handle.write(bytes, offset, length),
    close: () => handle.close(),
  };
}

const DEFAULT_BUFFER_BYTES = 32 * 1024 * 1024;
const DEFAULT_SNAP_LENGTH_BYTES = 65_535;
/** A piece worth a write. */
const FLUSH_BYTES = 64 * 1024;
/** The most at once: how the disk gets on is seen after each. */
const WRITE_BYTES = 1024 * 1024;
/** How long a program that ends waits for the disk to take a piece. */
const PATIENCE: Micros = 500 * MILLISECOND;
/** How long a frame may wait for company. */
const FLUSH_DELAY: Micros = 100 * MILLISECOND;
