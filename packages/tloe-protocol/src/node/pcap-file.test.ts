import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { ByteRegion } from '../byte-region.ts';
import { VirtualClock } from '../testing/virtual-clock.ts';
import { PCAP_FILE_HEADER_BYTES, PCAP_RECORD_HEADER_BYTES } from '../wire/pcap.ts';
import { PcapFile, type CaptureFile } from './pcap-file.ts';

/** A disk that writes when told. */
class SlowFile implements CaptureFile {
  content: number[] = [];
  writes = 0;
  closes = 0;
  /** Bytes that one write takes at most. */
  portion = Infinity;
  #pending: (() => void) | undefined;
  #failure: Error | undefined;

  write(bytes: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }> {
    expect(this.#pending).toBeUndefined();
    this.writes += 1;
    return new Promise((resolve, reject) => {
      this.#pending = () => {
        this.#pending = undefined;
        const bytesWritten = Math.min(length, this.portion);
        this.content.push(...bytes.subarray(offset, offset + bytesWritten));
        if (this.#failure) reject(this.#failure);
        else resolve({ bytesWritten });
      };
    });
  }
  close(): Promise<void> {
    this.closes += 1;
    return Promise.resolve();
  }
  failFromNowOn(error: Error): void {
    this.#failure = error;
  }
  /** Finishes the write under way, and lets the capture take notice. */
  async step(): Promise<void> {
    this.#pending?.();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
  async drain(): Promise<void> {
    while (this.#pending !== undefined) await this.step();
  }
}

interface Record {
  readonly micros: number;
  readonly originalBytes: number;
  readonly bytes: number[];
}

function recordsOf(content: Uint8Array): Record[] {
  const view = new DataView(content.buffer, content.byteOffset, content.length);
  expect(view.getUint32(0, true)).toBe(0xa1b2c3d4);
  const records: Record[] = [];
  for (let at = PCAP_FILE_HEADER_BYTES; at < content.length;) {
    const length = view.getUint32(at + 8, true);
    const start = at + PCAP_RECORD_HEADER_BYTES;
    records.push({
      micros: view.getUint32(at, true) * 1e6 + view.getUint32(at + 4, true),
      originalBytes: view.getUint32(at + 12, true),
      bytes: [...content.subarray(start, start + length)],
    });
    at = start + length;
  }
  return records;
}

const region = new ByteRegion(Uint8Array.from({ length: 4096 }, (_, i) => (i * 7) & 0xff));
const bytesAt = (offset: number, length: number): number[] => [
  ...region.bytes.subarray(offset, offset + length),
];

describe('PcapFile on a real file', () => {
  it('writes what a reader of captures finds again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'oxmem-pcap-'));
    try {
      const clock = new VirtualClock(5);
      const path = join(folder, 'x.pcap');
      const pcap = await PcapFile.open(path, { clock, originUnixMicros: 1_700_000_000_000_000 });
      pcap.frame(region, 2, 70);
      clock.advanceTo(1_000_007);
      pcap.frame(region, 1002, 1514);
      await pcap.close();
      expect(recordsOf(await readFile(path))).toEqual([
        { micros: 1_700_000_000_000_005, originalBytes: 70, bytes: bytesAt(2, 70) },
        { micros: 1_700_000_001_000_007, originalBytes: 1514, bytes: bytesAt(1002, 1514) },
      ]);
      expect([pcap.framesCaptured, pcap.framesDropped, pcap.failure]).toEqual([2, 0, undefined]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('says what the system says when the file cannot be made', async () => {
    const clock = new VirtualClock();
    await expect(PcapFile.open('/nonexistent/x.pcap', { clock })).rejects.toMatchObject({
      code: 'ENOENT',
    });
  });
});

describe('PcapFile', () => {
  it('writes a frame a moment after it came, without waiting for more', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const pcap = new PcapFile(file, { clock });
    await file.drain();
    pcap.frame(region, 0, 60);
    clock.advanceBy(1_000_000);
    await file.drain();
    expect(recordsOf(Uint8Array.from(file.content))).toHaveLength(1);
    await pcap.close();
  });

  it('gathers frames that come close together into one write', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const pcap = new PcapFile(file, { clock });
    await file.drain();
    for (let i = 0; i < 50; i++) pcap.frame(region, i, 60);
    clock.advanceBy(1_000_000);
    await file.drain();
    expect(file.writes).toBe(2);
    expect(recordsOf(Uint8Array.from(file.content))).toHaveLength(50);
    await pcap.close();
  });

  it('keeps frames whole and in order when the disk takes a write in pieces', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    file.portion = 7;
    const pcap = new PcapFile(file, { clock, bufferBytes: 4096 });
    for (let i = 0; i < 20; i++) {
      pcap.frame(region, i, 60 + i);
      await file.drain();
    }
    const closed = pcap.close();
    await file.drain();
    await closed;
    const records = recordsOf(Uint8Array.from(file.content));
    expect(records.map((record) => record.bytes)).toEqual(
      Array.from({ length: 20 }, (_, i) => bytesAt(i, 60 + i)),
    );
  });

  it('leaves out and counts what a stalled disk has no room for, within its memory', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const pcap = new PcapFile(file, { clock, bufferBytes: 4096 });
    // The header is being written; the other half of 2048 bytes takes 26 records of 76 bytes.
    for (let i = 0; i < 100; i++) pcap.frame(region, i, 60);
    expect([pcap.framesCaptured, pcap.framesDropped]).toEqual([26, 74]);
    await file.drain();
    pcap.frame(region, 200, 60);
    expect(pcap.framesCaptured).toBe(27);
    const closed = pcap.close();
    await file.drain();
    await closed;
    const records = recordsOf(Uint8Array.from(file.content));
    expect(records.map((record) => record.bytes)).toEqual(
      [...Array(26).keys(), 200].map((offset) => bytesAt(offset, 60)),
    );
  });

  it('starts a write when the next frame does not fit, and loses none while the disk is idle', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const pcap = new PcapFile(file, { clock, bufferBytes: 4096 });
    await file.drain();
    for (let i = 0; i < 3; i++) pcap.frame(region, i, 900);
    expect([pcap.framesCaptured, pcap.framesDropped]).toEqual([3, 0]);
    await file.drain();
    const closed = pcap.close();
    await file.drain();
    await closed;
    expect(recordsOf(Uint8Array.from(file.content))).toHaveLength(3);
  });

  it('keeps only the snap length of a long frame, and says how long it was', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const pcap = new PcapFile(file, { clock, snapLengthBytes: 96 });
    pcap.frame(region, 10, 1514);
    const closed = pcap.close();
    await file.drain();
    await closed;
    expect(recordsOf(Uint8Array.from(file.content))).toEqual([
      { micros: 0, originalBytes: 1514, bytes: bytesAt(10, 96) },
    ]);
  });

  it('reports a failing disk once, counts its frames as dropped, and still closes', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const failures: Error[] = [];
    const pcap = new PcapFile(file, { clock, onFailure: (error) => failures.push(error) });
    await file.drain();
    const full = new Error('no space left');
    file.failFromNowOn(full);
    pcap.frame(region, 0, 60);
    clock.advanceBy(1_000_000);
    pcap.frame(region, 0, 60);
    await file.drain();
    pcap.frame(region, 0, 60);
    clock.advanceBy(1_000_000);
    await pcap.close();
    expect(failures).toEqual([full]);
    expect([pcap.failure, pcap.framesCaptured, pcap.framesDropped]).toEqual([full, 0, 3]);
    expect(file.closes).toBe(1);
  });

