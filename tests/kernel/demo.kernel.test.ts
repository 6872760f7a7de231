/** `npm run demo` where the kernel has nbd: on a block device. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { describeRequiring } from '../requires.ts';
import { PATIENCE_MS } from './kernel-programs.ts';
import { runClient } from '../lab-program.ts';

const root = join(import.meta.dirname, '..', '..');

describeRequiring(['real-root', 'netns', 'nbd'], 'the demo', () => {
  it('attaches a kernel device, verifies what it writes there, and leaves none behind', async () => {
    const env = { OXMEM_DEMO_PERCENT: '4', UV_THREADPOOL_SIZE: '32' };
    const options = { cwd: root, env, timeoutMs: PATIENCE_MS };
    const stdout = await runClient([process.execPath, 'scripts/demo.mjs'], options);
    const device = /^ready: \/dev\/(nbd\d+) 268435456 bytes/m.exec(stdout)?.[1];
    expect(device).toBeDefined();
    expect(stdout).toContain('Everything that was written came back as it was.');
    expect(readFileSync(`/sys/block/${device}/size`, 'utf8').trim()).toBe('0');
  });
});
