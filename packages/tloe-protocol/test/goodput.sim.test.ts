/**
 * What is left of the speed of a wire that loses, repeats and reorders frames. Virtual time makes
 * the figures the same everywhere, so the table is compared to the last digit with goodput.txt;
 * docs/testing.md says how to renew it.
 */
import { describe, expect, it } from 'vitest';
import { ByteRegion } from '../src/byte-region.ts';
import { Dialogue, NOTHING_LEFT } from '../src/testing/dialogue.ts';
import { symmetricFaults } from '../src/testing/fault-plan.ts';
import { Prng } from '../src/testing/prng.ts';
import { MemoryStatus, RequestKind } from '../src/tilelink/memory-request.ts';
import { MILLISECOND, SECOND } from '../src/units.ts';

const MIB = 2 ** 20;
const REQUEST_BYTES = 2 ** 17;
const DEPTH = 8;

/** Of the frames each way; as many are doubled and reordered as are lost. */
const LOSSES = [0, 0.001, 0.01, 0.05, 0.1, 0.3] as const;

interface Measured {
  readonly write: number;
  readonly read: number;
}

/** Writes and reads `bytes` in requests of 128 KiB, some at a time; payload in MB/s. */
async function measure(loss: number, bytes: number): Promise<Measured> {
  const dialogue = new Dialogue({
    seed: 7,
    sizeBytes: bytes,
    window: 256,
    // A gigabit each way, and what two kernels and a switch take.
    rateBytesPerSecond: 125e6,
    faults: symmetricFaults({
      loss,
      duplicate: loss,
      reorder: loss,
      reorderDepthFrames: 3,
      reorderHoldMicros: 50,
      delayMicros: 50,
    }),
  });
  expect(await dialogue.open()).toMatchObject({ isOpen: true });
  const data = ByteRegion.allocate(bytes);
  new Prng(9).fillBytes(data.bytes);
  const write = await run(dialogue, RequestKind.write, data);
  expect(Buffer.compare(dialogue.memory.region.bytes, data.bytes), 'written right').toBe(0);
  const got = ByteRegion.allocate(bytes);
  const read = await run(dialogue, RequestKind.read, got);
  expect(Buffer.compare(got.bytes, data.bytes), 'read right').toBe(0);
  dialogue.clock.advanceBy(10 * SECOND);
  expect(dialogue.leftovers()).toEqual(NOTHING_LEFT);
  return { write, read };
}

async function run(dialogue: Dialogue, kind: RequestKind, buffer: ByteRegion): Promise<number> {
  const { clock } = dialogue;
  const { length } = buffer.bytes;
  const begun = clock.now();
  let next = 0;
  let isDone = false;
  const worker = async (): Promise<void> => {
    while (next < length) {
      const offset = next;
      next += REQUEST_BYTES;
      const part = { kind, offset, length: REQUEST_BYTES, buffer, bufferOffset: offset };
      expect(await dialogue.start(part)).toBe(MemoryStatus.ok);
    }
  };
  const work = Promise.all(Array.from({ length: DEPTH }, worker)).finally(() => {
    isDone = true;
  });
  let ended = begun;
  while (!isDone) {
    expect(clock.now() - begun, 'it stands still').toBeLessThan(300 * SECOND);
    clock.advanceTo(Math.min(clock.nextAt, clock.now() + MILLISECOND));
    ended = clock.now();
    for (let i = 0; i < 4; i++) await Promise.resolve();
  }
  await work;
  return length / (ended - begun);
}

/** One row of the table: what was measured, and how much that is of what no faults leave. */
function row(loss: number, measured: Measured, best: Measured): string {
  const cell = (kind: keyof Measured): string => {
    const share = (100 * measured[kind]) / best[kind];
    return `${measured[kind].toFixed(1).padStart(7)}  ${share.toFixed(0).padStart(3)} %`;
  };
  return `${(100 * loss).toFixed(1).padStart(4)} %  ${cell('write')}  ${cell('read')}`;
}

describe('goodput', () => {
  it('under loss, duplication and reordering is what the table says', async () => {
    const results: Measured[] = [];
    for (const loss of LOSSES) results.push(await measure(loss, 4 * MIB));
    const [best] = results as [Measured];
    const rows = LOSSES.map((loss, i) => row(loss, results[i] as Measured, best));
    const table = ['faults      write MB/s      read MB/s', ...rows, ''].join('\n');
    await expect(table).toMatchFileSnapshot('goodput.txt');
    const atOnePercent = results[LOSSES.indexOf(0.01)] as Measured;
    expect(atOnePercent.write).toBeGreaterThan(0.75 * best.write);
    expect(atOnePercent.read).toBeGreaterThan(0.75 * best.read);
  }, 60_000);
});