  it('waits for a slow disk when it closes, but not for one that takes nothing any more', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const failures: Error[] = [];
    file.portion = 24 + 76;
    const pcap = new PcapFile(file, { clock, onFailure: (error) => failures.push(error) });
    for (let i = 0; i < 5; i++) pcap.frame(region, i, 60);
    let isClosed = false;
    const closed = pcap.close().then(() => (isClosed = true));
    for (let i = 0; i < 3; i++) {
      clock.advanceBy(499_000);
      await file.step();
    }
    expect([isClosed, file.content.length]).toEqual([false, 24 + 2 * 100]);
    clock.advanceBy(500_000);
    await closed;
    expect(failures).toEqual([expect.objectContaining({ message: expect.any(String) as string })]);
    expect([pcap.framesCaptured, pcap.framesDropped]).toEqual([0, 5]);
    const { writes } = file;
    await file.drain();
    expect([file.writes, file.closes, clock.nextAt]).toEqual([writes, 1, Infinity]);
  });

  it('closes once, and counts frames that come later as dropped', async () => {
    const clock = new VirtualClock();
    const file = new SlowFile();
    const pcap = new PcapFile(file, { clock });
    const first = pcap.close();
    const second = pcap.close();
    pcap.frame(region, 0, 60);
    await file.drain();
    await Promise.all([first, second]);
    expect([file.closes, pcap.framesDropped, file.content.length]).toEqual([1, 1, 24]);
    expect(clock.nextAt).toBe(Infinity);
  });
});
