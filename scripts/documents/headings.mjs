/** Anchors of headings, as GitHub makes them: the site and `pnpm docs:check` agree about them. */

/**
 * Makes the anchors of one document, in the order of its headings.
 *
 * @returns {(heading: string) => string} given a heading in Markdown; the second of two equal ones
 *   gets a number
 */
export function anchorMaker() {
  /** @type {Map<string, number>} */
  const seen = new Map();
  return (heading) => {
    const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const slug = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(/\s/g, '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return count === 0 ? slug : `${slug}-${count}`;
  };
}
