import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { HeadlessBrowser } from './headless-browser.ts';

/** Answers three commands, as many as a start needs, and ends at the fourth. */
const ENDS_SOON = `#!/usr/bin/env node
const { createReadStream, writeSync } = require('node:fs');
let answered = 0;
createReadStream('', { fd: 3, encoding: 'utf8' }).on('data', (text) => {
  for (const message of text.split('\\0').filter((each) => each !== '')) {
    if (++answered > 3) process.exit(1);
    writeSync(4, JSON.stringify({ id: JSON.parse(message).id, result: {} }) + '\\0');
  }
});
`;

describe('a browser that ends', () => {
  const folder = mkdtempSync(join(tmpdir(), 'headless-oxmem-'));
  afterAll(() => rmSync(folder, { recursive: true }));
  const profiles = (): string[] =>
    readdirSync(tmpdir()).filter((name) => name.startsWith('oxmem-browser-'));

  it.each([
    ['at once', 'true', /has ended/],
    ['before it began', 'no-such-browser', /ENOENT/],
  ])('%s leaves nothing, and says so', async (_, program, message) => {
    const before = profiles();
    await expect(HeadlessBrowser.start(program)).rejects.toThrow(message);
    expect(profiles()).toEqual(before);
  });

  it('later on keeps nobody waiting', async () => {
    const before = profiles();
    const program = join(folder, 'browser');
    writeFileSync(program, ENDS_SOON, { mode: 0o755 });
    const browser = await HeadlessBrowser.start(program);
    await expect(browser.open('about:blank')).rejects.toThrow('has ended');
    await expect(browser.evaluate('1')).rejects.toThrow('has ended');
    await browser.close();
    await browser.close();
    expect(profiles()).toEqual(before);
  });
});
