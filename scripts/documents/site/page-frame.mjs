/** What stands around the text of every page: head, search box, navigation. */
import { wayToRoot } from './pages.mjs';

/**
 * @param {import('./pages.mjs').SitePage} page
 * @param {string} content HTML
 * @param {readonly import('./pages.mjs').SitePage[]} pages of the navigation, the API reference too
 * @returns {string} the page
 */
export function framePage(page, content, pages) {
  const root = wayToRoot(page.url);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)} - oxmem</title>
<link rel="stylesheet" href="${root}site.css">
<script defer src="${root}minisearch.js"></script>
<script defer src="${root}search-index.js"></script>
<script defer src="${root}site.js"></script>
</head>
<body data-root="${root}">
<header>
<a class="home" href="${root}index.html">oxmem</a>
<div class="search" role="search">
<input id="search" type="search" placeholder="Search ( / )" aria-label="Search" autocomplete="off">
<ol id="results" hidden></ol>
</div>
</header>
<nav>${navigation(page, root, pages)}</nav>
<main>
${content}</main>
</body>
</html>
`;
}

/**
 * @param {import('./pages.mjs').SitePage} page
 * @param {string} root
 * @param {readonly import('./pages.mjs').SitePage[]} pages
 */
function navigation(page, root, pages) {
  const groups = [...new Set(pages.map(({ group }) => group))];
  return groups
    .map((group) => {
      const items = pages
        .filter((each) => each.group === group)
        .map(({ url, title }) => {
          const here = url === page.url ? ' aria-current="page"' : '';
          return `<li><a href="${root}${url}"${here}>${escapeHtml(title)}</a></li>`;
        });
      return `<h2>${group}</h2>\n<ul>${items.join('\n')}</ul>`;
    })
    .join('\n');
}

/** @param {string} text */
function escapeHtml(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
