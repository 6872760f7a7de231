/** Which documents the site has, in which order, and where each stands. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ownFiles, repositoryRoot } from '../../repository.mjs';

/**
 * @typedef {object} SitePage
 * @property {string} source path of the document, from the root of the repository
 * @property {string} url from the root of the site
 * @property {string} group heading that it stands under
 * @property {string} title
 * @property {string} text Markdown
 */

/** The navigation. A document that is not here comes last, under "More". */
const groups = {
  Start: ['README.md', 'docs/getting-started.md'],
  'Attach memory': [
    'packages/oxmem-bdev/README.md',
    'docs/operating.md',
    'docs/metrics.md',
    'docs/errors.md',
    'SIGNAL-HANDLING.md',
    'packages/oxmem-bdev/systemd/README.md',
    'SECURITY.md',
  ],
  'Test and look': [
    'packages/sim-endpoint/README.md',
    'examples/vitest-simulator/README.md',
    'packages/oxmem-tloe/README.md',
    'docs/peers.md',
  ],
  'Write software': [
    'packages/tloe-protocol/README.md',
    'packages/rawsock/README.md',
    'packages/nbd-protocol/README.md',
    'packages/nbd-kernel/README.md',
  ],
  Understand: [
    'ARCHITECTURE.md',
    'docs/glossary.md',
    'docs/wire-format.md',
    'docs/spec-notes.md',
    'docs/performance.md',
  ],
  'Take part': ['CONTRIBUTING.md', 'docs/testing.md', 'docs/releasing.md'],
};

/** @returns {SitePage[]} in the order of the navigation */
export function sitePages() {
  const sources = ownFiles((path) => path.endsWith('.md') && !path.startsWith('.changeset'));
  const listed = Object.entries(groups).flatMap(([group, paths]) =>
    paths.filter((path) => sources.includes(path)).map((source) => ({ group, source })),
  );
  const known = new Set(listed.map(({ source }) => source));
  const others = sources.filter((source) => !known.has(source));
  return [...listed, ...others.map((source) => ({ group: 'More', source }))].map(readPage);
}

/**
 * @param {{ source: string, group: string }} place
 * @returns {SitePage}
 */
function readPage({ source, group }) {
  const text = readFileSync(join(repositoryRoot, source), 'utf8');
  const title = /^# (.*)$/m.exec(text)?.[1]?.replaceAll('`', '') ?? source;
  return { source, group, text, title, url: pageUrl(source) };
}

/**
 * @param {string} source path of a document
 * @returns {string} where its page stands
 */
export function pageUrl(source) {
  return source.replace(/(^|\/)README\.md$/, '$1index.html').replace(/\.md$/, '.html');
}

/**
 * @param {string} url of a page
 * @returns {string} what leads from there to the root of the site: '' or '../' and so on
 */
export function wayToRoot(url) {
  const folder = dirname(url);
  return folder === '.' ? '' : '../'.repeat(folder.split('/').length);
}
