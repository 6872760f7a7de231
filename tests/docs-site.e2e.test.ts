/** The site that `pnpm docs:site` makes, in a real browser, from its folder and without a server. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { HeadlessBrowser } from './headless-browser.ts';
import { runClient } from './lab-program.ts';
import { describeRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');

/** Width, height, and how many different lines a picture has; one that is blank has hardly any. */
function measurePng(png: Buffer): { width: number; height: number; differentLines: number } {
  const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
  const parts: Buffer[] = [];
  for (let at = 8; at < png.length; at += 12 + png.readUInt32BE(at)) {
    const length = png.readUInt32BE(at);
    if (png.toString('latin1', at + 4, at + 8) === 'IDAT') {
      parts.push(png.subarray(at + 8, at + 8 + length));
    }
  }
  const pixels = inflateSync(Buffer.concat(parts));
  const stride = pixels.length / height;
  const lines = Array.from({ length: height }, (_, line) =>
    pixels.toString('latin1', line * stride, (line + 1) * stride),
  );
  return { width, height, differentLines: new Set(lines).size };
}

describeRequiring(['command:chromium-headless-shell'], 'the documents as a site', () => {
  const folder = mkdtempSync(join(tmpdir(), 'docs-site-oxmem-'));
  const page = (path: string): string => `${pathToFileURL(folder).href}/${path}`;
  let browser: HeadlessBrowser;

  beforeAll(async () => {
    const script = join(root, 'scripts/documents/site/build-site.mjs');
    await runClient(['node', script, `--out=${folder}`, '--no-api']);
    browser = await HeadlessBrowser.start();
    return () => browser.close();
  });
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  const results = async (): Promise<unknown> =>
    await browser.evaluate(`[...document.querySelectorAll('#results a')].map((a) => a.href)`);
  const search = async (words: string): Promise<unknown> => {
    await browser.evaluate(`const box = document.getElementById('search'); box.value = '';
      box.focus()`);
    await browser.type(words);
    return await results();
  };

  it('shows the first page: text, navigation, search box', async () => {
    await browser.open(page('index.html'));
    expect(await browser.evaluate('document.title')).toMatch(/^oxmem: /);
    expect(await browser.evaluate('document.querySelector("main").innerText')).toMatch(
      /OmniXtend carries TileLink/,
    );
    expect(await browser.evaluate('document.querySelectorAll("nav a").length')).toBeGreaterThan(15);
    const box = `(() => { const { width, height, top } =
      document.getElementById('search').getBoundingClientRect(); return [width, height, top] })()`;
    const [width, height, top] = (await browser.evaluate(box)) as [number, number, number];
    expect(width).toBeGreaterThan(200);
    expect(height).toBeGreaterThan(20);
    expect(top).toBeLessThan(100);
  });

  it('is not blank on the screen, but a page with nothing in it is', async () => {
    await browser.open(page('index.html'));
    const png = await browser.screenshot();
    const results = join(root, 'results');
    mkdirSync(results, { recursive: true });
    writeFileSync(join(results, 'docs-site.png'), png);
    const { width, height, differentLines } = measurePng(png);
    expect(width).toBe(1280);
    expect(height).toBeGreaterThan(700);
    expect(differentLines).toBeGreaterThan(200);

    await browser.open('about:blank');
    expect(measurePng(await browser.screenshot()).differentLines).toBeLessThan(5);
  });

  it('finds a page by words in it, also from a page in a folder', async () => {
    await browser.open(page('index.html'));
    expect(await search('lane byte of a data word')).toContain(page('docs/glossary.html#tilelink'));
    await browser.open(page('packages/oxmem-bdev/index.html'));
    const found = await search('endpoint restarted');
    expect(found).toContain(page('packages/oxmem-bdev/index.html#when-the-endpoint-goes-away'));
  });

  it('follows a result to its section', async () => {
    await browser.open(page('index.html'));
    const [first] = (await search('what needs privileges')) as string[];
    expect(first).toBe(page('SECURITY.html#what-needs-privileges'));
    await browser.open(first ?? '');
    const top = `document.getElementById('what-needs-privileges').getBoundingClientRect().top`;
    const height = (await browser.evaluate('innerHeight')) as number;
    expect(await browser.evaluate(top)).toBeLessThan(height);
  });

  it('says so when nothing is found', async () => {
    await browser.open(page('index.html'));
    expect(await search('xyzzyxyzzy')).toEqual([]);
    const text = 'document.getElementById("results").innerText';
    expect(await browser.evaluate(text)).toBe('Nothing found');
  });
});
