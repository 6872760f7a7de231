/** The index that the search box of the site looks into: one entry for each section. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import MiniSearch from 'minisearch';

/** The browser makes its MiniSearch from the same options. */
const options = {
  idField: 'url',
  fields: ['heading', 'page', 'text'],
  storeFields: ['heading', 'page', 'excerpt'],
};
/** How much of a section stands below its heading in a list of results. */
const EXCERPT_LENGTH = 140;

/**
 * @typedef {object} SearchEntry
 * @property {string} url from the root of the site
 * @property {string} heading
 * @property {string} page title of the page
 * @property {string} text
 * @property {string} excerpt
 */

/**
 * @param {import('./pages.mjs').SitePage} page
 * @param {readonly import('./render-page.mjs').Section[]} sections
 * @returns {SearchEntry[]}
 */
export function pageEntries(page, sections) {
  return sections.map(({ heading, anchor, level, text }) => ({
    url: level === 1 ? page.url : `${page.url}#${anchor}`,
    heading: heading.trim(),
    page: page.title,
    text,
    excerpt: text.slice(0, EXCERPT_LENGTH).trim(),
  }));
}

/**
 * @param {string} folder of the API reference
 * @returns {SearchEntry[]} one for each of its pages
 */
export function apiEntries(folder) {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.html'),
  );
  return pages.map((path) => {
    const title = /<title>([^<|]*)/.exec(readFileSync(join(folder, path), 'utf8'))?.[1] ?? path;
    const heading = title.trim();
    return { url: `api/${path}`, heading, page: 'API reference', text: '', excerpt: '' };
  });
}

/**
 * @param {readonly SearchEntry[]} entries
 * @returns {string} a script that leaves options and index where the search box finds them; a script
 *   and not JSON, so that the site works from a folder, without a server
 */
export function searchIndexScript(entries) {
  const index = new MiniSearch(options);
  index.addAll([...entries]);
  return `window.oxmemSearch = ${JSON.stringify({ options, index: JSON.stringify(index) })};\n`;
}
