import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { LabProgram, runProgram } from './lab-program.ts';
import { codeBlocks, commandsOf, namedBlock } from './readme-blocks.ts';
import { describeRequiring, itRequiring } from './requires.ts';

const root = join(import.meta.dirname, '..');

/**
 * Runs the commands of README.md as they stand there, in their order. The only changes: no sudo
 * (the test is root of its namespace), the memory node is the README's own virtual cable, and files
 * lie in a folder of the test. `pnpm docs:check` sees to it that no other ones are shown.
 */
describeRequiring(['root', 'netns'], 'the commands of README.md', () => {
  const folder = mkdtempSync(join(tmpdir(), 'readme-oxmem-'));
  const running: LabProgram[] = [];

  const adapt = (command: string): string =>
    command
      .replaceAll('sudo ', '')
      .replaceAll('node_modules/.bin/', `${root}/node_modules/.bin/`)
      .replaceAll('/tmp/oxmem', `${folder}/oxmem`)
      .replaceAll('eth0', 'ox0')
      .replaceAll('04:3f:72:dd:0b:05', '02:00:00:00:00:01');
  const start = (command: string): LabProgram => {
    const argv = ['bash', '-c', `exec ${adapt(command)}`];
    const program = new LabProgram(argv, { cwd: folder });
    running.push(program);
    return program;
  };
  const run = async (command: string): Promise<{ code: number | null; output: string }> => {
    const { code, stdout, stderr } = await runProgram(['bash', '-c', adapt(command)], {
      cwd: folder,
    });
    return { code, output: stdout + stderr };
  };
  const commands = (name: string): string[] => commandsOf(namedBlock('README.md', name));

  beforeAll(async () => {
    writeFileSync(join(folder, 'disk.img'), Buffer.alloc(1 << 20, 'disk'));
    const block = commands('endpoint');
    for (const command of block.slice(0, -1)) {
      expect(await run(command), command).toMatchObject({ code: 0 });
    }
    await start(block.at(-1) ?? '').waitFor('stdout', /^ready: endpoint/m);
    const [driver = '', ...rest] = commands('driver');
    expect(rest).toEqual([]);
    await start(driver).waitFor('stdout', /^ready: unix:/m);
  });

  afterAll(async () => {
    for (const program of running.toReversed()) await program.stop('SIGTERM');
    await run('sudo ip link del ox0');
    rmSync(folder, { recursive: true, force: true });
  });

  itRequiring(
    ['command:nbdinfo', 'command:nbdcopy', 'command:qemu-io'],
    'the clients of the quick start do their work',
    async () => {
      for (const command of commands('clients')) {
        expect(await run(command), command).toMatchObject({ code: 0 });
      }
    },
  );

  itRequiring(
    ['real-root', 'loop', 'fuse', 'command:nbdfuse', 'command:mkfs.ext4'],
    'a filesystem is made, mounted, written and unmounted',
    async () => {
      for (const command of commands('filesystem')) {
        if (command.endsWith('&')) {
          start(command.slice(0, -1));
          await run(`until [ -e ${folder}/oxmem-disk/nbd ]; do sleep 0.1; done`);
        } else {
          expect(await run(command), command).toMatchObject({ code: 0 });
        }
      }
    },
  );

  it('an endpoint that does not answer is explained, with exit code 5', async () => {
    await run('ip link set lo up');
    const [silent = ''] = commands('silent');
    const result = await run(silent);
    expect(result.code).toBe(5);
    expect(result.output).toMatch(/lo\b/);
  });

  it('Ctrl+C says what the README says', async () => {
    const driver = running[1] as LabProgram;
    await driver.stop('SIGINT');
    const said = codeBlocks('README.md').find((block) => block.language === 'text')?.text;
    expect(driver.stdout.endsWith(said ?? 'no such block')).toBe(true);
    expect(driver.end).toEqual({ code: 0, signal: null });
  });
});
