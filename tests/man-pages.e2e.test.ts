/** The manual pages, as man(1) shows them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { shellDocuments } from '../scripts/documents/shell-documents.mjs';
import { runClient, runProgram } from './lab-program.ts';
import { driverCommand, endpointCommand } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');
const pages = ['oxmem-bdev', 'sim-endpoint'].flatMap((name) =>
  Object.entries(shellDocuments(join(root, 'packages', name))).filter(([path]) =>
    path.startsWith('man/'),
  ),
);

describeRequiring(['command:man', 'command:groff'], 'the manual pages', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'oxmem-man-'));
    for (const [path, text] of pages) writeFileSync(join(folder, basename(path)), text);
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  it.each([
    ['oxmem-bdev.8', driverCommand],
    ['oxmem-sim-endpoint.1', endpointCommand],
  ])('%s is without fault and has every option that --help has', async (name, command) => {
    const argv = ['man', '--warnings', '-E', 'UTF-8', '-l', join(folder, name)];
    const env = { MANWIDTH: '200', LC_ALL: 'C.UTF-8' };
    const { code, stdout, stderr } = await runProgram(argv, { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const help = await runClient([...command, '--help']);
    const options = [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, option]) => option);
    expect(options.length).toBeGreaterThan(15);
    const missing = options.filter((option) => !stdout.includes(option ?? ''));
    expect(missing.filter((option) => option !== '--help' && option !== '--version')).toEqual([]);
    expect(stdout).toMatch(/^NAME\n +oxmem-[\w-]+ - \w/m);
  });
});
