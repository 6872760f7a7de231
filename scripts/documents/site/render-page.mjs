/** A document as HTML: Markdown, with links that lead to other pages of the site. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import MarkdownIt from 'markdown-it';
import { repositoryRoot } from '../../repository.mjs';
import { anchorMaker } from '../headings.mjs';
import { pageUrl, wayToRoot } from './pages.mjs';

/**
 * @typedef {import('./pages.mjs').SitePage} SitePage
 * @typedef {ReturnType<MarkdownIt['parse']>[number]} Token
 *
 * @typedef {object} Section what stands behind a heading, up to the next one
 * @property {string} heading
 * @property {string} anchor
 * @property {number} level 1 to 6
 * @property {string} text without marks
 *
 * @typedef {object} RenderedPage
 * @property {string} html
 * @property {Section[]} sections
 * @property {string[]} problems
 */

const markdown = new MarkdownIt({ html: true });

/**
 * @param {SitePage} page
 * @param {{ sources: ReadonlySet<string>, filesUrl: string }} site the documents that have pages, and
 *   where the repository's other files can be looked at
 * @returns {RenderedPage}
 */
export function renderPage(page, site) {
  const tokens = markdown.parse(page.text, {});
  /** @type {string[]} */
  const problems = [];
  for (const token of tokens.flatMap((each) => [each, ...(each.children ?? [])])) {
    const isHtml = token.type.startsWith('html_');
    if (isHtml && !/^\s*<!--[^]*-->\s*$/.test(token.content)) {
      problems.push(`${page.source}: HTML is not shown: ${token.content.trim()}`);
    }
    const target = token.attrGet('href');
    if (target !== null) token.attrSet('href', resolveLink(page, target, { ...site, problems }));
  }
  const sections = markSections(tokens);
  return { html: markdown.renderer.render(tokens, {}, {}), sections, problems };
}

/**
 * @param {SitePage} page
 * @param {string} target as the document has it
 * @param {{ sources: ReadonlySet<string>, filesUrl: string, problems: string[] }} site
 * @returns {string} as the page has it
 */
function resolveLink(page, target, { sources, filesUrl, problems }) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target) || target.startsWith('#')) return target;
  const [rawPath = '', anchor] = target.split('#');
  const path = normalize(join(dirname(page.source), decodeURIComponent(rawPath)));
  const place = join(repositoryRoot, path);
  const source = [path, join(path, 'README.md')].find((each) => sources.has(each));
  if (source === undefined) {
    if (!existsSync(place)) {
      problems.push(`${page.source}: the link ${target} leads nowhere`);
      return target;
    }
    return `${filesUrl}/${statSync(place).isDirectory() ? 'tree' : 'blob'}/main/${path}`;
  }
  const url = `${wayToRoot(page.url)}${pageUrl(source)}`;
  return anchor === undefined ? url : `${url}#${anchor}`;
}

/**
 * Gives each heading its anchor.
 *
 * @param {Token[]} tokens of a document; changed
 * @returns {Section[]}
 */
function markSections(tokens) {
  const anchorOf = anchorMaker();
  /** @type {Section[]} */
  const sections = [];
  tokens.forEach((token, index) => {
    const isHeading = token.type === 'heading_open';
    if (isHeading) {
      const inline = tokens[index + 1];
      const anchor = anchorOf(inline?.content ?? '');
      token.attrSet('id', anchor);
      const heading = plainText(inline);
      sections.push({ heading, anchor, level: Number(token.tag.slice(1)), text: '' });
    }
    const section = sections.at(-1);
    const isTitle = tokens[index - 1]?.type === 'heading_open';
    if (section !== undefined && !isTitle) section.text += plainText(token);
  });
  return sections;
}

/**
 * @param {Token | undefined} token
 * @returns {string}
 */
function plainText(token) {
  if (token === undefined) return '';
  if (token.type === 'fence' || token.type === 'code_block') return `${token.content} `;
  const words = (token.children ?? []).map(({ type, content }) =>
    type === 'softbreak' || type === 'hardbreak' ? ' ' : content,
  );
  return words.length === 0 ? '' : `${words.join('')} `;
}
