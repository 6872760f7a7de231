import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { runClient } from './lab-program.ts';
import { describeRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');

describeRequiring(['root', 'netns'], 'npm run demo', () => {
  it('reaches the verified table, exits 0 and leaves nothing behind', async () => {
    const before = new Set(readdirSync(tmpdir()));
    const stdout = await runClient(['npm', 'run', 'demo'], { cwd: root, timeoutMs: 240_000 });
    expect(stdout).toMatch(/✓/);
    expect(stdout).toMatch(/MB\/s/);
    const ours = readdirSync(tmpdir()).filter((name) => name.startsWith('oxmem-demo'));
    expect(ours.filter((name) => !before.has(name))).toEqual([]);
  }, 300_000);
});
