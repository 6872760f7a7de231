/** Which commands that the documents show are typed by a test. */

/** What authors call blocks of commands. */
export const shellLanguages = 'sh bash zsh fish shell console shell-session'.split(' ');

/**
 * @typedef {object} ShownBlock
 * @property {string} language
 * @property {string} test its name, by which a test finds it; empty: it has none
 * @property {readonly { text: string }[]} lines
 */

/**
 * What is wrong with the blocks of a document. Commands have to be typed by a test or stand in
 * `reasons`; of a block with a name, a test has said that it types all of it, and fails if it does
 * not (`typesBlocks` in tests/document-shell.ts). A program with a name has to be run by a test.
 *
 * @param {{ path: string, blocks: readonly ShownBlock[] }} document
 * @param {Readonly<Record<string, string>>} reasons why no test types them, by command
 * @param {readonly string[]} tests the texts of all tests
 * @returns {string[]}
 */
export function untypedProblems({ path, blocks }, reasons, tests) {
  const unused = new Set(Object.keys(reasons));
  const promised = tests.flatMap(promisesOf).filter(({ document }) => document === path);
  const problems = blocks.flatMap(({ language, test, lines }) => {
    const isShell = shellLanguages.includes(language);
    if (test !== '') {
      const isUsed = isShell
        ? promised.some(({ names }) => names.test(test))
        : tests.some((text) => text.includes(`'${path}'`) && text.includes(`'${test}'`));
      return isUsed ? [] : [`${path}: no test types the block ${test}`];
    }
    if (!isShell) return [];
    return commandsOf(lines.map(({ text }) => text).join('\n')).flatMap((command) => {
      unused.delete(command);
      if (command in reasons) return [];
      return [`${path}: no test types ${command} (see scripts/documents/shown-commands.mjs)`];
    });
  });
  return [
    ...problems,
    ...[...unused].map((command) => `${path} does not show ${command} any more`),
  ];
}

/**
 * @param {string} text of a test
 * @returns {{ document: string, names: RegExp }[]} of which blocks it types all commands
 */
function promisesOf(text) {
  const calls = text.matchAll(/typesBlocks\(\s*'([^']+)',\s*\/(.+)\/,?\s*\)/g);
  return [...calls].map(([, document = '', names = '']) => ({ document, names: RegExp(names) }));
}

/**
 * @param {string} text of a block
 * @returns {string[]} its commands, one a line, without comments
 */
function commandsOf(text) {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) => line.replace(/(^|\s+)#.*$/, '').trim())
    .filter((line) => line !== '');
}
