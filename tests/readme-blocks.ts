import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A fenced block of a document. */
export interface CodeBlock {
  /** Word behind the opening fence: `sh`, `ts`, … */
  readonly language: string;
  /** What a comment `<!-- readme-test: NAME -->` right above it says. */
  readonly name: string | undefined;
  readonly text: string;
}

const root = join(import.meta.dirname, '..');

/** All fenced blocks of a document; `path` counts from the root of the repository. */
export function codeBlocks(path: string): CodeBlock[] {
  const text = readFileSync(join(root, path), 'utf8');
  const fence = /(?:<!-- readme-test: ([\w-]+) -->\s*)?^```(\w*)\n(.*?)^```$/gms;
  return [...text.matchAll(fence)].map(([, name, language = '', body = '']) => ({
    language,
    name,
    text: body,
  }));
}

/** The block with this name; it is an error if there is none. */
export function namedBlock(path: string, name: string): CodeBlock {
  const block = codeBlocks(path).find((candidate) => candidate.name === name);
  if (block === undefined) throw new Error(`${path} has no block named ${name}`);
  return block;
}

/** The commands of a shell block, one a line; lines that end in a backslash go on. */
export function commandsOf(block: CodeBlock): string[] {
  return block.text
    .replaceAll('\\\n', ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
}
