import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const program = new URL('./fixtures/count-allocations.mjs', import.meta.url).pathname;

/** One object of the smallest kind per request would be more than this. */
const MOST_BYTES_PER_REQUEST = 8;

describe('the data path in steady state', () => {
  it.each(['raw', 'spec'])(
    'allocates nothing per request or frame, data order %s',
    async (order) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        '--expose-gc',
        '--max-semi-space-size=512',
        program,
        order,
      ]);
      const { requests, frames, bytes, failed } = JSON.parse(stdout) as Record<string, number>;
      expect(failed).toBe(0);
      expect(frames).toBeGreaterThan(requests as number);
      expect((bytes as number) / (requests as number)).toBeLessThan(MOST_BYTES_PER_REQUEST);
    },
  );
});
