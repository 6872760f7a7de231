import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { untypedProblems } from '../scripts/documents/typed-commands.mjs';
import { DocumentShell, untypedLines } from './document-shell.ts';

const block = (language: string, test: string, ...texts: string[]) => ({
  language,
  test,
  lines: texts.map((text) => ({ text })),
});

describe('what docs:check says of commands', () => {
  const promise = "typesBlocks(\n  'a.md',\n  /^(?!kernel-)/,\n);";
  const check = (blocks: ReturnType<typeof block>[], reasons = {}, tests = [promise]) =>
    untypedProblems({ path: 'a.md', blocks }, reasons, tests);

  it.each(['sh', 'bash', 'console', 'shell'])('asks for a test or a reason: %s', (language) => {
    const blocks = [block(language, '', 'rm -r /', '# not this')];
    expect(check(blocks)).toEqual([
      'a.md: no test types rm -r / (see scripts/documents/shown-commands.mjs)',
    ]);
    expect(check(blocks, { 'rm -r /': 'takes long' })).toEqual([]);
    expect(check([], { 'rm -r /': 'takes long' })).toEqual(['a.md does not show rm -r / any more']);
  });

  it('believes of a named block only who says that it types that block', () => {
    expect(check([block('sh', 'kill', 'kill 1'), block('bash', 'kernel-dd', 'dd')])).toEqual([
      'a.md: no test types the block kernel-dd',
    ]);
    // Words that stand in a test by chance.
    expect(check([block('sh', 'kill', 'kill 1')], {}, ["'a.md' 'kill'"])).toHaveLength(1);
    expect(check([block('sh', 'kill', 'kill 1')], {}, ["typesBlocks('b.md', /^kill$/)"])).toEqual([
      'a.md: no test types the block kill',
    ]);
  });

  it('asks for a test of a program that has a name, and of nothing else', () => {
    const blocks = [block('js', 'frame', 'x()'), block('js', '', 'y()'), block('text', '', 'said')];
    expect(check(blocks)).toEqual(['a.md: no test types the block frame']);
    expect(check(blocks, {}, ["namedBlock('a.md', 'frame')"])).toEqual([]);
  });
});

describe('a shell that types what a document shows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'document-shell-oxmem-'));
  afterAll(() => rmSync(folder, { recursive: true }));

  it('knows which lines were not typed', async () => {
    const file = join(folder, 'a.md');
    const named = (name: string, language: string, ...lines: string[]): string =>
      [`<!-- readme-test: ${name} -->`, '', `\`\`\`${language}`, ...lines, '```', ''].join('\n');
    writeFileSync(
      file,
      named('one', 'sh', 'sudo true', 'sudo echo a', 'sudo echo', 'sudo sleep 60 &') +
        named('two', 'bash', 'echo b') +
        named('three', 'js', 'c()') +
        named('other', 'sh', 'echo d'),
    );
    const document = relative(join(import.meta.dirname, '..'), file);
    const shell = new DocumentShell(document, folder, [['sudo ', '']]);
    const untyped = (): string[] => untypedLines(document, /^(one|two|three)$/);
    expect(untyped()).toHaveLength(5);
    const [first = '', second = '', third = '', background = ''] = shell.commands('one');
    await shell.run(first);
    // A test may add options.
    await shell.run(`${second} --loudly`);
    shell.launch(background.replace(/ &$/, ''));
    await shell.stop();
    expect(untyped()).toEqual(['one: sudo echo', 'two: echo b']);
    await shell.run(third);
    expect(await shell.type('two')).toBe('b\n');
    expect(untyped()).toEqual([]);
  });
});
