/** Links between pages on disk. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/**
 * @param {string} folder with pages, also in folders below
 * @returns {string[]} links of the pages that lead nowhere, in a sentence each
 */
export function brokenLinks(folder) {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith('.html'),
  );
  /** @type {Map<string, string>} */
  const texts = new Map(pages.map((page) => [page, readFileSync(join(folder, page), 'utf8')]));
  return pages.flatMap((page) => {
    const targets = (texts.get(page) ?? '').matchAll(/(?:href|src)="([^"]+)"/g);
    return [...new Set([...targets].map(([, target = '']) => target))]
      .filter((target) => !/^[a-z]+:/.test(target))
      .filter((target) => !leadsSomewhere({ folder, page, texts }, target))
      .map((target) => `${page}: the link ${target} leads nowhere`);
  });
}

/**
 * @param {{ folder: string, page: string, texts: Map<string, string> }} place
 * @param {string} target
 */
function leadsSomewhere({ folder, page, texts }, target) {
  const [path = '', anchor] = target.split('#');
  const file = path === '' ? page : relative(folder, resolve(folder, dirname(page), path));
  if (!existsSync(join(folder, file))) return false;
  if (anchor === undefined || anchor === '' || !file.endsWith('.html')) return true;
  return texts.get(file)?.includes(`id="${decodeURIComponent(anchor)}"`) ?? false;
}
