/** The manual pages, as man(1) shows them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { commandPackages, shellDocuments } from '../scripts/documents/shell-documents.mjs';
import { runClient, runProgram } from './lab-program.ts';
import { driverCommand, endpointCommand } from './oxmem-lab.ts';
import { describeRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');
const decoder = [process.execPath, join(root, 'packages/oxmem-tloe/bin/oxmem-tloe.js')];
const pages = commandPackages
  .flatMap((folder) => Object.entries(shellDocuments(folder)))
  .filter(([path]) => path.startsWith('man/'));

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
    { name: 'oxmem-bdev.8', commands: [driverCommand, [...driverCommand, 'detach']] },
    { name: 'oxmem-sim-endpoint.1', commands: [endpointCommand] },
    {
      name: 'oxmem-tloe.1',
      commands: [
        [...decoder, 'decode'],
        [...decoder, 'check'],
      ],
    },
  ])('$name is without fault and has every option that --help has', async ({ name, commands }) => {
    const argv = ['man', '--warnings', '-E', 'UTF-8', '-l', join(folder, name)];
    const env = { MANWIDTH: '200', LC_ALL: 'C.UTF-8' };
    const { code, stdout, stderr } = await runProgram(argv, { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const helps = await Promise.all(commands.map((each) => runClient([...each, '--help'])));
    const found = helps.join('').matchAll(/^ +(?:-\w, )?(--[a-z-]+)/gm);
    const options = [...found].map(([, option]) => option);
    expect(options.length).toBeGreaterThan(10);
    const missing = options.filter((option) => !stdout.includes(option ?? ''));
    expect(missing.filter((option) => option !== '--help' && option !== '--version')).toEqual([]);
    expect(stdout).toMatch(/^NAME\n +oxmem-[\w-]+ - \w/m);
  });
});
