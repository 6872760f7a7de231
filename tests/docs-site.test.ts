import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { renderPage } from '../scripts/documents/site/render-page.mjs';

const site = {
  sources: new Set(['README.md', 'docs/testing.md', 'packages/rawsock/README.md']),
  filesUrl: 'https://example.org/files',
};
const render = (source: string, text: string) => {
  const url = source.replace(/\.md$/, '.html');
  return renderPage({ source, url, group: '', title: '', text }, site);
};

describe('a page of the site', () => {
  it('links to pages, and to files of the repository where they are kept', () => {
    const text = '[a](../README.md) [b](../packages/rawsock#x) [c](../package.json) [d](../tests)';
    const { html, problems } = render('docs/testing.md', text);
    expect([...html.matchAll(/href="([^"]*)"/g)].map(([, target]) => target)).toEqual([
      '../index.html',
      '../packages/rawsock/index.html#x',
      'https://example.org/files/blob/main/package.json',
      'https://example.org/files/tree/main/tests',
    ]);
    expect(problems).toEqual([]);
  });

  it('does not hide a link that leads nowhere', () => {
    expect(render('docs/testing.md', 'see [x](nowhere.md)').problems).toEqual([
      'docs/testing.md: the link nowhere.md leads nowhere',
    ]);
  });

  it('takes comments, and no other HTML', () => {
    expect(render('README.md', '<!-- a -->\n\ntext').problems).toEqual([]);
    expect(render('README.md', 'put <b>it</b> there').problems).toHaveLength(2);
  });

  it('has the anchors that links in the documents name', () => {
    const { html, sections } = render(
      'README.md',
      '# A `b`-c, [d](README.md)\n\nx\n\n## E\n\n## E\n',
    );
    expect(html).toContain('<h1 id="a-b-c-d">');
    expect(sections.map(({ anchor, text }) => [anchor, text.trim()])).toEqual([
      ['a-b-c-d', 'x'],
      ['e', ''],
      ['e-1', ''],
    ]);
  });
});

describe('the folder of the site', () => {
  const script = join(import.meta.dirname, '../scripts/documents/site/build-site.mjs');

  it('is not one that has something else in it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'docs-site-oxmem-'));
    const file = join(folder, 'thesis.txt');
    writeFileSync(file, 'years');
    try {
      for (const out of [folder, file]) {
        const { status, stderr } = spawnSync('node', [script, `--out=${out}`, '--no-api']);
        expect(status).toBe(1);
        expect(String(stderr)).toMatch(/^--out=\S+ holds something else than a site; [^\n]*\n$/);
      }
      expect(readdirSync(folder)).toEqual(['thesis.txt']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
