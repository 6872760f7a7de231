import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const program = new URL('./fixtures/flat-memory.mjs', import.meta.url).pathname;
/** `OXMEM_OPERATIONS=1e7` for the long way; three to six minutes. */
const operations = Number(process.env['OXMEM_OPERATIONS'] ?? 300_000);

/**
 * A leak of a few bytes in each operation would be more. Code that is compiled anew moves the heap by
 * some 0.1 MB, now and then.
 */
const HEAP_LIMIT_BYTES = 256 * 1024 * (1 + operations / 1e7);
const EXTERNAL_LIMIT_BYTES = 64 * 1024;

interface Sample {
  readonly heapUsed: number;
  readonly external: number;
  readonly descriptors: number;
}

interface Outcome extends Readonly<Record<'failed' | 'lost' | 'connections', number>> {
  readonly samples: readonly Sample[];
  readonly framesResent: number;
}

describe('memory under faults', () => {
  it(`is flat over ${operations} operations`, { timeout: 60_000 + operations }, async () => {
    const argv = ['--expose-gc', program, String(operations)];
    const { stdout } = await promisify(execFile)(process.execPath, argv);
    const { samples, ...counts } = JSON.parse(stdout) as Outcome;
    // The faults did happen: lost frames, refused requests, outages, clients that leave.
    expect(counts.framesResent).toBeGreaterThan(operations / 1000);
    expect(counts.failed).toBeGreaterThan(operations / 10_000);
    expect(counts.lost).toBeGreaterThan(operations / 100_000);
    expect(counts.connections).toBeGreaterThan(operations / 10_000);
    const heap = growthOf(samples.map(({ heapUsed }) => heapUsed));
    const external = growthOf(samples.map((sample) => sample.external));
    const descriptors = growthOf(samples.map((sample) => sample.descriptors));
    console.log(`${operations} operations: heap +${heap}, external +${external} bytes`);
    expect(heap).toBeLessThan(HEAP_LIMIT_BYTES);
    expect(external).toBeLessThan(EXTERNAL_LIMIT_BYTES);
    expect(descriptors).toBeLessThanOrEqual(0);
  });
});

/** From the second fifth, when all is compiled, to the last; medians. */
function growthOf(values: readonly number[]): number {
  const fifth = Math.floor(values.length / 5);
  return median(values.slice(-fifth)) - median(values.slice(fifth, 2 * fifth));
}

function median(values: readonly number[]): number {
  return values.toSorted((x, y) => x - y)[values.length >> 1] ?? NaN;
}
