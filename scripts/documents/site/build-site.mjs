/**
 * `pnpm docs:site`: all documents and the API reference as a site with search, into build/site. It
 * needs no server: open build/site/index.html. Fails when a link leads nowhere. `--out=FOLDER` puts it
 * elsewhere, in the place of an older site; `--no-api` leaves the reference out.
 */
import {
  cpSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { repositoryRoot } from '../../repository.mjs';
import { brokenLinks } from './broken-links.mjs';
import { framePage } from './page-frame.mjs';
import { sitePages } from './pages.mjs';
import { renderPage } from './render-page.mjs';
import { apiEntries, pageEntries, searchIndexScript } from './search-index.mjs';

/** The API reference in the navigation. */
const apiPage = {
  source: '',
  url: 'api/index.html',
  group: 'Write software',
  title: 'API reference',
  text: '',
};

/** What shows that a folder holds a site. */
const MARK = 'search-index.js';

/** @param {string} out */
function mayBeReplaced(out) {
  const found = statSync(out, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true) return found === undefined;
  const names = readdirSync(out);
  return names.length === 0 || names.includes(MARK);
}

/**
 * @param {string} out folder for the site; what is there goes
 * @param {boolean} hasApi
 * @returns {Promise<string[]>} what is wrong
 */
async function buildSite(out, hasApi) {
  if (!mayBeReplaced(out)) {
    return [`--out=${out} holds something else than a site; name an empty or a new folder.`];
  }
  rmSync(out, { recursive: true, force: true });
  // At once, so that one that was not finished may be replaced, too.
  write(join(out, MARK), '');
  const problems = hasApi ? await makeReference(join(out, 'api')) : [];
  const pages = sitePages();
  const navigation = hasApi ? withApi(pages) : pages;
  const sources = new Set(pages.map(({ source }) => source));
  const entries = hasApi ? apiEntries(join(out, 'api')) : [];
  for (const page of pages) {
    const rendered = renderPage(page, { sources, filesUrl: filesUrl() });
    problems.push(...rendered.problems);
    entries.push(...pageEntries(page, rendered.sections));
    write(join(out, page.url), framePage(page, rendered.html, navigation));
  }
  write(join(out, MARK), searchIndexScript(entries));
  const minisearch = createRequire(import.meta.url).resolve('minisearch');
  cpSync(join(dirname(minisearch), '..', 'umd', 'index.js'), join(out, 'minisearch.js'));
  cpSync(join(import.meta.dirname, 'theme'), out, { recursive: true });
  return [...problems, ...brokenLinks(out)];
}

/**
 * @param {string} folder
 * @returns {Promise<string[]>}
 */
async function makeReference(folder) {
  const { makeApiReference } = await import('../api-reference.mjs');
  return await makeApiReference(folder);
}

/** @param {ReturnType<typeof sitePages>} pages */
function withApi(pages) {
  const last = pages.findLastIndex(({ group }) => group === apiPage.group);
  return pages.toSpliced(last + 1, 0, apiPage);
}

/** @returns {string} where people look at the files of this repository */
function filesUrl() {
  const { repository } = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8'));
  return repository.url.replace(/^git\+/, '').replace(/\.git$/, '');
}

/**
 * @param {string} path
 * @param {string} text
 */
function write(path, text) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

const { values } = parseArgs({
  options: { out: { type: 'string' }, 'no-api': { type: 'boolean', default: false } },
});
const out = resolve(values.out ?? join(repositoryRoot, 'build', 'site'));
const problems = await buildSite(out, !values['no-api']);
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
} else {
  console.log(`${join(out, 'index.html')}: every link of the site leads somewhere`);
}
