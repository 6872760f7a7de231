import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DocumentShell, typesBlocks } from './document-shell.ts';
import type { LabProgram } from './lab-program.ts';
import { codeBlocks } from './readme-blocks.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');

typesBlocks('README.md', /^(?!kernel-)/);

/**
 * Runs the commands of README.md as they stand there, in their order. The only changes: no sudo
 * (the test is root of its namespace), the memory node is the README's own virtual cable, and files
 * lie in a folder of the test.
 */
describeRequiring(['root', 'netns'], 'the commands of README.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'readme-oxmem-'));
  const shell = new DocumentShell('README.md', folder, [
    ['sudo ', ''],
    ['node_modules/.bin/', `${root}/node_modules/.bin/`],
    ['/tmp/oxmem', `${folder}/oxmem`],
    ['eth0', 'ox0'],
    ['04:3f:72:dd:0b:05', '02:00:00:00:00:01'],
  ]);
  let driver: LabProgram;

  beforeAll(async () => {
    writeFileSync(join(folder, 'disk.img'), Buffer.alloc(1 << 20, 'disk'));
    await shell.start('endpoint');
    driver = await shell.start('driver');
  });

  afterAll(async () => {
    await shell.stop();
    await shell.run('ip link del ox0');
    rmSync(folder, { recursive: true, force: true });
  });

  itRequiring(
    ['command:nbdinfo', 'command:nbdcopy', 'command:qemu-io'],
    'the clients of the quick start do their work',
    async () => {
      await shell.type('clients');
    },
  );

  itRequiring(
    ['real-root', 'loop', 'fuse', 'command:nbdfuse', 'command:mkfs.ext4'],
    'a filesystem is made, mounted, written and unmounted',
    async () => {
      for (const command of shell.commands('filesystem')) {
        if (command.endsWith('&')) {
          shell.launch(command.slice(0, -1));
          await shell.run(`until [ -e ${folder}/oxmem-disk/nbd ]; do sleep 0.1; done`);
        } else {
          expect(await shell.run(command), command).toMatchObject({ code: 0 });
        }
      }
    },
  );

  it('an endpoint that does not answer is explained, with exit code 5', async () => {
    await shell.run('ip link set lo up');
    const [silent = ''] = shell.commands('silent');
    const result = await shell.run(silent);
    expect(result.code).toBe(5);
    expect(result.stderr).toMatch(/lo\b/);
  });

  it('Ctrl+C says what the README says', async () => {
    await driver.stop('SIGINT');
    const said = codeBlocks('README.md').find((block) => block.language === 'text')?.text;
    expect(driver.stdout.endsWith(said ?? 'no such block')).toBe(true);
    expect(driver.end).toEqual({ code: 0, signal: null });
  });
});
