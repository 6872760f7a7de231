/**
 * `pnpm docs:check`: what the documents say is there. Each check takes a document and returns what is
 * wrong with it; a new one joins the list at the end.
 */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { anchorMaker } from './documents/headings.mjs';
import { untypedCommands } from './documents/shown-commands.mjs';
import { shellLanguages, untypedProblems } from './documents/typed-commands.mjs';
import { ownFiles, packageFolders, repositoryRoot } from './repository.mjs';

/**
 * @typedef {object} MarkdownDocument
 * @property {string} path relative to the root
 * @property {string} text
 * @property {string} prose the text with the content of fenced blocks blanked out, line for line
 * @property {{ language: string, test: string, lines: { text: string, number: number }[] }[]} blocks
 *   test: what the comment in front of it says, a name by which a test finds it
 */

/**
 * @param {string} path relative to the root
 * @returns {MarkdownDocument}
 */
function readDocument(path) {
  const text = readFileSync(join(repositoryRoot, path), 'utf8');
  /** @type {MarkdownDocument['blocks']} */
  const blocks = [];
  /** @type {string | undefined} the fence that ends the block we are in */
  let fence;
  let test = '';
  const prose = text.split('\n').map((line, index) => {
    const [, mark = '', language = ''] = /^\s*(```+|~~~+)\s*([\w-]*)/.exec(line) ?? [];
    if (fence === undefined) {
      if (mark === '') {
        test = /^\s*<!-- readme-test: ([\w-]+) -->/.exec(line)?.[1] ?? (line === '' ? test : '');
        return line;
      }
      fence = mark;
      blocks.push({ language, test, lines: [] });
      test = '';
    } else if (mark.startsWith(fence)) fence = undefined;
    else blocks.at(-1)?.lines.push({ text: line, number: index + 1 });
    return '';
  });
  return { path, text, prose: prose.join('\n'), blocks };
}

/**
 * Every relative link leads to a file or folder, every `#anchor` to a heading.
 *
 * @param {MarkdownDocument} document
 * @returns {string[]}
 */
function checkLinks(document) {
  return document.prose.split('\n').flatMap((line, index) => {
    const withoutCode = line.replaceAll(/`[^`]*`/g, (code) => ' '.repeat(code.length));
    const inline = [...withoutCode.matchAll(/\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g)];
    const reference = [...withoutCode.matchAll(/^\s*\[[^\]]+\]:\s*<?([^\s>]+)>?/g)];
    const targets = [...inline, ...reference].map((match) => match[1] ?? '');
    return targets
      .map((target) => brokenLink(document, target))
      .filter((problem) => problem !== undefined)
      .map((problem) => `${document.path}:${index + 1}: ${problem}`);
  });
}

/**
 * @param {MarkdownDocument} document
 * @param {string} target
 * @returns {string | undefined}
 */
function brokenLink(document, target) {
  if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return undefined;
  const [rawPath = '', anchor] = target.split('#');
  const path =
    rawPath === ''
      ? document.path
      : normalize(join(dirname(document.path), decodeURIComponent(rawPath)));
  if (path.startsWith('..')) return `the link ${target} leaves the repository`;
  if (!existsSync(join(repositoryRoot, path))) return `the link ${target} leads nowhere`;
  if (anchor === undefined) return undefined;
  if (/^L\d+/.test(anchor)) return `the link ${target} names a line, which moves; name the file`;
  if (!path.endsWith('.md')) return `the link ${target} has an anchor into a file without headings`;
  const isHeading = anchorsOf(readDocument(path)).has(anchor);
  return isHeading ? undefined : `the link ${target} names a heading that is not there`;
}

/**
 * @param {MarkdownDocument} document
 * @returns {Set<string>} the anchors of its headings, as GitHub makes them
 */
function anchorsOf(document) {
  const anchorOf = anchorMaker();
  const anchors = new Set(
    [...document.prose.matchAll(/<a\s+(?:id|name)="([^"]+)"/g)].map((match) => match[1] ?? ''),
  );
  for (const [, heading = ''] of document.prose.matchAll(/^#{1,6}\s+(.*?)\s*#*\s*$/gm)) {
    anchors.add(anchorOf(heading));
  }
  return anchors;
}

/** Commands of npm and pnpm that are not scripts. */
const builtIn = new Set(
  'install i ci add remove exec dlx pack publish link init update why view config help'.split(' '),
);

/**
 * Every command in a block for a shell that starts with npm, pnpm or npx calls something that exists.
 *
 * @param {MarkdownDocument} document
 * @returns {string[]}
 */
function checkCommands(document) {
  const shellLines = document.blocks
    .filter(({ language }) => shellLanguages.includes(language))
    .flatMap(({ lines }) => lines);
  return shellLines.flatMap(({ text, number }) => {
    const commands = text
      .replace(/(^|\s)#.*$/, '')
      .split(/&&|\|\||;|\|/)
      .map((each) => each.trim().replace(/^(\$\s+|sudo\s+(-\w+\s+)*|(\w+=\S*\s+)+)/, ''));
    return commands
      .map((command) => brokenCommand(dirname(document.path), command))
      .filter((problem) => problem !== undefined)
      .map((problem) => `${document.path}:${number}: ${problem}`);
  });
}

/**
 * @param {string} folder of the document
 * @param {string} command
 * @returns {string | undefined}
 */
function brokenCommand(folder, command) {
  const [program = '', ...words] = command.split(/\s+/);
  if (program === 'npx') return brokenBinary(words.find((word) => !word.startsWith('-')) ?? '');
  if (program !== 'npm' && program !== 'pnpm') return undefined;
  const verb = words.find((word) => !word.startsWith('-')) ?? '';
  const isRun = verb === 'run' || verb === 'run-script';
  if (!isRun && builtIn.has(verb)) return undefined;
  const rest = words.slice(words.indexOf(verb) + 1);
  const script = isRun ? (rest.find((word) => !word.startsWith('-')) ?? '') : verb;
  const isShorthand = isRun || program === 'pnpm' || ['test', 't', 'start'].includes(verb);
  if (!isShorthand) return `npm has no command ${verb}: ${command}`;
  const name = script === 't' ? 'test' : script;
  return scriptsFor(folder).has(name) ? undefined : `there is no script ${name}: ${command}`;
}

/**
 * @param {string} name
 * @returns {string | undefined}
 */
function brokenBinary(name) {
  const bare = name.replace(/(.)@.*$/, '$1');
  const isOurs = packageFolders().some((folder) => bare in (readManifest(folder).bin ?? {}));
  const isInstalled = existsSync(join(repositoryRoot, 'node_modules', '.bin', bare));
  return isOurs || isInstalled || bare === 'pnpm' ? undefined : `npx finds no command ${name}`;
}

/**
 * @param {string} folder
 * @returns {Set<string>} scripts of the root and of the package that the folder belongs to
 */
function scriptsFor(folder) {
  const manifests = [repositoryRoot, join(repositoryRoot, folder)].map(readManifest);
  return new Set(manifests.flatMap((manifest) => Object.keys(manifest.scripts ?? {})));
}

/**
 * @param {string} folder absolute
 * @returns {{ scripts?: Record<string, string>, bin?: Record<string, string> }}
 */
function readManifest(folder) {
  const file = join(folder, 'package.json');
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
}

/** The texts of all tests. */
const testTexts = ownFiles((path) => /^tests\/.*\.test\.ts$/.test(path)).map((path) =>
  readFileSync(join(repositoryRoot, path), 'utf8'),
);

/**
 * @param {MarkdownDocument} document
 * @returns {string[]}
 */
function checkTyped(document) {
  const reasons = untypedCommands[/** @type {keyof typeof untypedCommands} */ (document.path)];
  return untypedProblems(document, reasons ?? {}, testTexts);
}

/** Scripts in package.json that call a file call one that exists. */
function checkScriptFiles() {
  const folders = [repositoryRoot, ...packageFolders()];
  return folders.flatMap((folder) =>
    Object.entries(readManifest(folder).scripts ?? {}).flatMap(([name, command]) => {
      const file = /^(?:node|bash)\s+(\S+\.m?js|\S+\/run)\b/.exec(command)?.[1];
      if (file === undefined || existsSync(join(folder, file))) return [];
      const manifest = relative(repositoryRoot, join(folder, 'package.json'));
      return [`${manifest}: the script ${name} calls ${file}, which does not exist`];
    }),
  );
}

/** @type {((document: MarkdownDocument) => string[])[]} */
const documentChecks = [checkLinks, checkCommands, checkTyped];

const documents = ownFiles(
  (path) => path.endsWith('.md') && statSync(join(repositoryRoot, path)).isFile(),
);
const problems = [
  ...documents.map(readDocument).flatMap((each) => documentChecks.flatMap((check) => check(each))),
  ...checkScriptFiles(),
];
if (problems.length > 0) {
  console.error(problems.join('\n'));
  process.exitCode = 1;
} else {
  console.log(
    `${documents.length} documents: links, anchors and commands are true, and tests type them`,
  );
}
